using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Threading.RateLimiting;

namespace M3.Client.Auth;

/// <summary>
/// Keeps a registration inside M3's rate limit: one sliding log per subject, one for tokens without any. It counts what M3 counts,
/// tool calls, so MCP's housekeeping is free.
/// </summary>
internal sealed class RequestBudget(M3AuthOptions options, Log log)
{
    private const int MaxSubjects = 1024;

    private readonly ConcurrentDictionary<string, Account> _bySubject = new(StringComparer.Ordinal);
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
    /// <exception cref="RateLimitExceededException">The window is full, or M3 has asked for a pause.</exception>
    public void Take(string? subject, long now)
    {
        if (TryTake(subject, now, out TimeSpan retryAfter))
            return;
        string why = Volatile.Read(ref _pausedUntil) - now >= retryAfter.Ticks ? "M3 has asked for a pause (Retry-After)" : $"{Limit} are used up";
        throw new RateLimitExceededException(retryAfter, $"{why}; the next may go in {Duration.Describe(retryAfter)}");
    }

    /// <summary>Finds a request its token and counts it in, as soon as it may go by the rules of the mode and of the application's own limiter.</summary>
    /// <param name="request">For the application's limiter.</param>
    /// <param name="tokens">Where the token is looked up, once more after each wait: it may have been renewed meanwhile.</param>
    /// <param name="cancellationToken">Ends the wait. Whoever is cancelled has taken nothing of M3's limit.</param>
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
        ? $"{AccountOf(subject, now).Log.CountFree(now).ToString(CultureInfo.InvariantCulture)} of {Limit} left"
        : "off";

    private bool TryTake(string? subject, long now, out TimeSpan retryAfter)
    {
        SlidingLog log = AccountOf(subject, now).Log;
        long ticks = Volatile.Read(ref _pausedUntil) - now;
        bool taken = false;
        if (ticks <= 0)
            taken = log.TryTake(now, out ticks);
        else
            ticks = Math.Max(ticks, log.TicksUntilFree(now));
        retryAfter = new TimeSpan(ticks);
        return taken;
    }

    private async ValueTask<M3AccessToken> TakeInTurnAsync(IM3TokenProvider tokens, CancellationToken cancellationToken)
    {
        M3AccessToken token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
        while (true)
        {
            // First come, first served, each subject by itself: one waits for the window, the others for their turn.
            string? subject = token.Subject;
            SemaphoreSlim turn = AccountOf(subject, options.TimeProvider.GetUtcNow().UtcTicks).Turn;
            await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                while ((token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false)).Subject == subject)
                {
                    if (TryTake(subject, options.TimeProvider.GetUtcNow().UtcTicks, out TimeSpan retryAfter))
                        return token;

                    log.WaitingForBudget(retryAfter);
                    options.RateLimitProgress?.Report(retryAfter);
                    // Timers count whole milliseconds: rounded up, so that none wakes too early.
                    await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(retryAfter.TotalMilliseconds)), options.TimeProvider, cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                turn.Release();
            }
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

    private Account AccountOf(string? subject, long now)
    {
        subject ??= "";
        // One subject after the other is the rule: the last one is found without hashing its name.
        if (_last is { } last && ReferenceEquals(last.Subject, subject))
            return last.Account;

        if (!_bySubject.TryGetValue(subject, out Account? found))
        {
            ForgetIdle(now);
            found = _bySubject.GetOrAdd(subject, static (_, options) => new Account(new SlidingLog(options.RateLimitRequests, options.RateLimitWindow)), options);
        }

        _last = new LastUsed(subject, found);
        return found;
    }

    // Tokens whose subjects never repeat must not fill the memory. A log whose newest entry has left the window says nothing any more.
    private void ForgetIdle(long now)
    {
        if (_bySubject.Count < MaxSubjects)
            return;
        foreach ((string subject, Account account) in _bySubject)
        {
            if (account.Log.Newest + options.RateLimitWindow.Ticks <= now && account.Turn.CurrentCount > 0)
                _bySubject.TryRemove(new(subject, account));
        }
    }

    // What M3 counts of one subject's, and whose turn it is of those who wait.
    private sealed record Account(SlidingLog Log)
    {
        public SemaphoreSlim Turn { get; } = new(1, 1);
    }

    private sealed record LastUsed(string Subject, Account Account);
}
