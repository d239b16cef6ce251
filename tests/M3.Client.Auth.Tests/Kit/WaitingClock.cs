using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>A fake clock that tells when somebody begins to wait, so that no test has to guess.</summary>
internal sealed class WaitingClock(DateTimeOffset now) : FakeTimeProvider(now)
{
    private readonly Channel<DateTimeOffset> _waits = Channel.CreateUnbounded<DateTimeOffset>();

    /// <summary>When each timer that was started ends, read one by one.</summary>
    public ChannelReader<DateTimeOffset> Waits => _waits.Reader;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        DateTimeOffset now = GetUtcNow();
        ITimer timer = base.CreateTimer(callback, state, dueTime, period);
        if (dueTime >= TimeSpan.Zero)
            _waits.Writer.TryWrite(now + dueTime);
        return timer;
    }
}
