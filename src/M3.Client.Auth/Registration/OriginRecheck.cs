using System.Net.Http.Headers;

namespace M3.Client.Auth;

/// <summary>
/// The last look before the network, where handlers of others stand between it and ours: one that moves a request (service discovery, a
/// router) does not take the token along.
/// </summary>
internal sealed class OriginRecheck(M3AuthRegistration registration) : DelegatingHandler
{
    /// <inheritdoc />
    /// <exception cref="UntrustedOriginException">The token may not go there.</exception>
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Check(request);
        return base.SendAsync(request, cancellationToken);
    }

    /// <inheritdoc />
    /// <exception cref="UntrustedOriginException">The token may not go there.</exception>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        Check(request);
        return base.Send(request, cancellationToken);
    }

    private void Check(HttpRequestMessage request)
    {
        AuthenticationHeaderValue? header = request.Headers.Authorization;
        var attached = header as AttachedHeader;
        if (attached is null && !registration.HasSent(header?.Parameter))
            return;
        registration.Origins.Check(request);
        if ((attached is null ? registration.LastOnlyFor : attached.OnlyFor) is { } only)
            OriginGuard.Confine(request, only);
    }
}
