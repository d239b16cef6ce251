using System.Net;
using Microsoft.Extensions.Http;
using Polly;
using Polly.Extensions.Http;

namespace M3.Client.Auth;

/// <summary>
/// Two quick tries more, inside the one timeout of the whole fetch. Enough for a dropped connection or a restart behind a load balancer;
/// longer outages are the key cache's business. The first try goes without it: nearly always it is the only one, and a script's first call
/// need not load what retries.
/// </summary>
internal sealed class Retry(HttpMessageHandler inner)
{
    private const int Retries = 2;

    private HttpMessageInvoker? _again;

    public static bool IsTransient(HttpResponseMessage response) =>
        response.StatusCode is HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError;

    public async Task<HttpResponseMessage> SendAgainAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        await Task.Delay(DelayBefore(0), cancellationToken).ConfigureAwait(false);
        _again ??= new HttpMessageInvoker(
            new PolicyHttpMessageHandler(HttpPolicyExtensions.HandleTransientHttpError().WaitAndRetryAsync(Retries - 1, DelayBefore)) { InnerHandler = inner },
            disposeHandler: false);
        return await _again.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private static TimeSpan DelayBefore(int retry) => TimeSpan.FromMilliseconds((100 << retry) + Random.Shared.Next(100));
}
