using System.Net;
using Microsoft.Extensions.Http;
using Polly;
using Polly.Extensions.Http;

namespace M3.Client.Auth;

/// <summary>
/// The backchannel's own sender: two quick tries more, inside the one timeout of the whole fetch. Enough for a dropped connection or a
/// restart behind a load balancer; longer outages are <see cref="JwksCache"/>'s business.
/// </summary>
internal sealed class RetryingHandler : DelegatingHandler
{
    private const int Retries = 2;

    private HttpMessageInvoker? _again;

    public RetryingHandler()
        : base(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = TimeSpan.FromSeconds(3),
            // Follows the issuer's DNS.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            MaxResponseHeadersLength = 64,
            Proxy = new EnvironmentProxy(),
        })
    {
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // The first try goes without the policy: nearly always it is the only one, and a script's first call need not load what retries.
        try
        {
            HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode is not (HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError))
                return response;
            response.Dispose();
        }
        catch (HttpRequestException)
        {
            // On to the policy.
        }

        await Task.Delay(DelayBefore(0), cancellationToken).ConfigureAwait(false);
        return await TryAgainAsync(request, cancellationToken).ConfigureAwait(false);
    }

    // Apart, so that the first try does not even load the package.
    private Task<HttpResponseMessage> TryAgainAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        _again ??= new HttpMessageInvoker(
            new PolicyHttpMessageHandler(HttpPolicyExtensions.HandleTransientHttpError().WaitAndRetryAsync(Retries - 1, DelayBefore)) { InnerHandler = InnerHandler! },
            disposeHandler: false);
        return _again.SendAsync(request, cancellationToken);
    }

    private static TimeSpan DelayBefore(int retry) => TimeSpan.FromMilliseconds((100 << retry) + Random.Shared.Next(100));
}
