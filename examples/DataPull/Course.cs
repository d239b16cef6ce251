using M3.Client.Auth;

namespace DataPull;

/// <summary>How far a pull is, and how long the rest takes: all of its workers tell it here.</summary>
internal sealed class Course(CommandLine what, M3AuthOptions options, Screen screen) : IProgress<TimeSpan>
{
    private readonly Lock _lock = new();
    private readonly Pace _pace = new(options, what.Workers);
    // M3's rate limit names no call: it is the one in whose flow it tells of a wait.
    private readonly AsyncLocal<Turn?> _turn = new();
    private long _wanted;

    /// <summary>How many rows are on the disk.</summary>
    public long Rows { get; private set; }

    public void Begin(long rows, long wanted)
    {
        (Rows, _wanted) = (rows, wanted);
        screen.Begin(rows, wanted, what);
    }

    /// <summary>A call of one worker's.</summary>
    public async Task<T> CallAsync<T>(Func<Task<T>> call)
    {
        var turn = new Turn { Began = DateTimeOffset.UtcNow };
        _turn.Value = turn;
        T answer = await call();
        lock (_lock)
            _pace.Add(turn.Began, DateTimeOffset.UtcNow);
        return answer;
    }

    /// <summary>So many more rows are on the disk.</summary>
    public void Add(int rows)
    {
        lock (_lock)
        {
            Rows += rows;
            long calls = (_wanted - Rows + what.Page - 1) / what.Page;
            screen.Show(Rows, _wanted, _pace.Left(calls, DateTimeOffset.UtcNow));
        }
    }

    public void Join() => screen.Join(what);

    /// <param name="delay">How long a worker waits.</param>
    /// <param name="problem">What went wrong, null for M3's rate limit.</param>
    public void Wait(TimeSpan delay, string? problem)
    {
        if (_turn.Value is { } turn)
            turn.Began = DateTimeOffset.UtcNow + delay;
        lock (_lock)
            screen.Wait(delay, problem);
    }

    void IProgress<TimeSpan>.Report(TimeSpan value) => Wait(value, null);

    /// <summary>When a call's turn came.</summary>
    private sealed class Turn
    {
        public DateTimeOffset Began { get; set; }
    }
}
