using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Threading.RateLimiting;

namespace M3.Client.Auth;

/// <summary>
/// Keeps a registration inside M3's rate limit: one sliding log per subject, one for tokens without any. It counts what M3 counts,
/// tool calls, so MCP's housekeeping is free.
/// </summary>
/// <remarks>
/// It counts on a clock that nobody sets. Where that clock moves in steps, windows and pauses last one step longer: rounded against us.
/// </remarks>
internal sealed class RequestBudget
{
    /// <summary>After so long a wait looks again: timers may stand still while a machine sleeps.</summary>
    public static readonly TimeSpan LongestSleep = TimeSpan.FromSeconds(30);

    // Idle subjects are looked for when so many new ones have come, or as many as there were: each costs its share, however many come.
    private const int FewestBetweenSweeps = 1024;

    private readonly M3AuthOptions _options;
    private readonly Log _log;
    private readonly MonotonicClock _clock;
    private readonly long _window;
    private readonly ConcurrentDictionary<string, Account> _bySubject = new(StringComparer.Ordinal);
    private LastUsed? _last;
    private int _untilSweep = FewestBetweenSweeps;
    private long _pausedUntil;

    public RequestBudget(M3AuthOptions options, Log log)
    {
        _options = options;
        _log = log;
        _clock = new MonotonicClock(options.TimeProvider);
        _window = options.RateLimitWindow.Ticks + _clock.Resolution.Ticks;
        IsOn = options.RateLimitEnabled || options.RateLimiter is not null;
    }

    // Time begins after the first window: a log takes zero for a request that has long left.
    private long Now => _clock.Now + _window;

    private string Limit => $"{_options.RateLimitRequests.ToString(CultureInfo.InvariantCulture)} requests within {Duration.Describe(_options.RateLimitWindow)}";

    // Whether there is anything to keep inside: M3's limit, or the application's own.
    private bool IsOn { get; }

    /// <summary>Whether a request may have to wait for it, or hold something until M3 has answered.</summary>
    public bool MayWait => _options.RateLimitMode == RateLimitMode.Wait || _options.RateLimiter is not null;

    /// <summary>How many permits this request takes: one for each of its tool calls; null when its body must be read first.</summary>
    public int? CountPermits(HttpRequestMessage request) => IsOn ? ToolCalls.Count(request) : 0;

    /// <summary>Counts a request in.</summary>
    /// <param name="subject">The token's; null: none.</param>
    /// <param name="permits">How many tool calls it makes.</param>
    /// <param name="monotonic">Now, by the monotonic clock.</param>
    /// <exception cref="RateLimitExceededException">The window is full, or M3 has asked for a pause.</exception>
    public void Take(string? subject, int permits, long monotonic)
    {
        ThrowIfNeverFree(permits);
        long now = monotonic + _window;
        if (TryTake(subject, permits, now, out TimeSpan retryAfter))
            return;
        string why = Volatile.Read(ref _pausedUntil) - now >= retryAfter.Ticks ? "M3 has asked for a pause (Retry-After)" : $"{Limit} are used up";
        throw new RateLimitExceededException(retryAfter, $"{why}; the next may go in {Duration.Describe(retryAfter)}");
    }

