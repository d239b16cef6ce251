using System.Runtime.CompilerServices;

namespace M3.Client.Auth;

/// <summary>
/// M3's rate limit exactly: within any window at most so many requests. The times of the last <c>limit</c> requests stand in a
/// ring; the next one may go if the oldest of them has left the window.
/// </summary>
/// <remarks>
/// Without a lock: a request takes the ring's next slot by moving the position past it, and writes its time there. Each time carries the
/// parity of its lap, which tells a slot written in the lap before from one whose taker has not come to write yet. Times are ticks of a
/// clock that never goes back, and later than one window.
/// </remarks>
internal sealed class SlidingLog
{
    private const long Retired = long.MinValue;

    private readonly long[] _slots;
    private readonly long _window;

    // The lap in the upper half, the slot in the lower one: no division on the way.
    private long _position;

    public SlidingLog(int limit, TimeSpan window)
    {
        // Zero is as good as taken in lap 0, at a time that has left every window; so the first is lap 1.
        _slots = new long[limit];
        _window = window.Ticks;
        _position = 1L << 32;
    }

    /// <summary>Whether it counts no more: whoever found it has to look up its successor.</summary>
    public bool IsRetired => Volatile.Read(ref _position) == Retired;

    /// <summary>
    /// Closes it for good if every request has left the window, so that it can be forgotten: no request is counted in a log that is no longer
    /// looked up.
    /// </summary>
    public bool TryRetire(long now)
    {
        long position = Volatile.Read(ref _position);
        return position != Retired
            && TryReadNewest(position, _slots.Length, out long newest)
            && newest + _window <= now
            && Interlocked.CompareExchange(ref _position, Retired, position) == position;
    }

    /// <summary>Counts so many requests in, all of them or none, if the window has room.</summary>
    /// <param name="now">The clock's ticks.</param>
    /// <param name="count">At least one, and at most the limit.</param>
    /// <param name="retryAfter">Otherwise, how many ticks until enough of the oldest have left; 0 where it is retired.</param>
    public bool TryTake(long now, int count, out long retryAfter)
    {
        var wait = default(SpinWait);
        while (true)
        {
            long position = Volatile.Read(ref _position);
            if (position == Retired)
            {
                retryAfter = 0;
                return false;
            }

            if (!TryReadNewest(position, count, out long newest))
            {
                // The position has moved on since it was read; or, a whole lap later, the slot's last taker has still not written.
                if (Volatile.Read(ref _position) == position)
                    wait.SpinOnce();
                continue;
            }

            retryAfter = newest + _window - now;
            if (retryAfter > 0)
            {
                if (Volatile.Read(ref _position) == position)
                    return false;
                continue;
            }

            long next = After(position, count);
            if (Interlocked.CompareExchange(ref _position, next, position) == position)
            {
                for (; position != next; position = After(position))
                    Volatile.Write(ref _slots[(int)position], Pack(now, position >> 32));
                retryAfter = 0;
                return true;
            }
        }
    }

    /// <summary>How many ticks until there is room for so many more; 0 or less: there is.</summary>
    public long TicksUntilFree(long now, int count)
    {
        TryReadNewest(Volatile.Read(ref _position), count, out long newest);
        return newest + _window - now;
    }

    /// <summary>How many more requests would be let through now.</summary>
    public int CountFree(long now)
    {
        int free = 0;
        foreach (ref long slot in _slots.AsSpan())
        {
            if (TicksOf(Volatile.Read(ref slot)) + _window <= now)
                free++;
        }

        return free;
    }

    // The newest of the times in so many slots from the position on; false where one of them is still to be written.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryReadNewest(long position, int count, out long newest)
    {
        bool isWritten = TryRead(position, out newest);
        while (--count > 0)
        {
            position = After(position);
            isWritten &= TryRead(position, out long time);
            newest = Math.Max(newest, time);
        }

        return isWritten;
    }

    private bool TryRead(long position, out long time)
    {
        long value = Volatile.Read(ref _slots[(int)position]);
        time = TicksOf(value);
        return LapParityOf(value) != ((position >> 32) & 1);
    }

    private long After(long position, int count = 1)
    {
        long slot = (int)position + count;
        return slot < _slots.Length ? position + count : (((position >> 32) + 1) << 32) + slot - _slots.Length;
    }

    private static long Pack(long ticks, long lap) => (ticks << 1) | (lap & 1);

    private static long TicksOf(long value) => value >> 1;

    private static long LapParityOf(long value) => value & 1;
}
