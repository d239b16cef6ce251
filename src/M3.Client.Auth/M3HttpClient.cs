using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>A ready <see cref="HttpClient"/> for M3, for programs without dependency injection.</summary>
public static class M3HttpClient
{
    /// <summary>Makes a client whose calls carry a validated token, to the base address's origin only.</summary>
    /// <param name="baseAddress">Where M3 is, for example <c>http://localhost:3000/sse</c>. Its origin is added to the allowed ones.</param>
    /// <param name="options">The settings; null: <see cref="M3AuthOptions.FromEnvironment"/>.</param>
    /// <param name="innerHandler">
    /// What sends; disposed with the client. Null: a <see cref="SocketsHttpHandler"/> that follows no redirects. A proxy of the environment never
    /// sees calls to loopback; one that is set in this handler does.
    /// </param>
    /// <param name="loggerFactory">Where to log; null: nowhere, or to standard error with <see cref="M3AuthOptions.Debug"/>.</param>
    /// <returns>The client, which owns its token provider. With <see cref="RateLimitMode.Wait"/> it has no timeout.</returns>
    /// <exception cref="OptionsValidationException">The settings are wrong; every failure names its setting.</exception>
    public static HttpClient Create(Uri baseAddress, M3AuthOptions? options = null, HttpMessageHandler? innerHandler = null,
        ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(baseAddress);
        if (baseAddress is not { IsAbsoluteUri: true, Scheme: "http" or "https" })
            throw new ArgumentException($"The base address must be an absolute http or https URL, but is {Printable.Quote(baseAddress.OriginalString)}.", nameof(baseAddress));

        M3AuthOptions settings = (options ?? M3AuthOptions.FromEnvironment()).Copy();
        settings.AllowedOrigins.Add(baseAddress);
        settings.IsScript = true;
        var handler = new M3AuthHandler(settings, loggerFactory)
        {
            InnerHandler = innerHandler ?? new SocketsHttpHandler { AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) },
        };
        EnvironmentProxy.PutInto(handler.InnerHandler);
        var client = new HttpClient(handler) { BaseAddress = baseAddress };
        if (settings is { RateLimitEnabled: true, RateLimitMode: RateLimitMode.Wait })
            client.Timeout = Timeout.InfiniteTimeSpan;
        return client;
    }
}
