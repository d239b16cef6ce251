namespace M3.Client.Auth;

/// <summary>Keys, and the life that is left to them: fresh, then used only while the issuer is down, then over.</summary>
/// <param name="keys">The keys.</param>
/// <param name="fetchedAt">When they were fetched.</param>
/// <param name="lifetime">How long they are fresh.</param>
/// <param name="jitter">From 0 to 1.</param>
internal sealed class JwksSnapshot(KeySet keys, Moment fetchedAt, TimeSpan lifetime, double jitter)
{
    private const double RefreshFrom = 0.80;
    private const double RefreshJitter = 0.05;

    private static readonly TimeSpan StaleLimit = TimeSpan.FromHours(24);

    public readonly KeySet Keys = keys;

    public readonly Moment FetchedAt = fetchedAt;

    /// <summary>From then on they are fetched anew in the background.</summary>
    public readonly Deadline RefreshAt = Deadline.After(fetchedAt, lifetime * (RefreshFrom + (RefreshJitter * ((jitter * 2) - 1))));

    public readonly Deadline FreshUntil = Deadline.After(fetchedAt, lifetime);

    /// <summary>How long they are used while the issuer is down (stale-if-error, RFC 5861).</summary>
    public readonly Deadline UsableUntil = Deadline.After(fetchedAt, lifetime + StaleLimit);

    public TimeSpan AgeAt(Moment now) => new(now.Monotonic - FetchedAt.Monotonic);

    public JwksState StateAt(Moment now) => !FreshUntil.IsPast(now) ? JwksState.Fresh
        : !UsableUntil.IsPast(now) ? JwksState.Stale
        : JwksState.Expired;
}
