using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

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
    private readonly string _limit = $"{options.RateLimitRequests.ToString(CultureInfo.InvariantCulture)} requests within {Duration.Describe(options.RateLimitWindow)}";
    private LastUsed? _last;

    public bool Waits => options.RateLimitMode == RateLimitMode.Wait;

    /// <summary>Whether M3 counts this request: all but MCP's own housekeeping (MCP, "Streamable HTTP").</summary>
    public static bool Counts(HttpRequestMessage request)
    {
        HttpMethod method = request.Method;
        if (method == HttpMethod.Get || method == HttpMethod.Delete)
            return !request.Headers.NonValidated.Contains("Mcp-Session-Id");
        if (!request.Headers.NonValidated.TryGetValues("Mcp-Method", out var values))
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
            throw new RateLimitExceededException(retryAfter, $"{_limit} are used up; the next may go in {Duration.Describe(retryAfter)}");
    }

    /// <summary>Waits until the window has room, first come, first served, and counts a request in. Whoever is cancelled has taken nothing.</summary>
    /// <param name="tokens">Where the token is looked up once more after each wait: it may have been renewed meanwhile.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<M3AccessToken> TakeInTurnAsync(IM3TokenProvider tokens, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            while (true)
            {
                M3AccessToken token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
                if (TryTake(token.Subject, options.TimeProvider.GetUtcNow().UtcTicks, out TimeSpan retryAfter))
                    return token;

                log.WaitingForBudget(retryAfter);
                // Timers count whole milliseconds: rounded up, so that none wakes too early.
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(retryAfter.TotalMilliseconds)), options.TimeProvider, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>The budget in words, for the log.</summary>
    public string Describe(string? subject, long now) => options.RateLimitEnabled
        ? $"{LogOf(subject, now).CountFree(now).ToString(CultureInfo.InvariantCulture)} of {_limit} left"
        : "off";

    private bool TryTake(string? subject, long now, out TimeSpan retryAfter)
    {
        bool taken = LogOf(subject, now).TryTake(now, out long ticks);
        retryAfter = new TimeSpan(ticks);
        return taken;
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
