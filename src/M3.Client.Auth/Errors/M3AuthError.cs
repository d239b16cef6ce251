namespace M3.Client.Auth;

/// <summary>What went wrong. Each value has one sealed exception type, named after it.</summary>
public enum M3AuthError
{
    /// <summary>No source had a token. See <see cref="MissingTokenException"/>.</summary>
    MissingToken,

    /// <summary>The text cannot be a JSON Web Token (RFC 7519). See <see cref="InvalidTokenFormatException"/>.</summary>
    InvalidTokenFormat,

    /// <summary>Algorithm, key or signature are not acceptable (RFC 7515). See <see cref="InvalidTokenSignatureException"/>.</summary>
    InvalidTokenSignature,

    /// <summary>The issuer's keys (RFC 7517) could not be had. See <see cref="JwksUnavailableException"/>.</summary>
    JwksUnavailable,

    /// <summary><c>exp</c> has passed, or is missing (RFC 7519, section 4.1.4). See <see cref="TokenExpiredException"/>.</summary>
    TokenExpired,

    /// <summary><c>nbf</c> or <c>iat</c> lies in the future (RFC 7519, sections 4.1.5 and 4.1.6). See <see cref="TokenNotYetValidException"/>.</summary>
    TokenNotYetValid,

    /// <summary><c>iss</c> is not the configured issuer (RFC 7519, section 4.1.1). See <see cref="InvalidIssuerException"/>.</summary>
    InvalidIssuer,

    /// <summary><c>aud</c> does not name the configured audience (RFC 7519, section 4.1.3). See <see cref="InvalidAudienceException"/>.</summary>
    InvalidAudience,

    /// <summary>A required scope was not granted (RFC 6750, section 3.1). See <see cref="MissingScopesException"/>.</summary>
    MissingScopes,

    /// <summary>The request would exceed M3's rate limit. See <see cref="RateLimitExceededException"/>.</summary>
    RateLimitExceeded,

    /// <summary>The request goes somewhere the token may not go. See <see cref="UntrustedOriginException"/>.</summary>
    UntrustedOrigin,

    /// <summary>A source failed to supply a token (RFC 6749, section 5.2, for client credentials). See <see cref="TokenRequestFailedException"/>.</summary>
    TokenRequestFailed,

    /// <summary>M3 answered 401, and did not say more. See <see cref="RejectedException"/>.</summary>
    Rejected,
}
