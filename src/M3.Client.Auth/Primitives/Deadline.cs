namespace M3.Client.Auth;

/// <summary>
/// When something is over or due: as soon as either clock says so. A lifetime must end in time when the wall clock is set back, and
/// when the machine slept and the monotonic clock with it.
/// </summary>
internal readonly record struct Deadline(long UtcTicks, long Monotonic)
{
    public readonly long UtcTicks = UtcTicks;

    public readonly long Monotonic = Monotonic;

    /// <summary>What never comes.</summary>
    public static Deadline Never => new(long.MaxValue, long.MaxValue);

    /// <summary>A duration from now, by both clocks.</summary>
    public static Deadline After(Moment now, TimeSpan duration) => new(now.UtcTicks + duration.Ticks, now.Monotonic + duration.Ticks);

    /// <summary>A duration from now, by the monotonic clock alone.</summary>
    public static Deadline Pause(Moment now, TimeSpan duration) => new(long.MaxValue, now.Monotonic + duration.Ticks);

    /// <summary>A date, by the wall clock alone.</summary>
    public static Deadline At(DateTimeOffset date) => new(date.UtcTicks, long.MaxValue);

    public DateTimeOffset Utc => new(UtcTicks, TimeSpan.Zero);

    public bool IsPast(Moment now) => now.UtcTicks >= UtcTicks || now.Monotonic >= Monotonic;

    /// <summary>Whichever comes first.</summary>
    public Deadline Or(Deadline other) => new(Math.Min(UtcTicks, other.UtcTicks), Math.Min(Monotonic, other.Monotonic));
}
