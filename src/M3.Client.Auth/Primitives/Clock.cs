namespace M3.Client.Auth;

/// <summary>Both clocks of a <see cref="TimeProvider"/>: dates are judged by the wall clock, which may be set; durations are counted on the other.</summary>
internal sealed class Clock(TimeProvider timeProvider)
{
    private readonly MonotonicClock _monotonic = new(timeProvider);

    public long Monotonic => _monotonic.Now;

    public Moment Now => new(timeProvider.GetUtcNow().UtcTicks, _monotonic.Now);
}

/// <summary>One moment, by both clocks.</summary>
/// <param name="UtcTicks">The wall clock's.</param>
/// <param name="Monotonic">In ticks of a <see cref="TimeSpan"/>; only differences say something.</param>
internal readonly record struct Moment(long UtcTicks, long Monotonic)
{
    public readonly long UtcTicks = UtcTicks;

    public readonly long Monotonic = Monotonic;

    public DateTimeOffset Utc => new(UtcTicks, TimeSpan.Zero);
}
