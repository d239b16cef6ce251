namespace M3.Client.Auth;

/// <summary>Keys, and the life that is left to them: fresh, then used only while the issuer is down, then over.</summary>
internal sealed class JwksSnapshot(KeySet keys, Moment fetchedAt, Deadline refreshAt, Deadline freshUntil, Deadline usableUntil)
{
    public readonly KeySet Keys = keys;

    public readonly Moment FetchedAt = fetchedAt;

    /// <summary>From then on they are fetched anew in the background.</summary>
    public readonly Deadline RefreshAt = refreshAt;

    public readonly Deadline FreshUntil = freshUntil;

    /// <summary>How long they are used while the issuer is down (stale-if-error, RFC 5861).</summary>
    public readonly Deadline UsableUntil = usableUntil;

    public TimeSpan AgeAt(Moment now) => new(now.Monotonic - FetchedAt.Monotonic);

    public JwksState StateAt(Moment now) => !FreshUntil.IsPast(now) ? JwksState.Fresh
        : !UsableUntil.IsPast(now) ? JwksState.Stale
        : JwksState.Expired;
}
