namespace M3.Client.Auth;

/// <summary>What a token must say, and which checks are on.</summary>
internal sealed record ValidationRules
{
    public string? Issuer { get; init; }

    public string? Audience { get; init; }

    public required IReadOnlySet<string> RequiredScopes { get; init; }

    public bool ValidateSignature { get; init; } = true;

    public bool ValidateLifetime { get; init; } = true;

    public bool ValidateAudience { get; init; } = true;

    public bool ValidateIssuer { get; init; } = true;

    /// <summary>The configured client's id, for hints.</summary>
    public string? ClientId { get; init; }

    /// <summary>What the names of the settings begin with, for errors.</summary>
    public string Prefix { get; init; } = SettingNames.DefaultPrefix;

    /// <summary>The checks that are on, by the names of the claims.</summary>
    public IEnumerable<string> Checks => new[]
    {
        ValidateSignature ? "signature" : null,
        ValidateLifetime ? "exp" : null,
        "nbf and iat",
        ValidateIssuer ? "iss" : null,
        ValidateAudience ? "aud" : null,
        "scopes",
    }.OfType<string>();
}
