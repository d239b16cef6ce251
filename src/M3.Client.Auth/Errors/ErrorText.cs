namespace M3.Client.Auth;

/// <summary>Recognises which failure a server's sentence names: <c>error_description</c> has no fixed words (RFC 6750, section 3.1).</summary>
internal static class ErrorText
{
    // Only phrases that name one reason: FastMCP's "is invalid, expired, or no longer recognized" names none.
    private static readonly (M3AuthError Error, string[] Phrases)[] Known =
    [
        (M3AuthError.TokenExpired, ["has expired", "token expired", "is expired", "expired at", "jwt expired"]),
        (M3AuthError.TokenNotYetValid, ["not yet valid", "not valid before", "not active", "used before"]),
        (M3AuthError.InvalidAudience, ["audience"]),
        (M3AuthError.InvalidIssuer, ["issuer"]),
        (M3AuthError.InvalidTokenSignature, ["signature"]),
    ];

    public static M3AuthError? Recognise(string? text)
    {
        if (text is null)
            return null;

        foreach ((M3AuthError error, string[] phrases) in Known)
        {
            if (phrases.Any(phrase => text.Contains(phrase, StringComparison.OrdinalIgnoreCase)))
                return error;
        }

        return null;
    }
}
