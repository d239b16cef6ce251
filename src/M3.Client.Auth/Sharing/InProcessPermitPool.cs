using System.Collections.Concurrent;

namespace M3.Client.Auth;

/// <summary>This process's own permits: a ring for each subject, and one for tokens without any.</summary>
/// <remarks>
/// It counts on a clock that nobody sets. Where that clock moves in steps, windows and pauses last one step longer: rounded against us.
/// </remarks>
internal sealed class InProcessPermitPool(string origin, int limit, TimeSpan window, TimeProvider timeProvider) : PermitPool
{
    /// <summary>After so long a wait looks again: timers may stand still while a machine sleeps.</summary>
    public static readonly TimeSpan LongestSleep = TimeSpan.FromSeconds(30);

    // Idle subjects are looked for when so many new ones have come, or as many as there were: each costs its share, however many come.
    private const int FewestBetweenSweeps = 1024;

    private readonly MonotonicClock _clock = new(timeProvider);
    private readonly ConcurrentDictionary<string, SubjectPermits> _bySubject = new(StringComparer.Ordinal);
    private LastUsed? _last;
    private int _untilSweep = FewestBetweenSweeps;
    private long _pausedUntil;
    private int _limit = limit;
    private long _windowTicks = window.Ticks;

    public override int Limit => Volatile.Read(ref _limit);

    public override TimeSpan Window => new(Volatile.Read(ref _windowTicks));

    public bool IsOf(string otherOrigin, TimeProvider otherTimeProvider) => otherOrigin == origin && otherTimeProvider == timeProvider;

    /// <summary>Takes the stricter of what was and what is asked for. Not for two at once.</summary>
    /// <returns>Whether they differ.</returns>
    public bool Restrict(int limit, TimeSpan window)
    {
        bool differs = limit != _limit || window.Ticks != _windowTicks;
        Volatile.Write(ref _limit, Math.Min(limit, _limit));
        Volatile.Write(ref _windowTicks, Math.Max(window.Ticks, _windowTicks));
        return differs;
    }

    public override bool TryAcquire(string? subject, int count, long now, out Permit permit)
    {
        SubjectPermits permits = PermitsOf(subject ?? "", now);
        bool isTaken = !permits.IsWaitedFor && Volatile.Read(ref _pausedUntil) <= now && permits.Ring.TryTake(now, count, out _);
        permit = isTaken ? new Permit(this, permits, count) : default;
        return isTaken;
    }

    public override ValueTask<PermitResult> AcquireAsync(string? subject, int count, Action<TimeSpan?>? onWait, CancellationToken cancellationToken)
    {
        if (NeverFits(count) is { } never)
            return new(never);
        if (onWait is not null)
            return AcquireInTurnAsync(subject ?? "", count, onWait, cancellationToken);

        while (true)
        {
            long now = _clock.Now;
            SubjectPermits permits = PermitsOf(subject ?? "", now);
            if (TryTake(permits, count, now) is { } result)
                return new(result);
        }
    }

    public override void Release(in Permit permit, TimeSpan grace) =>
        ((SubjectPermits)permit.Holder).Release(permit.Count, _clock.Now + Volatile.Read(ref _windowTicks) + grace.Ticks + _clock.Resolution.Ticks);

    public override void Return(in Permit permit) => ((SubjectPermits)permit.Holder).Return(permit.Count);

    public override void Pause(TimeSpan duration)
    {
        // A slip of the server's must not silence its client for longer than the window that it counts in.
        long until = _clock.Now + Math.Min(duration.Ticks, Volatile.Read(ref _windowTicks)) + _clock.Resolution.Ticks;
        long known = Volatile.Read(ref _pausedUntil);
        // Of two answers at once the longer pause stays.
        while (until > known)
        {
            long before = Interlocked.CompareExchange(ref _pausedUntil, until, known);
            if (before == known)
                return;
            known = before;
        }
    }

    public override PermitCount Count(string? subject)
    {
        long now = _clock.Now;
        int limit = Limit;
        int used = limit - Math.Min(PermitsOf(subject ?? "", now).Ring.CountFree(now), limit);
        return new PermitCount(limit, used, new TimeSpan(Math.Max(Volatile.Read(ref _pausedUntil) - now, 0)));
    }

