namespace M3.Client.Auth;

/// <summary>One subject's permits in this process, and whoever waits for them: first come, first served.</summary>
internal sealed class SubjectPermits(int limit)
{
    private Waiter? _waiter;

    public PermitRing Ring { get; } = new(limit);

    /// <summary>Held by the one call that waits for a permit; the others wait for their turn.</summary>
    public SemaphoreSlim Turn { get; } = new(1, 1);

    public int Limit { get; private set; } = limit;

    public bool IsWaitedFor => Turn.CurrentCount == 0;

    /// <summary>A stricter limit for permits that are about already.</summary>
    public void Restrict(int limit, long now)
    {
        lock (Turn)
        {
            if (limit >= Limit)
                return;
            Ring.Restrict(Limit - limit, now);
            Limit = limit;
        }
    }

    public void Release(int count, long freeAt)
    {
        Ring.Release(count, freeAt);
        if (Volatile.Read(ref _waiter) is { } waiter && waiter.KnowsNoTime)
            waiter.Wake();
    }

    public void Return(int count)
    {
        Ring.Return(count);
        Volatile.Read(ref _waiter)?.Wake();
    }

    /// <summary>Whoever has the turn listens before it looks, so that it misses nothing.</summary>
    public Waiter Listen()
    {
        var waiter = new Waiter();
        Interlocked.Exchange(ref _waiter, waiter);
        return waiter;
    }

    public void EndTurn()
    {
        Volatile.Write(ref _waiter, null);
        Turn.Release();
    }

    /// <summary>Woken when permits come back. One that knows when the next is free is woken for unused ones only: no other is earlier.</summary>
    internal sealed class Waiter
    {
        private readonly TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _knowsTime;

        public bool KnowsNoTime => !Volatile.Read(ref _knowsTime);

        public void Wake() => _woken.TrySetResult();

        /// <summary>Sleeps until it is woken, or for so long.</summary>
        public async Task SleepAsync(TimeSpan? longest, TimeProvider timeProvider, CancellationToken cancellationToken)
        {
            Volatile.Write(ref _knowsTime, longest is not null);
            Task woken = longest is { } time ? _woken.Task.WaitAsync(time, timeProvider, cancellationToken) : _woken.Task.WaitAsync(cancellationToken);
            await woken.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }
}
