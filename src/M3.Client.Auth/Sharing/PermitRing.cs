namespace M3.Client.Auth;

/// <summary>
/// One subject's permits, exactly as many as the limit. Each is with a call, or stands in a ring with the time from when on it is free: the
/// calls write there in the order in which their answers end, and the next call takes the oldest. So a slow call holds back its own permit
/// alone.
/// </summary>
/// <remarks>
/// Without a lock: taking moves the ring's head past a permit, and giving back moves its tail and writes the time there. Each time carries
/// the parity of its lap, which tells one that is written from one whose writer has only moved the tail yet; its permit counts as held.
/// Times are ticks of a clock that never goes back.
/// </remarks>
internal sealed class PermitRing
{
    /// <summary>No permit stands in the ring whose time could be told.</summary>
    public const long Unknown = long.MaxValue;

    private const long Retired = long.MinValue;

    private readonly long[] _times;

    // The lap in the upper half, the slot in the lower one: no division on the way.
    private long _head;
    private long _tail;

    // Given back unused, so free at once, whatever stands in the ring before them.
    private int _returned;

    // To be taken out for good, as soon as they are free.
    private int _surplus;
    private int _removed;

    public PermitRing(int limit)
    {
        // Zero is as good as written in lap 0, at a time that is past.
        _times = new long[limit];
        _tail = 1L << 32;
    }

    /// <summary>Whether it counts no more: whoever found it has to look up its successor.</summary>
    public bool IsRetired => Volatile.Read(ref _head) == Retired;

    /// <summary>Takes so many permits, all of them or none.</summary>
    /// <param name="now">The clock's ticks.</param>
    /// <param name="count">At least one, and at most the limit.</param>
    /// <param name="wait">Otherwise, how many ticks until enough are free, or <see cref="Unknown"/>; 0 where it is retired.</param>
    public bool TryTake(long now, int count, out long wait)
    {
        if (Volatile.Read(ref _surplus) > 0)
            RemoveSurplus(now);
        int unused = Volatile.Read(ref _returned) > 0 ? TakeReturned(count) : 0;
        if (unused == count)
        {
            wait = 0;
            return true;
        }

        if (TryTakeFromRing(now, count - unused, out wait))
            return true;
        if (unused > 0)
            Interlocked.Add(ref _returned, unused);
        return false;
    }

    /// <summary>How many ticks until there are so many permits, or <see cref="Unknown"/>; 0: there are.</summary>
    public long TicksUntilFree(long now, int count)
    {
        int missing = count - Volatile.Read(ref _returned);
        long head = Volatile.Read(ref _head);
        if (missing <= 0 || head == Retired)
            return 0;
        long free = FreeAt(head, missing, out _);
        return free == Unknown ? Unknown : Math.Max(free - now, 0);
    }

    /// <summary>Gives permits back that are free from a certain time on.</summary>
    public void Release(int count, long freeAt)
    {
        for (; count > 0; count--)
        {
            long tail;
            do
                tail = Volatile.Read(ref _tail);
            while (Interlocked.CompareExchange(ref _tail, After(tail), tail) != tail);
            // A full fence: whoever looks next whether somebody waits must not do so before this is seen.
            Interlocked.Exchange(ref _times[(int)tail], Pack(freeAt, tail >> 32));
        }
    }

    /// <summary>Gives permits back that were not used.</summary>
    public void Return(int count) => Interlocked.Add(ref _returned, count);

    /// <summary>Has so many permits less from now on, or as soon as they are free.</summary>
    public void Restrict(int count, long now)
    {
        Interlocked.Add(ref _surplus, count);
        RemoveSurplus(now);
    }

    /// <summary>How many permits could be taken now.</summary>
    public int CountFree(long now) =>
        Math.Max(CountFreeInRing(Volatile.Read(ref _head), now) + Volatile.Read(ref _returned) - Volatile.Read(ref _surplus), 0);

    /// <summary>
    /// Closes it for good if every permit is free, so that it can be forgotten: no call is counted in a ring that is no longer looked up.
    /// </summary>
    public bool TryRetire(long now)
    {
        // Taken meanwhile they would not be missed below.
        int returned = Interlocked.Exchange(ref _returned, 0);
        long head = Volatile.Read(ref _head);
        bool isRetired = head != Retired
            && CountFreeInRing(head, now) + returned + Volatile.Read(ref _removed) == _times.Length
            && Interlocked.CompareExchange(ref _head, Retired, head) == head;
        if (!isRetired && returned > 0)
            Interlocked.Add(ref _returned, returned);
        return isRetired;
    }

    private bool TryTakeFromRing(long now, int count, out long wait)
    {
        while (true)
        {
            long head = Volatile.Read(ref _head);
            if (head == Retired)
            {
                wait = 0;
                return false;
            }

            long free = FreeAt(head, count, out long next);
            if (free > now)
            {
                wait = free == Unknown ? Unknown : free - now;
                if (Volatile.Read(ref _head) == head)
                    return false;
            }
            else if (Interlocked.CompareExchange(ref _head, next, head) == head)
            {
                wait = 0;
                return true;
            }
        }
    }

    // When so many permits from the head on are free, and the head behind them.
    private long FreeAt(long head, int count, out long next)
    {
        long free = long.MinValue;
        for (next = head; count > 0 && free != Unknown; count--)
        {
            free = Math.Max(free, TimeAt(next));
            next = After(next);
        }

        return free;
    }

    private int TakeReturned(int count)
    {
        while (true)
        {
            int returned = Volatile.Read(ref _returned);
            int taken = Math.Min(returned, count);
            if (taken <= 0 || Interlocked.CompareExchange(ref _returned, returned - taken, returned) == returned)
                return Math.Max(taken, 0);
        }
    }

    private void RemoveSurplus(long now)
    {
        while (true)
        {
            int surplus = Volatile.Read(ref _surplus);
            if (surplus <= 0)
                return;
            if (Interlocked.CompareExchange(ref _surplus, surplus - 1, surplus) != surplus)
                continue;
            if (TakeReturned(1) == 0 && !TryTakeFromRing(now, 1, out _))
            {
                Interlocked.Increment(ref _surplus);
                return;
            }

            Interlocked.Increment(ref _removed);
        }
    }

    private int CountFreeInRing(long head, long now)
    {
        int free = 0;
        if (head != Retired)
        {
            for (; free < _times.Length && TimeAt(head) <= now; head = After(head))
                free++;
        }

        return free;
    }

    // When the permit in a slot is free; Unknown: there is none yet.
    private long TimeAt(long position)
    {
        long value = Volatile.Read(ref _times[(int)position]);
        return (value & 1) == ((position >> 32) & 1) ? value >> 1 : Unknown;
    }

    private long After(long position) => (int)position + 1 < _times.Length ? position + 1 : ((position >> 32) + 1) << 32;

    private static long Pack(long time, long lap) => (time << 1) | (lap & 1);
}