    /// <summary>Finds a request its token and counts it in, as soon as it may go by the rules of the mode and of the application's own limiter.</summary>
    /// <param name="request">For the application's limiter.</param>
    /// <param name="counted">How many permits it takes; null: its body is to be read first, see <see cref="CountPermits"/>.</param>
    /// <param name="tokens">Where the token is looked up, once more after each wait: it may have been renewed meanwhile.</param>
    /// <param name="cancellationToken">Ends the wait. Whoever is cancelled has taken nothing of M3's limit.</param>
    /// <exception cref="M3AuthException">There is no valid token; or the request may not go, or not now.</exception>
    public async ValueTask<Admission> AdmitAsync(HttpRequestMessage request, int? counted, IM3TokenProvider tokens, CancellationToken cancellationToken)
    {
        int permits = counted ?? await ToolCalls.BufferAndCountAsync(request, cancellationToken).ConfigureAwait(false);
        RateLimitLease? lease = null;
        if (permits > 0 && _options.RateLimiter is { } limiter)
            lease = await AcquireLeaseAsync(limiter, request, cancellationToken).ConfigureAwait(false);

        try
        {
            if (permits > 0 && _options is { RateLimitEnabled: true, RateLimitMode: RateLimitMode.Wait })
                return new Admission(await TakeInTurnAsync(tokens, permits, cancellationToken).ConfigureAwait(false), lease);

            M3AccessToken token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
            if (permits > 0 && _options.RateLimitEnabled)
                Take(token.Subject, permits, _clock.Now);
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
        TimeSpan asked = retryAfter.Delta ?? (retryAfter.Date - _options.TimeProvider.GetUtcNow()).GetValueOrDefault();
        if (asked <= TimeSpan.Zero)
            return;
        // A slip of the server's must not silence its client for longer than the window that it counts in.
        long ticks = Now + Math.Min(asked.Ticks, _options.RateLimitWindow.Ticks) + _clock.Resolution.Ticks;
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
    public string Describe(string? subject)
    {
        if (!_options.RateLimitEnabled)
            return "off";
        long now = Now;
        return $"{AccountOf(subject, now).Log.CountFree(now).ToString(CultureInfo.InvariantCulture)} of {Limit} left";
    }

    private bool TryTake(string? subject, int permits, long now, out TimeSpan retryAfter)
    {
        while (true)
        {
            SlidingLog log = AccountOf(subject, now).Log;
            if (Volatile.Read(ref _pausedUntil) > now)
            {
                retryAfter = Told(UntilFree(log, permits, now));
                return false;
            }

            bool isTaken = log.TryTake(now, permits, out long ticks);
            retryAfter = Told(ticks);
            if (isTaken || ticks > 0)
                return isTaken;
            _last = null;
        }
    }

    private long UntilFree(SlidingLog log, int permits, long now) =>
        Math.Max(Volatile.Read(ref _pausedUntil) - now, log.TicksUntilFree(now, permits));

    // What the clock's steps add to a whole window is nobody's concern.
    private TimeSpan Told(long ticks) => new(Math.Min(ticks, _options.RateLimitWindow.Ticks));

    private void ThrowIfNeverFree(int permits)
    {
        if (permits > _options.RateLimitRequests)
            throw new RateLimitExceededException(null, $"a batch of {permits.ToString(CultureInfo.InvariantCulture)} tool calls never fits into {Limit}");
    }

    private async ValueTask<M3AccessToken> TakeInTurnAsync(IM3TokenProvider tokens, int permits, CancellationToken cancellationToken)
    {
        ThrowIfNeverFree(permits);
        M3AccessToken token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
        while (true)
        {
            // First come, first served, each subject by itself: one waits for the window, the others for their turn.
            string? subject = token.Subject;
            Account account = Find(subject ?? "", Now);
            await account.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                while (!account.Log.IsRetired && (token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false)).Subject == subject)
                {
                    if (TryTake(subject, permits, Now, out TimeSpan retryAfter))
                        return token;

                    _log.WaitingForBudget(retryAfter);
                    _options.RateLimitProgress?.Report(retryAfter);
                    for (long left = retryAfter.Ticks; left > 0; left = UntilFree(account.Log, permits, Now))
                        await SleepAsync(new TimeSpan(left), cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                account.Turn.Release();
            }
        }
    }

    private Task SleepAsync(TimeSpan left, CancellationToken cancellationToken)
    {
        // Timers count whole milliseconds: rounded up, so that none wakes too early.
        double milliseconds = Math.Ceiling(Math.Min(left.TotalMilliseconds, LongestSleep.TotalMilliseconds));
        return Task.Delay(TimeSpan.FromMilliseconds(milliseconds), _options.TimeProvider, cancellationToken);
    }

    private async ValueTask<RateLimitLease> AcquireLeaseAsync(PartitionedRateLimiter<HttpRequestMessage> limiter, HttpRequestMessage request,
        CancellationToken cancellationToken)
    {
        RateLimitLease lease = _options.RateLimitMode == RateLimitMode.Wait
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
        Account found = Find(subject, now);
        _last = new LastUsed(subject, found);
        return found;
    }

    private Account Find(string subject, long now)
    {
        Account? found;
        while (!_bySubject.TryGetValue(subject, out found) || found.Log.IsRetired)
        {
            if (found is not null)
                _bySubject.TryRemove(new(subject, found));
            else if (_bySubject.TryAdd(subject, new Account(new SlidingLog(_options.RateLimitRequests, new TimeSpan(_window)))) && Interlocked.Decrement(ref _untilSweep) == 0)
                ForgetIdle(now);
        }

        return found;
    }

    // Tokens whose subjects never repeat must not fill the memory. A log that every request has left says nothing any more.
    private void ForgetIdle(long now)
    {
        int left = 0;
        foreach ((string subject, Account account) in _bySubject)
        {
            if (account.Turn.CurrentCount > 0 && account.Log.TryRetire(now))
                _bySubject.TryRemove(new(subject, account));
            else
                left++;
        }

        Volatile.Write(ref _untilSweep, Math.Max(left, FewestBetweenSweeps));
    }

    // What M3 counts of one subject's, and whose turn it is of those who wait.
    private sealed record Account(SlidingLog Log)
    {
        public SemaphoreSlim Turn { get; } = new(1, 1);
    }

    private sealed record LastUsed(string Subject, Account Account);
}
