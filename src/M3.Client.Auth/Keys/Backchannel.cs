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
        if (handler is not null)
            EnvironmentProxy.PutInto(handler);
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
        bool hasAnswered = false;
        Task? underWay = null;
        try
        {
            for (int redirects = 0; ; redirects++)
            {
                if (!MayReach(at))
                    throw new BackchannelException($"{Describe(at)} is not https (http only on loopback)");

                using var request = new HttpRequestMessage(HttpMethod.Get, at);
                request.Headers.Accept.Add(new("application/json"));
                // A handler that ignores its cancellation must not hold up everybody.
                Task<HttpResponseMessage> sending = Invoker.SendAsync(request, cancellationToken);
                underWay = sending;
                using HttpResponseMessage response = await sending.WaitAsync(cancellationToken).ConfigureAwait(false);
                hasAnswered = true;
                ObserveClock(response);

                if (FindRedirect(response, at) is { } next)
                {
                    if (redirects == MaxRedirects)
                        throw new BackchannelException($"{Describe(url)} redirects more than {MaxRedirects} times");
                    (at, hasAnswered) = (next, false);
                    continue;
                }

                if (response.StatusCode != HttpStatusCode.OK)
                    throw new BackchannelException($"{Describe(at)} answered {(int)response.StatusCode}", response.StatusCode);
                // Nothing here decompresses, so that a few bytes can never grow into many.
                if (response.Content.Headers.ContentEncoding.Count > 0)
                    throw new BackchannelException($"{Describe(at)} answered with a Content-Encoding that was not asked for");

                underWay = response.Content.LoadIntoBufferAsync(MaxBytes, cancellationToken);
                await underWay.WaitAsync(cancellationToken).ConfigureAwait(false);
                byte[] document = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
                // A handler of the user's may have read it already, however long.
                return document.Length <= MaxBytes ? document : throw TooLong(at);
            }
        }
        catch (OperationCanceledException)
        {
            Detached.Abandon(underWay);
            throw;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            HttpRequestError? error = (e as HttpRequestException)?.HttpRequestError;
            throw new BackchannelException(
                !hasAnswered ? $"{Describe(at)} could not be reached ({error?.ToString() ?? e.GetType().Name})"
                : error == HttpRequestError.ConfigurationLimitExceeded ? TooLong(at).Message
                : $"{Describe(at)} broke off its answer", e);
        }
    }

    public void Dispose()
    {
        Invoker.Dispose();
        _ownHandler?.Dispose();
    }

    // An answer out of a cache on the way is as old as its Age says (RFC 9111, section 5.1).
    private void ObserveClock(HttpResponseMessage response)
    {
        if (response.Headers.Date is { } date)
            Volatile.Write(ref _issuerAhead, (date + (response.Headers.Age ?? TimeSpan.Zero) - _timeProvider.GetUtcNow()).Ticks);
    }

    private static BackchannelException TooLong(Uri at) => new($"{Describe(at)} answered more than {MaxBytes} bytes");

    private static Uri? FindRedirect(HttpResponseMessage response, Uri at)
    {
        // A handler of the user's may have followed it already.
        if (response.RequestMessage?.RequestUri is { } reached && !Origin.Same(reached, at))
            throw new BackchannelException($"{Describe(at)} was redirected to another origin, {Origin.Describe(reached)}");
        if (!IsRedirect(response.StatusCode) || response.Headers.Location is not { } location)
            return null;

        Uri next = new(at, location);
        return Origin.Same(next, at)
            ? next
            : throw new BackchannelException($"{Describe(at)} redirects to another origin, {Origin.Describe(next)}");
    }

    private static bool IsRedirect(HttpStatusCode status) => status is HttpStatusCode.MovedPermanently or HttpStatusCode.Found
        or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;
}
