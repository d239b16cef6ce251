namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>
/// M3's rate limit in the test's own words, and what came of it: at the moment a tool begins, the subject's times older than the window
/// are dropped; the call is refused when as many as the limit are left, else its time is noted.
/// </summary>
internal sealed class M3RateLimit(int limit, TimeSpan window, TimeProvider clock)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, List<long>> _noted = [];
    private readonly List<Begun> _begun = [];

    public int Limit => limit;

    public TimeSpan Window => window;

    /// <summary>Calls whose tool ran.</summary>
    public int Admitted => Count(isAdmitted: true);

    /// <summary>Calls that M3 answered with its refusal.</summary>
    public int Refused => Count(isAdmitted: false);

    /// <summary>The largest number of one subject's tools that began within any window, refused ones included.</summary>
    public int LargestInAnyWindow
    {
        get
        {
            lock (_lock)
                return _begun.GroupBy(call => call.Subject).Select(calls => Largest([.. calls.Select(call => call.Time)])).DefaultIfEmpty().Max();
        }
    }

    /// <summary>
    /// What share of the limit the admitted calls used, from each subject's first to its last: 1 is a full limit at once and another one
    /// with every window. Meaningful for a total that is a multiple of the limit.
    /// </summary>
    public double ShareUsed
    {
        get
        {
            lock (_lock)
            {
                (double Used, double Could)[] shares =
                [
                    .. from call in _begun
                       where call.IsAdmitted
                       group call.Time by call.Subject into times
                       select ((double)times.Count(), limit * (1 + (clock.GetElapsedTime(times.First(), times.Last()) / window))),
                ];
                return shares.Length == 0 ? 0 : shares.Sum(share => share.Used) / shares.Sum(share => share.Could);
            }
        }
    }

    /// <summary>A tool begins: true when M3 lets it run.</summary>
    public bool TryBegin(string subject)
    {
        lock (_lock)
        {
            long now = clock.GetTimestamp();
            if (!_noted.TryGetValue(subject, out List<long>? times))
                _noted[subject] = times = [];
            times.RemoveAll(time => HasLeft(time, now));
            bool isAdmitted = times.Count < limit;
            if (isAdmitted)
                times.Add(now);
            _begun.Add(new(subject, now, isAdmitted));
            return isAdmitted;
        }
    }

    /// <summary>One line for a test's output.</summary>
    public override string ToString() =>
        $"{Refused}/{Admitted + Refused} refused, {ShareUsed:P1} of the limit used, at most {LargestInAnyWindow} in a window of {limit}";

    private bool HasLeft(long time, long now) => clock.GetElapsedTime(time, now) >= window;

    private int Count(bool isAdmitted)
    {
        lock (_lock)
            return _begun.Count(call => call.IsAdmitted == isAdmitted);
    }

    private int Largest(long[] times)
    {
        int largest = 0;
        int oldest = 0;
        for (int newest = 0; newest < times.Length; newest++)
        {
            while (HasLeft(times[oldest], times[newest]))
                oldest++;
            largest = Math.Max(largest, newest - oldest + 1);
        }

        return largest;
    }

    private sealed record Begun(string Subject, long Time, bool IsAdmitted);
}
