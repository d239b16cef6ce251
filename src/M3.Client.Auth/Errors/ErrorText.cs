namespace M3.Client.Auth;

/// <summary>Recognises which failure a server's sentence names: <c>error_description</c> has no fixed words (RFC 6750, section 3.1).</summary>
internal static class ErrorText
{
    // In M3's order of checks: where a sentence names two failures, the first that M3 would have met counts. Quotation marks are
    // left out, since some servers write 'exp' and others "exp".
    private static readonly (M3AuthError Error, string[] Phrases)[] Known =
    [
        (M3AuthError.InvalidTokenSignature, ["signature", "no key found", "jwt verification fails"]),
        (M3AuthError.TokenExpired, ["has expired", "token expired", "is expired", "expired at", "jwt expired", "exp claim timestamp", "no expiration"]),
        (M3AuthError.TokenNotYetValid, ["not yet valid", "not valid before", "jwt not active", "used before", "nbf claim timestamp", "iat claim timestamp"]),
        (M3AuthError.InvalidIssuer, ["issuer", "iss claim", "issued by a different provider"]),
        (M3AuthError.InvalidAudience, ["audience", "aud claim"]),
    ];

    public static M3AuthError? Recognise(string? text)
    {
        if (text is null)
            return null;

        string sentence = text.Replace("\"", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal);
        M3AuthError[] named = [.. Known.Where(known => ContainsAny(sentence, known.Phrases)).Select(known => known.Error)];

        // Whoever lists what can be wrong names nothing: RFC 6750's own "expired, revoked, malformed, or invalid for other reasons",
        // FastMCP's "is invalid, expired, or no longer recognized".
        bool isList = Contains(sentence, " or ") && (named.Length > 1 || Contains(sentence, "expire"));
        return named.Length == 0 || isList ? null : named[0];
    }

    private static bool ContainsAny(string text, string[] phrases) => phrases.Any(phrase => Contains(text, phrase));

    private static bool Contains(string text, string phrase) => text.Contains(phrase, StringComparison.OrdinalIgnoreCase);
}
