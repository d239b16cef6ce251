using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>A fake clock whose wall clock can be set while timers and timestamps go on, as when somebody corrects the machine's time.</summary>
internal sealed class JumpingClock(DateTimeOffset now) : FakeTimeProvider(now)
{
    private long _jumped;

    /// <summary>Sets the wall clock forward, or back.</summary>
    public void Jump(TimeSpan by) => Interlocked.Add(ref _jumped, by.Ticks);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + new TimeSpan(Volatile.Read(ref _jumped));
}
