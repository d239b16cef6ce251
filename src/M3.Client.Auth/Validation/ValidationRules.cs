namespace M3.Client.Auth;

/// <summary>What a token must say, and which checks are on.</summary>
/// <param name="Issuer">The one that it must be from.</param>
/// <param name="Audience">The one that it must be for.</param>
/// <param name="RequiredScopes">The scopes that it must have.</param>
/// <param name="ValidateSignature">Whether the signature is checked.</param>
/// <param name="ValidateLifetime">Whether <c>exp</c> is checked.</param>
/// <param name="ValidateAudience">Whether <c>aud</c> is checked.</param>
/// <param name="ValidateIssuer">Whether <c>iss</c> is checked.</param>
/// <param name="ClientId">The configured client's id, for hints.</param>
/// <param name="Prefix">What the names of the settings begin with, for errors.</param>
internal sealed record ValidationRules(string? Issuer, string? Audience, IReadOnlySet<string> RequiredScopes, bool ValidateSignature = true,
    bool ValidateLifetime = true, bool ValidateAudience = true, bool ValidateIssuer = true, string? ClientId = null, string Prefix = SettingNames.DefaultPrefix)
{
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
