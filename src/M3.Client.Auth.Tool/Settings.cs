using System.Globalization;

namespace M3.Client.Auth.Tool;

/// <summary>The settings in force, and where each came from.</summary>
internal static class Settings
{
    private const string Hidden = "(set, not shown)";

    public static IEnumerable<string?[]> Rows(M3AuthOptions options, string prefix)
    {
        yield return Row("ENABLED", Switch(options.Enabled));
        yield return Row("ISSUER_URL", options.IssuerUrl);
        yield return Row("AUDIENCE", options.Audience);
        yield return Row("REQUIRED_SCOPES", options.RequiredScopes.Count == 0 ? "(none)" : string.Join(' ', options.RequiredScopes));
        yield return Row("JWKS_URL", options.JwksUrl?.OriginalString ?? "(discovered)");
        yield return Row("JWKS_CACHE_TTL", Seconds(options.JwksCacheTtl));
        yield return Row("TOKEN", string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable(prefix + "TOKEN")) ? null : Hidden);
        yield return Row("TOKEN_FILE", options.TokenFile);
        yield return Row("CLIENT_ID", options.ClientId);
        yield return Row("CLIENT_SECRET", options.ClientSecret is null ? null : Hidden);
        yield return Row("CLIENT_SECRET_FILE", options.ClientSecretFile);
        yield return Row("RATE_LIMIT_ENABLED", Switch(options.RateLimitEnabled));
        yield return Row("RATE_LIMIT_REQUESTS", options.RateLimitRequests.ToString(CultureInfo.InvariantCulture));
        yield return Row("RATE_LIMIT_WINDOW", Seconds(options.RateLimitWindow));
        yield return Row("ALLOWED_ORIGINS", options.AllowedOrigins.Count == 0 ? "(the first one used)" : string.Join(' ', options.AllowedOrigins));
        yield return Row("REQUIRE_HTTPS", Switch(options.RequireHttps));
        yield return Row("VALIDATE_SIGNATURE", Switch(options.ValidateSignature));
        yield return Row("VALIDATE_EXP", Switch(options.ValidateLifetime));
        yield return Row("VALIDATE_AUD", Switch(options.ValidateAudience));
        yield return Row("VALIDATE_ISS", Switch(options.ValidateIssuer));
        yield return Row("DEBUG", Switch(options.Debug));

        string?[] Row(string name, string? value) => [prefix + name, value, From(name, Environment.GetEnvironmentVariable(prefix + name))];
    }

    // An empty variable counts as not set, except for this one.
    private static string From(string name, string? variable) => variable is null ? "default"
        : string.IsNullOrWhiteSpace(variable) && name != "REQUIRED_SCOPES" ? "default (the variable is empty)"
        : "environment";

    private static string Switch(bool value) => value ? "true" : "false";

    private static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s");
}
