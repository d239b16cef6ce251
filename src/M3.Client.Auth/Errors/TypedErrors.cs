namespace M3.Client.Auth;

/// <summary>No source had a token, or only white space.</summary>
/// <param name="message">What was looked at; never a token.</param>
/// <param name="innerException">What caused it.</param>
public sealed class MissingTokenException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.MissingToken, message,
        "Set {prefix}TOKEN to an access token from your provider, or configure another token source.", false, innerException);

/// <summary>The text is not three base64url parts with a JSON header and payload (RFC 7519, section 7.2).</summary>
/// <param name="message">What is wrong with it; never the token.</param>
/// <param name="innerException">What caused it.</param>
public sealed class InvalidTokenFormatException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.InvalidTokenFormat, message,
        "Copy the whole access token again: a JWT has three parts with dots between, with at most one 'Bearer ' in front. "
        + "An opaque token cannot be used: ask your provider for a JWT for M3's audience.", false, innerException);

/// <summary>The algorithm, the key or the signature is not acceptable (RFC 7515, section 5.2; RFC 8725, section 3.1).</summary>
/// <param name="message">Which of them, and why.</param>
/// <param name="innerException">What caused it.</param>
public sealed class InvalidTokenSignatureException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.InvalidTokenSignature, message,
        "Check that {prefix}ISSUER_URL (or {prefix}JWKS_URL) belongs to the provider that issued the token, and get a new token.",
        false, innerException);

/// <summary>The issuer's keys could not be fetched, so that no signature can be checked. Trying again later can help.</summary>
/// <param name="message">Which address, and what happened.</param>
/// <param name="innerException">What caused it.</param>
public sealed class JwksUnavailableException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.JwksUnavailable, message,
        "Check {prefix}ISSUER_URL and {prefix}JWKS_URL, and that the provider can be reached from here over HTTPS.", true, innerException);

/// <summary>The token's <c>exp</c> has passed (no leeway, as M3), or is missing (RFC 7519, section 4.1.4).</summary>
/// <param name="message">When it expired.</param>
/// <param name="innerException">What caused it.</param>
public sealed class TokenExpiredException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.TokenExpired, message,
        "Get a new token from your provider and put it where the old one was; for long work use a source that renews "
        + "(a file, a delegate or client credentials).", false, innerException);

/// <summary>The token's <c>nbf</c> or <c>iat</c> lies more than 60 seconds in the future (RFC 7519, sections 4.1.5 and 4.1.6).</summary>
/// <param name="message">From when it is valid.</param>
/// <param name="innerException">What caused it.</param>
public sealed class TokenNotYetValidException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.TokenNotYetValid, message,
        "Wait until the token becomes valid; if it was issued just now, correct this machine's clock.", true, innerException);

/// <summary>The token's <c>iss</c> is not the configured issuer, character by character (RFC 7519, section 4.1.1).</summary>
/// <param name="message">Both issuers.</param>
/// <param name="innerException">What caused it.</param>
public sealed class InvalidIssuerException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.InvalidIssuer, message,
        "Set {prefix}ISSUER_URL to the token's issuer exactly as it stands there, or get a token from the configured issuer.",
        false, innerException);

/// <summary>The token's <c>aud</c> does not name the configured audience (RFC 7519, section 4.1.3).</summary>
/// <param name="message">Both audiences.</param>
/// <param name="innerException">What caused it.</param>
public sealed class InvalidAudienceException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.InvalidAudience, message,
        "Ask your provider for a token for {prefix}AUDIENCE, or correct that setting.", false, innerException);

/// <summary>The token lacks a scope that M3 requires (RFC 6750, section 3.1, <c>insufficient_scope</c>).</summary>
/// <param name="required">Every scope that is required.</param>
/// <param name="granted">The scopes of the token, or null when M3 did not say.</param>
/// <param name="message">What else to say, behind the missing scopes.</param>
public sealed class MissingScopesException(IEnumerable<string> required, IEnumerable<string>? granted, string? message = null)
    : M3AuthException(M3AuthError.MissingScopes, Describe(required, granted, message),
        "Ask your provider for a token with these scopes; the scopes M3 needs are in {prefix}REQUIRED_SCOPES.", false, null)
{
    /// <summary>Every scope that is required.</summary>
    public IReadOnlyCollection<string> Required { get; } = [.. required];

    /// <summary>The scopes of the token, or null when M3 did not say.</summary>
    public IReadOnlyCollection<string>? Granted { get; } = granted is null ? null : [.. granted];

    /// <summary>The required scopes that were not granted; all of them when M3 did not say what was granted.</summary>
    public IReadOnlyCollection<string> Missing { get; } = [.. required.Except(granted ?? [])];

    private static string? Describe(IEnumerable<string> required, IEnumerable<string>? granted, string? message)
    {
        string missing = Printable.List(required.Except(granted ?? []));
        if (missing.Length > 0 && granted is not null)
            missing += granted.Any() ? $" (the token has {Printable.List(granted)})" : " (the token has none)";
        return (missing, message) switch
        {
            ("", _) => message,
            (_, null) => missing,
            _ => $"{missing}; {message}",
        };
    }
}

/// <summary>One more request would exceed M3's rate limit: by default 100 within any 3600 seconds, per subject.</summary>
/// <param name="retryAfter">How long until a request is allowed again, or null when unknown.</param>
/// <param name="message">The limit in words.</param>
public sealed class RateLimitExceededException(TimeSpan? retryAfter, string? message = null)
    : M3AuthException(M3AuthError.RateLimitExceeded, message,
        "Wait for RetryAfter, or set RateLimitMode to Wait so that calls wait their turn.", true, null)
{
    /// <summary>How long until a request is allowed again, or null when unknown.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>The request was about to leave for a place that the token may not reach. Nothing was sent.</summary>
/// <param name="message">The origin, and those that are allowed.</param>
/// <param name="innerException">What caused it.</param>
public sealed class UntrustedOriginException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.UntrustedOrigin, message,
        "Use this HttpClient for M3 only, over HTTPS; if the address is M3's, add it to AllowedOrigins ({prefix}ALLOWED_ORIGINS).",
        false, innerException);

/// <summary>A token source failed: the token endpoint answered an error (RFC 6749, section 5.2), a file could not be read, a delegate threw.</summary>
/// <param name="message">What was asked, and what happened; never a secret.</param>
/// <param name="isTransient">Whether trying again later can help.</param>
/// <param name="innerException">What caused it.</param>
public sealed class TokenRequestFailedException(string? message = null, bool isTransient = false, Exception? innerException = null)
    : M3AuthException(M3AuthError.TokenRequestFailed, message,
        "Check the token source's settings ({prefix}CLIENT_ID, {prefix}CLIENT_SECRET, {prefix}TOKEN_FILE) and that it can be reached.",
        isTransient, innerException);

/// <summary>M3 answered 401 to a token that passed every check here, or to none.</summary>
/// <param name="message">What M3 answered.</param>
/// <param name="innerException">What caused it.</param>
public sealed class RejectedException(string? message = null, Exception? innerException = null)
    : M3AuthException(M3AuthError.Rejected, message,
        "Get a new token; if M3 rejects that too, compare its M3_OAUTH2_* settings with yours.", false, innerException);
