namespace M3.Client.Auth;

/// <summary>What a token must say, and which checks are on.</summary>
/// <param name="issuer">The one that it must be from.</param>
/// <param name="audience">The one that it must be for.</param>
/// <param name="requiredScopes">The scopes that it must have.</param>
/// <param name="validateSignature">Whether the signature is checked.</param>
/// <param name="validateLifetime">Whether <c>exp</c> is checked.</param>
/// <param name="validateAudience">Whether <c>aud</c> is checked.</param>
/// <param name="validateIssuer">Whether <c>iss</c> is checked.</param>
/// <param name="clientId">The configured client's id, for hints.</param>
/// <param name="prefix">What the names of the settings begin with, for errors.</param>
internal sealed class ValidationRules(string? issuer, string? audience, IReadOnlySet<string> requiredScopes, bool validateSignature = true,
    bool validateLifetime = true, bool validateAudience = true, bool validateIssuer = true, string? clientId = null, string prefix = SettingNames.DefaultPrefix)
{
    public readonly string? Issuer = issuer;

    public readonly string? Audience = audience;

    public readonly IReadOnlySet<string> RequiredScopes = requiredScopes;

    public readonly bool ValidateSignature = validateSignature;

    public readonly bool ValidateLifetime = validateLifetime;

    public readonly bool ValidateAudience = validateAudience;

    public readonly bool ValidateIssuer = validateIssuer;

    public readonly string? ClientId = clientId;

    public readonly string Prefix = prefix;

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
