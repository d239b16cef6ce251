namespace M3.Client.Auth;

/// <summary>
/// How often tokens that fit no key may make the issuer be asked again: twice at once, then once more every 30 s (a token bucket). So a
/// rotation heals within the call, and bad tokens cannot flood the issuer. Not safe for several threads.
/// </summary>
internal sealed class RefetchAllowance
{
    private const int AtOnce = 2;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    // When the bucket is full again; null: it always was.
    private long? _fullAt;

    /// <summary>How long until one is allowed again; zero or less: it is.</summary>
    public TimeSpan Remaining(Moment now) => _fullAt is { } fullAt ? new TimeSpan(fullAt - now.Monotonic) - ((AtOnce - 1) * Interval) : TimeSpan.Zero;

    public bool TryTake(Moment now)
    {
        if (Remaining(now) > TimeSpan.Zero)
            return false;
        _fullAt = Math.Max(_fullAt ?? long.MinValue, now.Monotonic) + Interval.Ticks;
        return true;
    }
}
