using System.Net;

namespace M3.Client.Auth;

/// <summary>
/// The way to the issuer: metadata, keys and tokens. HTTPS only (loopback excepted), no redirect to another origin, bounded in
/// time and size. It never comes from the application's <c>IHttpClientFactory</c>, whose defaults could wrap it in ourselves.
/// </summary>
internal sealed class Backchannel : IDisposable
{
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <summary>Marks a request that must not be sent twice: the issuer may have seen it although no answer came.</summary>
    public static readonly HttpRequestOptionsKey<bool> Once = new("M3.Client.Auth.Once");

    private const int MaxBytes = 1024 * 1024;
    private const int MaxRedirects = 3;

    private readonly HttpMessageHandler? _ownHandler;
    private readonly HttpMessageInvoker _sender;

    // A handler of the user's retries as it likes.
    private readonly Retry? _retry;

    private readonly TimeProvider _timeProvider;
    private long _issuerAhead;

    // This object itself, and each request of somebody else's, which may have to be answered all the same: whoever goes last disposes.
    private int _users = 1;
    private bool _isDisposed;

    public Backchannel(HttpMessageHandler? handler, TimeProvider timeProvider)
    {
        _timeProvider = timeProvider;
        if (handler is null)
        {
            handler = _ownHandler = NewHandler();
            _retry = new Retry(handler);
        }
        else
        {
            EnvironmentProxy.PutInto(handler);
        }

        _sender = new HttpMessageInvoker(handler, disposeHandler: false);
        Invoker = new HttpMessageInvoker(new BoundedHandler(this));
    }

    /// <summary>For requests that somebody else writes, a library or a token source of the user's: each within the same bounds, and on its own timeout.</summary>
    public HttpMessageInvoker Invoker { get; }

    /// <summary>How far the issuer's clock (its last answer's <c>Date</c>, in whole seconds) is ahead of ours.</summary>
    public TimeSpan IssuerAhead => new(Volatile.Read(ref _issuerAhead));

