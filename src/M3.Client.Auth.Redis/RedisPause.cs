using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>M3's pause for one origin, everybody's: told to Redis, and heard from there.</summary>
internal sealed class RedisPause(RedisLink link, RedisKey key, MonotonicClock clock)
{
    private long _until;
    private long _untoldUntil;

    public RedisKey Key { get; } = key;

    /// <summary>How much longer it lasts; zero or less: there is none.</summary>
    public TimeSpan Left => new(Volatile.Read(ref _until) - clock.Now);

    /// <summary>M3 has asked this process for it. Of two the longer one stays.</summary>
    /// <returns>Whether there is something to tell.</returns>
    public bool Begin(long ticks)
    {
        if (!Raise(ticks, out long until))
            return false;
        Volatile.Write(ref _untoldUntil, until);
        return true;
    }

    /// <summary>Another process was asked for it.</summary>
    public void Hear(TimeSpan left)
    {
        if (left > TimeSpan.Zero)
            Raise(left.Ticks, out _);
    }

    /// <summary>Redis has lost it.</summary>
    public void Forgotten() => Volatile.Write(ref _untoldUntil, Volatile.Read(ref _until));

    /// <returns>Whether Redis has heard of it, or there is nothing to tell.</returns>
    public async Task<bool> TellAsync(TimeSpan window, bool isProbe)
    {
        long until = Volatile.Read(ref _untoldUntil);
        long left = until - clock.Now;
        if (left <= 0)
            return true;
        if ((await link.RunAsync(RedisScripts.Pause, [Key], window, [(long)Math.Ceiling(new TimeSpan(left).TotalMilliseconds)], isProbe).ConfigureAwait(false)).Values is null)
            return false;
        Interlocked.CompareExchange(ref _untoldUntil, 0, until);
        return true;
    }

    private bool Raise(long ticks, out long until)
    {
        until = clock.Now + ticks;
        long known;
        do
        {
            known = Volatile.Read(ref _until);
            if (until <= known)
                return false;
        }
        while (Interlocked.CompareExchange(ref _until, until, known) != known);
        return true;
    }
}
