namespace M3.Client.Auth;

/// <summary>What a section calls each setting: as the options do.</summary>
internal static class SectionNames
{
    /// <summary>The token itself, which no option holds.</summary>
    public const string Token = "Token";

    private static readonly Dictionary<string, string> Names = new(StringComparer.Ordinal)
    {
        ["ENABLED"] = nameof(M3AuthOptions.Enabled),
        ["ISSUER_URL"] = nameof(M3AuthOptions.IssuerUrl),
        ["AUDIENCE"] = nameof(M3AuthOptions.Audience),
        ["REQUIRED_SCOPES"] = nameof(M3AuthOptions.RequiredScopes),
        ["JWKS_URL"] = nameof(M3AuthOptions.JwksUrl),
        ["JWKS_CACHE_TTL"] = nameof(M3AuthOptions.JwksCacheTtl),
        ["RATE_LIMIT_ENABLED"] = nameof(M3AuthOptions.RateLimitEnabled),
        ["RATE_LIMIT_REQUESTS"] = nameof(M3AuthOptions.RateLimitRequests),
        ["RATE_LIMIT_WINDOW"] = nameof(M3AuthOptions.RateLimitWindow),
        ["RATE_LIMIT_MODE"] = nameof(M3AuthOptions.RateLimitMode),
        ["DEBUG"] = nameof(M3AuthOptions.Debug),
        ["TOKEN_FILE"] = nameof(M3AuthOptions.TokenFile),
        ["TOKEN_COMMAND"] = nameof(M3AuthOptions.TokenCommand),
        ["CLIENT_ID"] = nameof(M3AuthOptions.ClientId),
        ["CLIENT_SECRET"] = nameof(M3AuthOptions.ClientSecret),
        ["CLIENT_SECRET_FILE"] = nameof(M3AuthOptions.ClientSecretFile),
        ["SIGNED_IN"] = nameof(M3AuthOptions.SignedIn),
        ["CLIENT_KEY_FILE"] = nameof(M3AuthOptions.ClientKeyFile),
        ["CLIENT_KEY_ID"] = nameof(M3AuthOptions.ClientKeyId),
        ["CLIENT_ASSERTION_FILE"] = nameof(M3AuthOptions.ClientAssertionFile),
        ["CLIENT_ASSERTION_AUDIENCE"] = nameof(M3AuthOptions.ClientAssertionAudience),
        ["RESOURCE"] = nameof(M3AuthOptions.Resource),
        ["ALLOWED_ORIGINS"] = nameof(M3AuthOptions.AllowedOrigins),
        ["REQUIRE_HTTPS"] = nameof(M3AuthOptions.RequireHttps),
        ["THROW_ON_REJECTION"] = nameof(M3AuthOptions.ThrowOnRejection),
        ["VALIDATE_SIGNATURE"] = nameof(M3AuthOptions.ValidateSignature),
        ["VALIDATE_EXP"] = nameof(M3AuthOptions.ValidateLifetime),
        ["VALIDATE_AUD"] = nameof(M3AuthOptions.ValidateAudience),
        ["VALIDATE_ISS"] = nameof(M3AuthOptions.ValidateIssuer),
    };

    /// <summary>M3's names, without the prefix.</summary>
    public static IReadOnlyCollection<string> All => Names.Keys;

    public static string Of(string name) => Names[name];
}
