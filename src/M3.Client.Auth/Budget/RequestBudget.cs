using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net.Http.Headers;
using System.Threading.RateLimiting;

namespace M3.Client.Auth;

/// <summary>
/// Keeps a registration inside M3's rate limit: one sliding log per subject, one for tokens without any. It counts what M3 counts,
/// tool calls, so MCP's housekeeping is free.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A SemaphoreSlim whose wait handle is never asked for holds nothing to dispose.")]
internal sealed class RequestBudget(M3AuthOptions options, Log log)
{
    private const int MaxSubjects = 1024;

    private readonly ConcurrentDictionary<string, SlidingLog> _bySubject = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _turn = new(1, 1);
    private LastUsed? _last;
    private long _pausedUntil;

    private string Limit => $"{options.RateLimitRequests.ToString(CultureInfo.InvariantCulture)} requests within {Duration.Describe(options.RateLimitWindow)}";

    // Whether there is anything to keep inside: M3's limit, or the application's own.
    private bool IsOn { get; } = options.RateLimitEnabled || options.RateLimiter is not null;

    /// <summary>Whether a request may have to wait for it, or hold something until M3 has answered.</summary>
    public bool MayWait => options.RateLimitMode == RateLimitMode.Wait || options.RateLimiter is not null;

    /// <summary>Whether this request is counted: all are but MCP's own housekeeping (MCP, "Streamable HTTP").</summary>
    public bool Counts(HttpRequestMessage request)
    {
        if (!IsOn)
            return false;
        HttpHeadersNonValidated headers = request.Headers.NonValidated;
        if (headers.Count == 0)
            return true;
        if ((request.Method == HttpMethod.Get || request.Method == HttpMethod.Delete) && headers.Contains("Mcp-Session-Id"))
            return false;
        if (!headers.TryGetValues("Mcp-Method", out HeaderStringValues values))
            return true;

        foreach (string value in values)
        {
            if (value == "tools/call")
                return true;
        }

        return false;
    }

    /// <summary>Counts a request in.</summary>
    /// <exception cref="RateLimitExceededException">The window is full.</exception>
    public void Take(string? subject, long now)
    {
        if (!TryTake(subject, now, out TimeSpan retryAfter))
            throw new RateLimitExceededException(retryAfter, $"{Limit} are used up; the next may go in {Duration.Describe(retryAfter)}");
    }

    /// <summary>Finds a request its token and counts it in, as soon as it may go by the rules of the mode and of the application's own limiter.</summary>
    /// <param name="request">For the application's limiter.</param>
    /// <param name="tokens">Where the token is looked up, once more after each wait: it may have been renewed meanwhile.</param>
    /// <param name="cancellationToken">Ends the wait. Whoever is cancelled has taken nothing.</param>
    /// <exception cref="M3AuthException">There is no valid token; or the request may not go, or not now.</exception>
    public async ValueTask<Admission> AdmitAsync(HttpRequestMessage request, IM3TokenProvider tokens, CancellationToken cancellationToken)
    {
        bool isCounted = Counts(request);
        RateLimitLease? lease = null;
        if (isCounted && options.RateLimiter is { } limiter)
            lease = await AcquireLeaseAsync(limiter, request, cancellationToken).ConfigureAwait(false);

        try
        {
            if (isCounted && options is { RateLimitEnabled: true, RateLimitMode: RateLimitMode.Wait })
                return new Admission(await TakeInTurnAsync(tokens, cancellationToken).ConfigureAwait(false), lease);

            M3AccessToken token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
            if (isCounted && options.RateLimitEnabled)
                Take(token.Subject, options.TimeProvider.GetUtcNow().UtcTicks);
            return new Admission(token, lease);
        }
        catch
        {
            lease?.Dispose();
            throw;
        }
    }

    /// <summary>M3 itself says to wait (RFC 9110, section 10.2.3): nothing goes before then.</summary>
    public void Pause(RetryConditionHeaderValue retryAfter)
    {
        DateTimeOffset now = options.TimeProvider.GetUtcNow();
        DateTimeOffset until = retryAfter.Date ?? now + (retryAfter.Delta ?? TimeSpan.Zero);
        // A slip of the server's must not silence its client for longer than the window that it counts in.
        long ticks = Math.Min(until.UtcTicks, (now + options.RateLimitWindow).UtcTicks);
        long known = Volatile.Read(ref _pausedUntil);
        // Of two answers at once the longer pause stays.
        while (ticks > known)
        {
            long before = Interlocked.CompareExchange(ref _pausedUntil, ticks, known);
            if (before == known)
                return;
            known = before;
        }
    }

    /// <summary>The budget in words, for the log.</summary>
    public string Describe(string? subject, long now) => options.RateLimitEnabled
        ? $"{LogOf(subject, now).CountFree(now).ToString(CultureInfo.InvariantCulture)} of {Limit} left"
        : "off";

    private bool TryTake(string? subject, long now, out TimeSpan retryAfter)
    {
        long ticks = Volatile.Read(ref _pausedUntil) - now;
        bool taken = ticks <= 0 && LogOf(subject, now).TryTake(now, out ticks);
        retryAfter = new TimeSpan(ticks);
        return taken;
    }

    private async ValueTask<M3AccessToken> TakeInTurnAsync(IM3TokenProvider tokens, CancellationToken cancellationToken)
    {
        // First come, first served: one waits for the window, the others for their turn.
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (true)
            {
                M3AccessToken token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
                if (TryTake(token.Subject, options.TimeProvider.GetUtcNow().UtcTicks, out TimeSpan retryAfter))
                    return token;

                log.WaitingForBudget(retryAfter);
                options.RateLimitProgress?.Report(retryAfter);
                // Timers count whole milliseconds: rounded up, so that none wakes too early.
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(retryAfter.TotalMilliseconds)), options.TimeProvider, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask<RateLimitLease> AcquireLeaseAsync(PartitionedRateLimiter<HttpRequestMessage> limiter, HttpRequestMessage request,
        CancellationToken cancellationToken)
    {
        RateLimitLease lease = options.RateLimitMode == RateLimitMode.Wait
            ? await limiter.AcquireAsync(request, cancellationToken: cancellationToken).ConfigureAwait(false)
            : limiter.AttemptAcquire(request);
        if (lease.IsAcquired)
            return lease;

        TimeSpan? retryAfter = lease.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan time) ? time : null;
        lease.Dispose();
        throw new RateLimitExceededException(retryAfter, "the application's own limiter refused the request");
    }

    private SlidingLog LogOf(string? subject, long now)
    {
        subject ??= "";
        // One subject after the other is the rule: the last one is found without hashing its name.
        if (_last is { } last && ReferenceEquals(last.Subject, subject))
            return last.Log;

        if (!_bySubject.TryGetValue(subject, out SlidingLog? found))
        {
            ForgetIdle(now);
            found = _bySubject.GetOrAdd(subject, static (_, options) => new SlidingLog(options.RateLimitRequests, options.RateLimitWindow), options);
        }

        _last = new LastUsed(subject, found);
        return found;
    }

    // Tokens whose subjects never repeat must not fill the memory. A log whose newest entry has left the window says nothing any more.
    private void ForgetIdle(long now)
    {
        if (_bySubject.Count < MaxSubjects)
            return;
        foreach ((string subject, SlidingLog log) in _bySubject)
        {
            if (log.Newest + options.RateLimitWindow.Ticks <= now)
                _bySubject.TryRemove(new(subject, log));
        }
    }

    private sealed record LastUsed(string Subject, SlidingLog Log);
}