    private async ValueTask<PermitResult> AcquireInTurnAsync(string subject, int count, Action<TimeSpan?> onWait, CancellationToken cancellationToken)
    {
        while (true)
        {
            SubjectPermits permits = PermitsOf(subject, _clock.Now);
            Task turn = permits.Turn.WaitAsync(cancellationToken);
            if (!turn.IsCompleted)
                onWait(null);
            await turn.ConfigureAwait(false);
            try
            {
                bool isTold = false;
                SubjectPermits.Waiter waiter = permits.Listen();
                while (TryTake(permits, count, _clock.Now) is { } result)
                {
                    if (result.Permit is not null)
                        return result;
                    if (NeverFits(count) is { } hopeless)
                        return hopeless;
                    if (!isTold)
                    {
                        isTold = result.RetryAfter is not null;
                        onWait(result.RetryAfter);
                    }

                    await waiter.SleepAsync(NapOf(result.RetryAfter), timeProvider, cancellationToken).ConfigureAwait(false);
                    waiter = permits.Listen();
                }
            }
            finally
            {
                permits.EndTurn();
            }
        }
    }

    // Timers count whole milliseconds: rounded up, so that none wakes too early.
    private static TimeSpan? NapOf(TimeSpan? wait) => wait is { } time
        ? TimeSpan.FromMilliseconds(Math.Ceiling(Math.Min(time.TotalMilliseconds, LongestSleep.TotalMilliseconds)))
        : null;

    // Null: they are retired, and have a successor.
    private PermitResult? TryTake(SubjectPermits permits, int count, long now)
    {
        long wait = 0;
        long pause = Volatile.Read(ref _pausedUntil) - now;
        if (pause > 0)
            wait = permits.Ring.TicksUntilFree(now, count);
        else if (permits.Ring.TryTake(now, count, out wait))
            return new PermitResult(new Permit(this, permits, count));
        else if (wait == 0)
            return null;
        return wait == PermitRing.Unknown
            ? new PermitResult(null)
            : new PermitResult(null, Told(Math.Max(wait, pause)), IsPaused: pause >= wait);
    }

    // What the clock's steps add to a whole window is nobody's concern.
    private TimeSpan Told(long ticks) => new(Math.Min(ticks, Math.Max(Window.Ticks, ticks - _clock.Resolution.Ticks)));

    private SubjectPermits PermitsOf(string subject, long now)
    {
        // One subject after the other is the rule: the last one is found without hashing its name.
        SubjectPermits found;
        if (_last is { } last && ReferenceEquals(last.Subject, subject) && !last.Permits.Ring.IsRetired)
        {
            found = last.Permits;
        }
        else
        {
            found = Find(subject, now);
            _last = new LastUsed(subject, found);
        }

        if (found.Limit > Limit)
            found.Restrict(Limit, now);
        return found;
    }

    private SubjectPermits Find(string subject, long now)
    {
        SubjectPermits? found;
        while (!_bySubject.TryGetValue(subject, out found) || found.Ring.IsRetired)
        {
            if (found is not null)
                _bySubject.TryRemove(new(subject, found));
            else if (_bySubject.TryAdd(subject, new SubjectPermits(Limit)) && Interlocked.Decrement(ref _untilSweep) == 0)
                ForgetIdle(now);
        }

        return found;
    }

    // Tokens whose subjects never repeat must not fill the memory. Permits that are all free say nothing any more.
    private void ForgetIdle(long now)
    {
        int left = 0;
        foreach ((string subject, SubjectPermits permits) in _bySubject)
        {
            if (!permits.IsWaitedFor && permits.Ring.TryRetire(now))
                _bySubject.TryRemove(new(subject, permits));
            else
                left++;
        }

        Volatile.Write(ref _untilSweep, Math.Max(left, FewestBetweenSweeps));
    }

    private sealed record LastUsed(string Subject, SubjectPermits Permits);
}
