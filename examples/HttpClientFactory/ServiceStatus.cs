using M3.Client.Auth;

namespace HttpClientFactory;

/// <summary>What the page shows. No token is in it, only what the token says.</summary>
internal sealed record ServiceStatus(
    HealthState Health, TokenState? Token, TokenProblem? TokenProblem, KeyState Keys, BudgetState? Budget, IReadOnlyList<Refusal> Refusals);

/// <param name="Status">In one word: Healthy, Degraded or Unhealthy.</param>
/// <param name="Why">In a sentence or two.</param>
internal sealed record HealthState(string Status, string? Why);

/// <param name="ExpiresInSeconds">So that the page counts down by this machine's clock; null: it never expires.</param>
internal sealed record TokenState(
    string? Subject, string? Issuer, IReadOnlyList<string> Scopes, string? KeyId, string? Algorithm, DateTimeOffset ExpiresAt, double? ExpiresInSeconds)
{
    public static TokenState Of(M3AccessToken token, DateTimeOffset now) => new(token.Subject, token.Issuer, token.Scopes, token.KeyId, token.Algorithm, token.ExpiresAt,
        token.ExpiresAt == DateTimeOffset.MaxValue ? null : Math.Round((token.ExpiresAt - now).TotalSeconds));
}

/// <summary>Why there is no valid token.</summary>
internal sealed record TokenProblem(string Detail, string Remedy);

/// <summary>The keys of the issuer, as this process has them.</summary>
internal sealed record KeyState(
    string State, IReadOnlyList<string> Usable, IReadOnlyList<string> Ignored, DateTimeOffset? FreshUntil, DateTimeOffset? UsableUntil, string? LastError)
{
    public static KeyState Of(JwksStatus keys) => new(keys.State.ToString(), keys.UsableKeys, keys.IgnoredKeys, keys.FreshUntil, keys.UsableUntil, keys.LastError);
}

/// <summary>M3's rate limit: what is left of it now.</summary>
internal sealed record BudgetState(string Host, int Left, int Limit, double WindowSeconds)
{
    /// <param name="data">Of the health check; without a budget before the first call.</param>
    public static BudgetState? Of(IReadOnlyDictionary<string, object> data) => data.ContainsKey("budget.left")
        ? new((string)data["budget.host"], (int)data["budget.left"], (int)data["budget.limit"], (double)data["budget.window_seconds"])
        : null;
}
