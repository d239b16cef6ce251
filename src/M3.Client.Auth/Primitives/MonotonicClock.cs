namespace M3.Client.Auth;

/// <summary>
/// What durations are counted on: waits, polls, cool-downs, back-offs and windows must not change their length when somebody sets the
/// wall clock. Its value says nothing by itself; only differences do.
/// </summary>
internal sealed class MonotonicClock(TimeProvider timeProvider)
{
    private readonly bool _isSystem = timeProvider == TimeProvider.System;
    private readonly bool _countsTicks = timeProvider.TimestampFrequency == TimeSpan.TicksPerSecond;

    /// <summary>How far behind the true time <see cref="Now"/> may be: the system's tick count moves in steps (Windows: 15.6 ms).</summary>
    public TimeSpan Resolution => _isSystem ? TimeSpan.FromMilliseconds(16) : TimeSpan.Zero;

    /// <summary>In ticks of a <see cref="TimeSpan"/>. The system's tick count costs a quarter of a timestamp.</summary>
    public long Now => _isSystem ? Environment.TickCount64 * TimeSpan.TicksPerMillisecond
        : _countsTicks ? timeProvider.GetTimestamp()
        : timeProvider.GetElapsedTime(0).Ticks;
}
