namespace M3.Client.Auth;

/// <summary>
/// How long to leave alone what failed: a second, then twice as long each time, at most 30 s, with jitter so that processes that
/// started together do not ask together. Not safe for several threads.
/// </summary>
internal sealed class Backoff
{
    private const double Jitter = 0.2;

    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    private int _failures;
    private long _until;

    /// <summary>How much of it is left; zero or less: it is over.</summary>
    public TimeSpan Remaining(Moment now) => _failures == 0 ? TimeSpan.Zero : new TimeSpan(_until - now.Monotonic);

    /// <summary>Begins the next pause, longer than the last one.</summary>
    public void Extend(Moment now)
    {
        // What went well for so long failed for another reason.
        if (Remaining(now) < -Longest)
            _failures = 0;
        double seconds = Math.Min(First.TotalSeconds * Math.Pow(2, Math.Min(_failures++, 10)), Longest.TotalSeconds / (1 + Jitter));
        _until = now.Monotonic + TimeSpan.FromSeconds(seconds * (1 + (Random.Shared.NextDouble() * Jitter))).Ticks;
    }

    public void Reset() => _failures = 0;
}
