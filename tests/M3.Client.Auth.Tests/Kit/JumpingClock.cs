using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>A fake clock whose wall clock can be set while timers and timestamps go on, as when somebody corrects the machine's time.</summary>
internal sealed class JumpingClock(DateTimeOffset now) : FakeTimeProvider(now)
{
    private long _jumped;
    private long _slept;
    private int _timers;

    /// <summary>Whether a timer runs, so that somebody would notice if the time went on.</summary>
    public bool IsWaitedFor => Volatile.Read(ref _timers) > 0;

    /// <summary>Sets the wall clock forward, or back.</summary>
    public void Jump(TimeSpan by) => Interlocked.Add(ref _jumped, by.Ticks);

    /// <summary>Lets the time go on, but no timer, as when the machine is suspended (Windows counts that time).</summary>
    public void Sleep(TimeSpan time) => Interlocked.Add(ref _slept, time.Ticks);

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + new TimeSpan(Volatile.Read(ref _jumped) + Volatile.Read(ref _slept));

    // The fake clock's own asks GetUtcNow(), and would jump along.
    public override long GetTimestamp() => base.GetUtcNow().Ticks + Volatile.Read(ref _slept);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ITimer timer = base.CreateTimer(callback, state, dueTime, period);
        // Only now: while a timer is being made, the fake clock may pass over another thread's advance.
        Interlocked.Increment(ref _timers);
        return new CountedTimer(timer, () => Interlocked.Decrement(ref _timers));
    }

    private sealed class CountedTimer(ITimer timer, Action ended) : ITimer
    {
        private Action? _ended = ended;

        public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(dueTime, period);

        public void Dispose()
        {
            timer.Dispose();
            Interlocked.Exchange(ref _ended, null)?.Invoke();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
