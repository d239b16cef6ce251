using System.Collections.Concurrent;
using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>The permits of one origin's budget, in Redis.</summary>
/// <remarks>
/// A permit counts from before it is asked for until a window after its call's answer, by Redis's clock from when Redis hears of it: rounded against us.
/// What could not be told is told again until Redis has heard it.
/// </remarks>
internal sealed class RedisPermitPool : PermitPool
{
    // Of one request: Redis does nothing else meanwhile.
    private const int MostTold = 200;

    private const string Recovering = "Redis has lost its data, or is new, and those who hold permits are writing them anew";

    // What others may wait for.
    private static readonly TimeSpan LongestIdle = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LongestNap = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LossNap = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan ShortestNap = TimeSpan.FromMilliseconds(2);

    private readonly RedisLink _link;
    private readonly string _origin;
    private readonly TimeProvider _timeProvider;
    private readonly M3AuthRedisOptions _options;
    private readonly MonotonicClock _clock;
    private readonly ConcurrentDictionary<string, RedisBudget> _bySubject = new(StringComparer.Ordinal);
    private readonly RedisPause _pause;
    private int _limit;
    private long _windowTicks;

    public RedisPermitPool(RedisLink link, string origin, int limit, TimeSpan window, TimeProvider timeProvider, M3AuthRedisOptions options)
    {
        (_link, _origin, _timeProvider, _options) = (link, origin, timeProvider, options);
        (_limit, _windowTicks) = (limit, window.Ticks);
        _clock = new MonotonicClock(timeProvider);
        _pause = new RedisPause(link, link.Key($"pause:{RedisLink.Hash(origin)}"), _clock);
        link.Watch(this);
    }

    public override int Limit => Volatile.Read(ref _limit);

    public override TimeSpan Window => new(Volatile.Read(ref _windowTicks));

    public override bool IsShared => true;

    public override string? Problem => _link.IsAway ? "Redis cannot be reached, which has the budget that this process shares with others" : null;

    /// <summary>Whether there is anything that Redis would have to be told if it lost its data.</summary>
    public bool HoldsAny => _bySubject.Values.Any(budget => budget.HoldsAny);

    private long HoldTicks => _options.LongestHold.Ticks;

    // For how long a place in the line is kept for whoever does not ask; somebody who waits asks well within it.
    private TimeSpan PlaceKept => (2 * LongestNap) + _options.Timeout;

    public bool IsOf(string otherOrigin, TimeProvider otherTimeProvider) => otherOrigin == _origin && otherTimeProvider == _timeProvider;

    /// <inheritdoc cref="InProcessPermitPool.Restrict" />
    public bool Restrict(int limit, TimeSpan window)
    {
        bool differs = limit != _limit || window.Ticks != _windowTicks;
        Volatile.Write(ref _limit, Math.Min(limit, _limit));
        Volatile.Write(ref _windowTicks, Math.Max(window.Ticks, _windowTicks));
        return differs;
    }

    public override bool TryAcquire(string? subject, int count, long now, out Permit permit)
    {
        permit = default;
        if (_options.ReserveAhead == 0 || _pause.Left > TimeSpan.Zero)
            return false;
        RedisPermit[]? taken = BudgetOf(subject).TryTakeSpare(count, now - (HoldTicks / 2));
        if (taken is not null)
            permit = new Permit(this, taken, count);
        return taken is not null;
    }

