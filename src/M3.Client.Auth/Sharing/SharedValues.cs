namespace M3.Client.Auth;

/// <summary>
/// Values that processes share, so that one of them fetches for all. Whoever reads one judges it as if it had been fetched: what it says is nobody's word, only that it
/// was sealed for this purpose is certain.
/// </summary>
internal abstract class SharedValues
{
    /// <summary>A value that is good enough: one that is shared, or else one that this process fetches, and shares. One process fetches at a time, and the others wait for it.</summary>
    /// <param name="purpose">What the value is and whom it is for.</param>
    /// <param name="isGood">Whether a shared value is new enough for this caller.</param>
    /// <param name="patience">How long to wait at most for what others fetch; then it is fetched here.</param>
    /// <param name="fetch">Fetches it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public abstract Task<SharedValue> GetAsync(
        SharedPurpose purpose, Func<SharedValue, bool> isGood, TimeSpan patience, Func<CancellationToken, Task<SharedValue>> fetch, CancellationToken cancellationToken);
}

/// <summary>What a value is and whom it is for: only who asks for the very same can read it.</summary>
/// <param name="Kind">In one word, for metrics.</param>
/// <param name="Parts">The issuer, the client, the audience, and whatever else makes two values different.</param>
internal sealed record SharedPurpose(string Kind, params IReadOnlyList<string> Parts)
{
    /// <summary>All of it in one text, of which no two are alike.</summary>
    public string Name { get; } = string.Concat(Parts.Prepend(Kind).Select(part => $"{part.Length}:{part},"));
}

/// <summary>A value that was fetched somewhere.</summary>
/// <param name="Content">The value.</param>
/// <param name="FetchedAt">When its fetch began, by the clock of whoever fetched it.</param>
/// <param name="ExpiresAt">When nobody needs it any more.</param>
internal sealed record SharedValue(byte[] Content, DateTimeOffset FetchedAt, DateTimeOffset ExpiresAt)
{
    // The rest of its life is for those who have it already: they renew it near its end, and one of them does so for all.
    private const double PassedOnUntil = 0.75;

    /// <summary>Whether it is young enough to be passed on, and newer than what is known.</summary>
    public bool IsGood(DateTimeOffset now, TimeSpan life, DateTimeOffset? newerThan) =>
        !(FetchedAt <= newerThan) && now - FetchedAt < life * PassedOnUntil;
}
