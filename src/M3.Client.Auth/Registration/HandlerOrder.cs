using System.Collections.Concurrent;
using Microsoft.Extensions.Http;

namespace M3.Client.Auth;

/// <summary>Warns, once for each client, of handlers of others that stand on the wrong side of ours. They are known by name: this library needs none of their packages.</summary>
internal sealed class HandlerOrder
{
    private const string Resilience = "Microsoft.Extensions.Http.Resilience.ResilienceHandler";
    private const string Discovery = "Microsoft.Extensions.ServiceDiscovery.Http.ResolvingHttpDelegatingHandler";

    // A chain is built anew every few minutes.
    private readonly ConcurrentDictionary<string, bool> _told = new(StringComparer.Ordinal);

    /// <param name="client">Its name.</param>
    /// <param name="handlers">Its chain, from the outermost one.</param>
    /// <param name="ours">Where ours stands in it.</param>
    /// <param name="registration">What ours goes by.</param>
    public void Check(string client, IList<DelegatingHandler> handlers, int ours, M3AuthRegistration registration)
    {
        if (!_told.TryAdd(client, true))
            return;

        M3AuthOptions options = registration.Options;
        bool isCounting = options.RateLimitEnabled || options.RateLimiter is not null;
        if (isCounting && handlers.Skip(ours).FirstOrDefault(handler => handler is PolicyHttpMessageHandler || Is(handler, Resilience)) is { } repeating)
            registration.Log.RepeatsInside(Printable.Text(client), repeating.GetType().Name);
        if (isCounting && options.RateLimitMode == RateLimitMode.Wait && handlers.Take(ours).FirstOrDefault(handler => Is(handler, Resilience)) is { } impatient)
            registration.Log.TimeoutOutside(Printable.Text(client), impatient.GetType().Name);
        if (handlers.Skip(ours).FirstOrDefault(handler => Is(handler, Discovery)) is { } moving)
            registration.Log.DiscoveryInside(Printable.Text(client), moving.GetType().Name);
    }

    private static bool Is(DelegatingHandler handler, string name) => handler.GetType().FullName == name;
}
