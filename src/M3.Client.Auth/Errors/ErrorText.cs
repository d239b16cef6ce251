using System.Net;

namespace M3.Client.Auth;

/// <summary>Recognises which failure a server's sentence names: <c>error_description</c> has no fixed words (RFC 6750, section 3.1).</summary>
internal static class ErrorText
{
    // In M3's order of checks: where a sentence names two failures, the first that M3 would have met counts. Quotation marks are
    // left out, since some servers write 'exp' and others "exp".
    private static readonly (M3AuthError Error, string[] Phrases)[] Known =
    [
        (M3AuthError.InvalidTokenFormat,
        [
            "enough segments", "many segments", "header padding", "payload padding", "header string", "payload string", "compact jws",
            "protected header is invalid", "jwt claims set", "jwt malformed", "malformed jwt", "token format",
        ]),
        (M3AuthError.JwksUnavailable,
        [
            "key set http response", "key set malformed", "fetch jwks", "fetch data from the url", "jwk set did not contain",
            "jwks endpoint did not contain",
        ]),
        (M3AuthError.InvalidTokenSignature,
        [
            "signature", "algorithm", "alg value", "key type", "no key found", "no applicable key", "matching keys found", "signing key that matches",
            "key id", "crit header", "critical extension", "extension header parameter", "jwt verification fails",
        ]),
        (M3AuthError.TokenExpired, ["has expired", "token expired", "is expired", "expired at", "jwt expired", "too far in the past", "exp claim", "claim (exp)", "key exp ", "no expiration"]),
        (M3AuthError.TokenNotYetValid,
            ["not yet valid", "not valid before", "jwt not active", "used before", "nbf claim", "claim (nbf)", "key nbf ", "iat claim", "claim (iat)", "key iat "]),
        (M3AuthError.InvalidIssuer, ["issuer", "iss claim", "key iss ", "issued by a different provider"]),
        (M3AuthError.InvalidAudience, ["audience", "aud claim", "key aud ", "issued for this resource"]),
    ];

    /// <summary>The error that a server's words name; <see cref="RejectedException"/> when they name none.</summary>
    public static M3AuthException Read(string? words, string detail, HttpStatusCode? status = null, BearerChallenge? challenge = null) =>
        Recognise(words) switch
        {
            M3AuthError.InvalidTokenFormat => new InvalidTokenFormatException(detail) { StatusCode = status, Challenge = challenge },
            M3AuthError.JwksUnavailable => new JwksUnavailableException(detail) { StatusCode = status, Challenge = challenge },
            M3AuthError.TokenExpired => new TokenExpiredException(detail) { StatusCode = status, Challenge = challenge },
            M3AuthError.TokenNotYetValid => new TokenNotYetValidException(detail) { StatusCode = status, Challenge = challenge },
            M3AuthError.InvalidIssuer => new InvalidIssuerException(detail) { StatusCode = status, Challenge = challenge },
            M3AuthError.InvalidAudience => new InvalidAudienceException(detail) { StatusCode = status, Challenge = challenge },
            M3AuthError.InvalidTokenSignature => new InvalidTokenSignatureException(detail) { StatusCode = status, Challenge = challenge },
            _ => new RejectedException(detail) { StatusCode = status, Challenge = challenge },
        };

    private static M3AuthError? Recognise(string? text)
    {
        if (text is null)
            return null;

        string sentence = text.Replace("\"", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal)
            // To Python's libraries the signature of an expired token has expired.
            .Replace("Signature has expired", "Token has expired", StringComparison.OrdinalIgnoreCase);
        M3AuthError[] named = [.. Known.Where(known => ContainsAny(sentence, known.Phrases)).Select(known => known.Error)];

        // Whoever lists what can be wrong names nothing: RFC 6750's own "expired, revoked, malformed, or invalid for other reasons",
        // FastMCP's "is invalid, expired, or no longer recognized".
        bool isList = Contains(sentence, " or ") && (named.Length > 1 || Contains(sentence, "expire"));
        return named.Length == 0 || isList ? null : named[0];
    }

    private static bool ContainsAny(string text, string[] phrases) => phrases.Any(phrase => Contains(text, phrase));

    private static bool Contains(string text, string phrase) => text.Contains(phrase, StringComparison.OrdinalIgnoreCase);
}