    public static bool MayReach(Uri url) => url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback);

    /// <summary>
    /// Whether an address leads to this machine by any of its names. <see cref="Uri.IsLoopback"/> knows neither the names under localhost (RFC 6761,
    /// section 6.3) nor the address of all interfaces, which leads here on Linux.
    /// </summary>
    public static bool IsOnThisMachine(Uri url)
    {
        if (url.IsLoopback)
            return true;
        string host = url.IdnHost.TrimEnd('.');
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase))
            return true;
        if (!IPAddress.TryParse(host, out IPAddress? address))
            return false;
        return address.Equals(IPAddress.IPv6Any) || (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).Equals(IPAddress.Any);
    }

    /// <summary>The address without its query and user part, where a secret may stand.</summary>
    public static string Describe(Uri url) => Printable.Text(url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped));

    /// <summary>Gets a small document.</summary>
    /// <exception cref="BackchannelException">Whatever kept it from being had.</exception>
    public async Task<byte[]> GetAsync(Uri url, CancellationToken cancellationToken)
    {
        Uri at = url;
        for (int redirects = 0; ; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, at);
            request.Headers.Accept.Add(new("application/json"));
            HttpResponseMessage response;
            try
            {
                response = await SendAsync(request, isAlwaysRead: false, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or HttpRequestException and not BackchannelException)
            {
                string why = (e as HttpRequestException)?.HttpRequestError.ToString() ?? e.GetType().Name;
                throw new BackchannelException($"{Describe(at)} could not be reached ({why})", e);
            }

            using HttpResponseMessage disposed = response;
            if (FindRedirect(response, at) is { } next)
            {
                if (redirects == MaxRedirects)
                    throw new BackchannelException($"{Describe(url)} redirects more than {MaxRedirects} times");
                at = next;
                continue;
            }

            return response.StatusCode == HttpStatusCode.OK
                ? await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false)
                : throw new BackchannelException($"{Describe(at)} answered {(int)response.StatusCode}", response.StatusCode);
        }
    }

    public void Dispose()
    {
        Invoker.Dispose();
        if (!Interlocked.Exchange(ref _isDisposed, true))
            Leave();
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _users) > 0)
            return;
        _sender.Dispose();
        _ownHandler?.Dispose();
    }

    private static SocketsHttpHandler NewHandler() => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = TimeSpan.FromSeconds(3),
        // Follows the issuer's DNS.
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        MaxResponseHeadersLength = 64,
        Proxy = new EnvironmentProxy(),
    };

    // Sends, and reads an answer to its end, a 200 or whatever it is; a redirect is an answer like any other.
    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, bool isAlwaysRead, CancellationToken cancellationToken)
    {
        Uri at = request.RequestUri ?? throw new InvalidOperationException("The request has no address.");
        if (!MayReach(at))
            throw new BackchannelException($"{Describe(at)} is not https (http only on loopback)");

        HttpResponseMessage? response = null;
        Task<HttpResponseMessage>? sending = null;
        Task? reading = null;
        try
        {
            // A handler that ignores its cancellation must not hold up everybody.
            sending = _sender.SendAsync(request, cancellationToken);
            bool mayRepeat = _retry is not null && !(request.Options.TryGetValue(Once, out bool isOnce) && isOnce);
            try
            {
                response = await sending.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (HttpRequestException) when (mayRepeat)
            {
                // On to the next try.
            }

            if (response is null || (mayRepeat && Retry.IsTransient(response)))
            {
                response?.Dispose();
                response = null;
                sending = _retry!.SendAgainAsync(request, cancellationToken);
                response = await sending.WaitAsync(cancellationToken).ConfigureAwait(false);
            }

            ObserveClock(response);

            // A handler of the user's may have followed a redirect already.
            if (response.RequestMessage?.RequestUri is { } reached && !Origin.Same(reached, at))
                throw new BackchannelException($"{Describe(at)} was redirected to another origin, {Origin.Describe(reached)}");
            if (!isAlwaysRead && response.StatusCode != HttpStatusCode.OK)
                return response;

            // Nothing here decompresses, so that a few bytes can never grow into many.
            if (response.Content.Headers.ContentEncoding.Count > 0)
                throw new BackchannelException($"{Describe(at)} answered with a Content-Encoding that was not asked for");
            reading = response.Content.LoadIntoBufferAsync(MaxBytes, cancellationToken);
            await reading.WaitAsync(cancellationToken).ConfigureAwait(false);
            // A handler of the user's may have read it already, however long.
            Stream answer = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            return answer.Length <= MaxBytes ? response : throw TooLong(at);
        }
        catch (Exception e)
        {
            if (e is OperationCanceledException && response is null)
                Detached.Abandon(sending);
            else if (e is OperationCanceledException)
                Detached.Abandon(reading);
            response?.Dispose();
            if (response is null || e is BackchannelException || e is not (HttpRequestException or IOException))
                throw;
            throw new BackchannelException((e as HttpRequestException)?.HttpRequestError == HttpRequestError.ConfigurationLimitExceeded
                ? TooLong(at).Message
                : $"{Describe(at)} broke off its answer", e);
        }
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
        if (!IsRedirect(response.StatusCode) || response.Headers.Location is not { } location)
            return null;

        Uri next = new(at, location);
        return Origin.Same(next, at)
            ? next
            : throw new BackchannelException($"{Describe(at)} redirects to another origin, {Origin.Describe(next)}");
    }

    private static bool IsRedirect(HttpStatusCode status) => status is HttpStatusCode.MovedPermanently or HttpStatusCode.Found
        or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;

    private sealed class BoundedHandler(Backchannel backchannel) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            using var timeout = new CancellationTokenSource(Timeout, backchannel._timeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            try
            {
                Interlocked.Increment(ref backchannel._users);
                return await backchannel.SendAsync(request, isAlwaysRead: true, either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException e) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw new BackchannelException($"{Describe(request.RequestUri!)} did not answer within {Duration.Describe(Timeout)}", e);
            }
            finally
            {
                backchannel.Leave();
            }
        }

        // Only asked by a source of the user's, which has left its caller's thread already.
        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
            SendAsync(request, cancellationToken).GetAwaiter().GetResult();
    }
}
