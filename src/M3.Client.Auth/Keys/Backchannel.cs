using System.Net;

namespace M3.Client.Auth;

/// <summary>
/// The way to the issuer: metadata, keys and tokens. HTTPS only (loopback excepted), no redirect to another origin, bounded in
/// time and size. It never comes from the application's <c>IHttpClientFactory</c>, whose defaults could wrap it in ourselves.
/// </summary>
internal sealed class Backchannel : IDisposable
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private const int MaxBytes = 1024 * 1024;
    private const int MaxRedirects = 3;

    private readonly HttpMessageHandler? _ownHandler;

    private readonly TimeProvider _timeProvider;
    private long _issuerAhead;

    public Backchannel(HttpMessageHandler? handler, TimeProvider timeProvider)
    {
        _timeProvider = timeProvider;
        _ownHandler = handler is null ? new RetryingHandler() : null;
        Invoker = new HttpMessageInvoker(handler ?? _ownHandler!, disposeHandler: false);
    }

    /// <summary>For token requests, which are written by a library.</summary>
    public HttpMessageInvoker Invoker { get; }

    /// <summary>How far the issuer's clock (its last answer's <c>Date</c>, in whole seconds) is ahead of ours.</summary>
    public TimeSpan IssuerAhead => new(Volatile.Read(ref _issuerAhead));

    public static bool MayReach(Uri url) => url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback);

    /// <summary>The address without its query and user part, where a secret may stand.</summary>
    public static string Describe(Uri url) => Printable.Text(url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped));

    /// <summary>Gets a small document.</summary>
    /// <exception cref="BackchannelException">Whatever kept it from being had.</exception>
    public async Task<byte[]> GetAsync(Uri url, CancellationToken cancellationToken)
    {
        Uri at = url;
        for (int redirects = 0; ; redirects++)
        {
            if (!MayReach(at))
                throw new BackchannelException($"{Describe(at)} is not https (http only on loopback)");

            using HttpResponseMessage response = await SendAsync(at, cancellationToken).ConfigureAwait(false);
            if (response.RequestMessage?.RequestUri is { } reached && !Origin.Same(reached, at))
                throw new BackchannelException($"{Describe(at)} was redirected to another origin, {Origin.Describe(reached)}");

            if (IsRedirect(response.StatusCode) && response.Headers.Location is { } location)
            {
                Uri next = new(at, location);
                if (!Origin.Same(next, at))
                    throw new BackchannelException($"{Describe(at)} redirects to another origin, {Origin.Describe(next)}");
                if (redirects == MaxRedirects)
                    throw new BackchannelException($"{Describe(url)} redirects more than {MaxRedirects} times");
                at = next;
                continue;
            }

            if (response.StatusCode != HttpStatusCode.OK)
                throw new BackchannelException($"{Describe(at)} answered {(int)response.StatusCode}", response.StatusCode);
            return await ReadAsync(response, at, cancellationToken).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        Invoker.Dispose();
        _ownHandler?.Dispose();
    }

    private async Task<HttpResponseMessage> SendAsync(Uri url, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Accept.Add(new("application/json"));
        try
        {
            HttpResponseMessage response = await Invoker.SendAsync(request, cancellationToken).ConfigureAwait(false);
            // An answer out of a cache on the way is as old as its Age says (RFC 9111, section 5.1).
            if (response.Headers.Date is { } date)
                Volatile.Write(ref _issuerAhead, (date + (response.Headers.Age ?? TimeSpan.Zero) - _timeProvider.GetUtcNow()).Ticks);
            return response;
        }
        catch (HttpRequestException e)
        {
            throw new BackchannelException($"{Describe(url)} could not be reached ({e.HttpRequestError})", e);
        }
    }

    private static async Task<byte[]> ReadAsync(HttpResponseMessage response, Uri url, CancellationToken cancellationToken)
    {
        // Nothing here decompresses, so that a few bytes can never grow into many.
        if (response.Content.Headers.ContentEncoding.Count > 0)
            throw new BackchannelException($"{Describe(url)} answered with a Content-Encoding that was not asked for");
        if (response.Content.Headers.ContentLength > MaxBytes)
            throw new BackchannelException($"{Describe(url)} answered more than {MaxBytes} bytes");

        try
        {
            using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            using var bytes = new MemoryStream();
            byte[] buffer = new byte[16 * 1024];
            int read;
            while ((read = await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                if (bytes.Length + read > MaxBytes)
                    throw new BackchannelException($"{Describe(url)} answered more than {MaxBytes} bytes");
                bytes.Write(buffer, 0, read);
            }

            return bytes.ToArray();
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new BackchannelException($"{Describe(url)} broke off its answer", e);
        }
    }

    private static bool IsRedirect(HttpStatusCode status) => status is HttpStatusCode.MovedPermanently or HttpStatusCode.Found
        or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;
}