    public override async ValueTask<PermitResult> AcquireAsync(string? subject, int count, Action<TimeSpan?>? onWait, CancellationToken cancellationToken)
    {
        RedisBudget budget;
        while (!(budget = BudgetOf(subject)).TryEnter())
            _bySubject.TryRemove(new(subject ?? "", budget));
        try
        {
            return onWait is null
                ? await AskAsync(budget, count, ticket: "", cancellationToken).ConfigureAwait(false)
                : await AskInTurnAsync(budget, count, onWait, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            budget.Leave();
        }
    }

    public override void Release(in Permit permit, TimeSpan grace) => Free(permit, _clock.Now + Volatile.Read(ref _windowTicks) + grace.Ticks + _clock.Resolution.Ticks);

    public override void Return(in Permit permit) => Free(permit, _clock.Now);

    public override void Pause(TimeSpan duration)
    {
        if (_pause.Begin(Math.Min(duration.Ticks, Volatile.Read(ref _windowTicks)) + _clock.Resolution.Ticks))
            _ = Detached.Run(() => _pause.TellAsync(Window, isProbe: false));
    }

    public override PermitCount Count(string? subject) =>
        new(Limit, Math.Min(BudgetOf(subject).LastUsed, Limit), _pause.Left > TimeSpan.Zero ? _pause.Left : TimeSpan.Zero);

    /// <summary>Redis has lost what it knew: it is told of everything that is not free.</summary>
    /// <returns>Whether it has heard all.</returns>
    public async Task<bool> WriteAllAsync()
    {
        _pause.Forgotten();
        if (!await _pause.TellAsync(Window, isProbe: true).ConfigureAwait(false))
            return false;
        foreach (RedisBudget budget in _bySubject.Values)
        {
            if (!await LookRoundAsync(budget, all: true).ConfigureAwait(false))
                return false;
        }

        return true;
    }

    /// <summary>Gives back what is reserved and idle, tells Redis what it does not know, and looks whether it has lost anything.</summary>
    /// <returns>False: Redis is away, and nobody needs to try more of it now.</returns>
    public async Task<bool> TidyAsync(bool isLast)
    {
        bool isHolding = false;
        if (!await _pause.TellAsync(Window, isProbe: true).ConfigureAwait(false))
            return false;
        foreach ((string subject, RedisBudget budget) in _bySubject)
        {
            long now = _clock.Now;
            budget.ReturnIdle(now, isLast ? now : now - LongestIdle.Ticks);
            if (!await LookRoundAsync(budget, all: false).ConfigureAwait(false))
                return false;
            if (budget.TryRetire())
                _bySubject.TryRemove(new(subject, budget));
            else
                isHolding = true;
        }

        // Every script looks at the epoch.
        return isLast || (!isHolding && !_link.IsAway) || _link.SinceSeen < _link.LookInterval / 2
            || (await _link.RunAsync(RedisScripts.Look, [], Window, [], isProbe: true).ConfigureAwait(false)).Values is not null;
    }

    private async ValueTask<PermitResult> AskInTurnAsync(RedisBudget budget, int count, Action<TimeSpan?> onWait, CancellationToken cancellationToken)
    {
        Task turn = budget.Turn.WaitAsync(cancellationToken);
        if (!turn.IsCompleted)
            onWait(null);
        await turn.ConfigureAwait(false);
        string ticket = _link.NewId();
        bool isInLine = true;
        try
        {
            bool isTold = false;
            while (true)
            {
                PermitResult result = await AskAsync(budget, count, ticket, cancellationToken).ConfigureAwait(false);
                if (result.Permit is not null)
                {
                    isInLine = false;
                    return result;
                }

                if (NeverAgain(count) is { } never)
                    return never;
                if (!isTold)
                {
                    isTold = result.RetryAfter is not null;
                    onWait(result.RetryAfter);
                }

                await Task.Delay(NapOf(result.RetryAfter), _timeProvider, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            budget.Turn.Release();
            // Those behind would wait for it to be forgotten.
            if (isInLine)
                _ = Detached.Run(() => _link.RunAsync(RedisScripts.Leave, [budget.Line, budget.Seen], Window, [ticket, count]));
        }
    }

    private async Task<PermitResult> AskAsync(RedisBudget budget, int count, string ticket, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (NeverAgain(count) is { } never)
            return never;
        long askedAt = _clock.Now;
        if (_pause.Left is var pause && pause > TimeSpan.Zero)
            return new PermitResult(null, pause, IsPaused: true);
        if (budget.TryTakeSpare(count, askedAt - (HoldTicks / 2)) is { } spare)
            return new PermitResult(new Permit(this, spare, count));

        string id = _link.NewId();
        int most = count + _options.ReserveAhead;
        // Not cancelled: what is granted to nobody would have to be found and taken back.
        RedisAnswer answer = await _link.RunAsync(RedisScripts.Acquire, [budget.Key, _pause.Key, budget.Line, budget.Seen], Window,
            [Limit, (long)Math.Ceiling(Window.TotalMilliseconds), (long)_options.LongestHold.TotalMilliseconds, count, most, id, ticket, (long)PlaceKept.TotalMilliseconds]).ConfigureAwait(false);
        if (answer.IsLost)
            return new PermitResult(null, LossNap, Problem: Problem ?? Recovering);
        if (answer.Values is not { } values)
        {
            if (answer.MayRun)
                budget.AddUnanswered(id, most, askedAt);
            return new PermitResult(null, TimeSpan.FromSeconds(1), Problem: Problem ?? "Redis did not answer");
        }

        switch ((string?)values[0])
        {
            case RedisScripts.Granted:
                budget.LastUsed = (int)values[2];
                var permit = new Permit(this, budget.Add(id, (int)values[1], count, askedAt), count);
                _link.NoteGrant(answer.Epoch, (long)values[3]);
                // Whoever was asleep for so long may have lost it already.
                if (_clock.Now - askedAt > HoldTicks / 2)
                {
                    Release(permit, TimeSpan.Zero);
                    return new PermitResult(null, TimeSpan.FromSeconds(1), Problem: "Redis took too long to answer");
                }

                return new PermitResult(permit);
            case RedisScripts.Recovering:
                return new PermitResult(null, TimeSpan.FromMilliseconds((long)values[1]), Problem: Recovering);
            default:
                budget.LastUsed = (int)values[1];
                return new PermitResult(null, (long)values[2] < 0 ? null : TimeSpan.FromMilliseconds((long)values[2]), IsPaused: (int)values[3] == 1);
        }
    }

    // Its caller does not wait: until Redis hears of it the permit counts for longer, never for less.
    private void Free(in Permit permit, long at)
    {
        var permits = (RedisPermit[])permit.Holder;
        RedisBudget budget = permits[0].Budget;
        if (budget.Release(permits, at))
            _ = Detached.Run(() => TellFreeAsync(budget));
    }

    private async Task TellFreeAsync(RedisBudget budget)
    {
        bool isHeard = true;
        while (budget.GoOnTelling(_clock.Now, isHeard, out ToldPermit[] told))
            isHeard = await TellAsync(budget, told, isProbe: false).ConfigureAwait(false);
    }

    private Task<bool> LookRoundAsync(RedisBudget budget, bool all)
    {
        long now = _clock.Now;
        return TellAsync(budget, budget.LookRound(now, HoldTicks + Volatile.Read(ref _windowTicks), now - (HoldTicks / 3), all), isProbe: true);
    }

    private async Task<bool> TellAsync(RedisBudget budget, ToldPermit[] told, bool isProbe)
    {
        long now = _clock.Now;
        foreach (ToldPermit[] part in told.Chunk(MostTold))
        {
            RedisValue[] arguments = [.. part.SelectMany(permit => (RedisValue[])[permit.Permit.Id, (long)Math.Ceiling(new TimeSpan(permit.Ticks).TotalMilliseconds)])];
            if ((await _link.RunAsync(RedisScripts.Write, [budget.Key, _pause.Key], Window, arguments, isProbe).ConfigureAwait(false)).Values is not { } values)
                return false;
            budget.Told(part, now);
            // Whoever takes what it has reserved hears of M3's pause here.
            _pause.Hear(TimeSpan.FromMilliseconds((long)values[1]));
        }

        return true;
    }

    private PermitResult? NeverAgain(int count) => _link.IsDisposed ? new PermitResult(null, Problem: "the shared state has been disposed") : NeverFits(count);

    private RedisBudget BudgetOf(string? subject) =>
        _bySubject.GetOrAdd(subject ?? "", static (name, pool) => RedisBudget.Of(pool._link, pool._origin, name), this);

    private static TimeSpan NapOf(TimeSpan? retryAfter) => retryAfter is not { } time || time > LongestNap ? LongestNap : time < ShortestNap ? ShortestNap : time;
}
