using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary>Any other handler of an application: it sees the message on its way to M3, may change it, and sees it again with the answer.</summary>
internal sealed class Observer : DelegatingHandler
{
    public Action<HttpRequestMessage>? OnTheWay { get; init; }

    public Action<HttpRequestMessage>? OnTheWayBack { get; init; }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        OnTheWay?.Invoke(request);
        HttpResponseMessage response = await base.SendAsync(request, cancellationToken);
        OnTheWayBack?.Invoke(request);
        return response;
    }
}

internal static class ObserverExtensions
{
    public static void AddHandler(this IHttpClientBuilder builder, Observer handler) => builder.AddHttpMessageHandler(() => handler);
}
