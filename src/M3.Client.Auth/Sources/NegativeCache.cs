using System.Runtime.ExceptionServices;

namespace M3.Client.Auth;

/// <summary>
/// What the on-demand sources of one provider failed with, or returned that was no valid token. It stands for a moment that grows,
/// however many calls come: they would get the same answer, or break the token endpoint down.
/// </summary>
internal sealed class NegativeCache(Clock clock)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ITokenSource, Entry> _entries = new(ReferenceEqualityComparer.Instance);

    /// <summary>Throws the failure that stands.</summary>
    /// <returns>Whether the source is to be left alone because it had no token a moment ago.</returns>
    public bool HadNone(ITokenSource source)
    {
        ExceptionDispatchInfo? failure;
        lock (_gate)
        {
            if (!_entries.TryGetValue(source, out Entry? entry) || entry.Pause.Remaining(clock.Now) <= TimeSpan.Zero)
                return false;
            failure = entry.Failure;
        }

        failure?.Throw();
        return true;
    }

    /// <summary>Remembers a failure of a source that is asked on demand; what is polled is cheap to read again.</summary>
    /// <param name="source">Who failed.</param>
    /// <param name="failure">What with; null: it had no token.</param>
    /// <param name="isUrgent">Whether calls fail meanwhile. While a token is still usable, renewing has its own pace, and nothing grows.</param>
    public void Remember(ITokenSource source, Exception? failure, bool isUrgent)
    {
        if (!IsOnDemand(source))
            return;

        lock (_gate)
        {
            if (!_entries.TryGetValue(source, out Entry? entry))
                _entries[source] = entry = new Entry();
            // The same failure thrown once more is no new one.
            if (entry.Pause.Remaining(clock.Now) > TimeSpan.Zero)
                return;
            if (!isUrgent)
                entry.Pause.Reset();
            entry.Pause.Extend(clock.Now);
            entry.Failure = failure is null ? null : ExceptionDispatchInfo.Capture(failure);
        }
    }

    public void Forget(ITokenSource source)
    {
        lock (_gate)
            _entries.Remove(source);
    }

    public static bool IsOnDemand(ITokenSource source) => source.PollInterval is null;

    private sealed class Entry
    {
        public Backoff Pause { get; } = new();

        public ExceptionDispatchInfo? Failure { get; set; }
    }
}
