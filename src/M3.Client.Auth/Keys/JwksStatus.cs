namespace M3.Client.Auth;

/// <summary>A snapshot of a provider's key cache, for logs, health checks and diagnosis.</summary>
/// <param name="State">In one word.</param>
/// <param name="FetchedAt">When the keys in use came; null: there are none.</param>
/// <param name="FreshUntil">Until when they are fresh.</param>
/// <param name="UsableUntil">Until when they serve while the issuer is down.</param>
/// <param name="CoolingDownUntil">Before then an unknown kid does not make the issuer be asked again; null: it would.</param>
/// <param name="UsableKeys">The keys that can verify, as <c>kid (alg)</c>.</param>
/// <param name="IgnoredKeys">Those that cannot, with the reason.</param>
/// <param name="LastError">Why the last fetch failed; null: it did not.</param>
public sealed record JwksStatus(JwksState State, DateTimeOffset? FetchedAt, DateTimeOffset? FreshUntil, DateTimeOffset? UsableUntil,
    DateTimeOffset? CoolingDownUntil, IReadOnlyList<string> UsableKeys, IReadOnlyList<string> IgnoredKeys, string? LastError);

/// <summary>The state of a provider's key cache.</summary>
public enum JwksState
{
    /// <summary>No keys yet.</summary>
    Empty,

    /// <summary>Within their lifetime.</summary>
    Fresh,

    /// <summary>Past their lifetime, and still serving.</summary>
    Stale,

    /// <summary>Too old to serve.</summary>
    Expired,
}
