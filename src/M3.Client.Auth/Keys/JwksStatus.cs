namespace M3.Client.Auth;

/// <summary>A snapshot of a provider's key cache, for logs, health checks and diagnosis.</summary>
public sealed record JwksStatus
{
    /// <summary>The state in one word.</summary>
    public JwksState State { get; init; }

    /// <summary>When the keys in use came; null: there are none.</summary>
    public DateTimeOffset? FetchedAt { get; init; }

    /// <summary>Until when they are fresh.</summary>
    public DateTimeOffset? FreshUntil { get; init; }

    /// <summary>Until when they are used while the issuer is down (stale-if-error, RFC 5861).</summary>
    public DateTimeOffset? UsableUntil { get; init; }

    /// <summary>Before then an unknown kid does not make the issuer be asked again; null: it would.</summary>
    public DateTimeOffset? CoolingDownUntil { get; init; }

    /// <summary>The keys that can verify, as <c>kid (alg)</c>.</summary>
    public IReadOnlyList<string> UsableKeys { get; init; } = [];

    /// <summary>Those that cannot, with the reason.</summary>
    public IReadOnlyList<string> IgnoredKeys { get; init; } = [];

    /// <summary>Why the last fetch failed; null: it did not.</summary>
    public string? LastError { get; init; }

    internal static JwksStatus Of(JwksSnapshot? known, Moment now, TimeSpan cooldown, string? lastError) => new()
    {
        State = known?.StateAt(now) ?? JwksState.Empty,
        FetchedAt = known?.FetchedAt.Utc,
        FreshUntil = known?.FreshUntil.Utc,
        UsableUntil = known?.UsableUntil.Utc,
        CoolingDownUntil = cooldown > TimeSpan.Zero ? now.Utc + cooldown : null,
        UsableKeys = known?.Keys.Describe() ?? [],
        IgnoredKeys = known?.Keys.Ignored ?? [],
        LastError = lastError,
    };
}

/// <summary>The state of a provider's key cache.</summary>
public enum JwksState
{
    /// <summary>No keys yet.</summary>
    Empty,

    /// <summary>Within their lifetime.</summary>
    Fresh,

    /// <summary>Past their lifetime, and still used.</summary>
    Stale,

    /// <summary>Too old to be used.</summary>
    Expired,
}
