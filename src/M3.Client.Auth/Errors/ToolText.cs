using System.Text.RegularExpressions;

namespace M3.Client.Auth;

/// <summary>
/// M3 answers a refused tool call inside an ordinary result: one line of text. The whole line must be such a text; a result that merely
/// mentions the words is data.
/// </summary>
internal static partial class ToolText
{
    private const int MaxLength = 2000;

    private const string FailedFetch = "Failed to fetch JWKS";

    // M4's, M3's successor's, when its own settings are wrong.
    private const string NotConfigured = "Authentication system not properly configured";

    private static readonly string[] Frames = ["Token validation failed:", "Invalid token:"];

    // What goes on with something of the token's or the issuer's.
    private static readonly string[] Beginnings = ["No key found for kid: ", "Unsupported key type: ", FailedFetch];

    /// <summary>The error that the text is, or null.</summary>
    public static M3AuthException? Read(string? text)
    {
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        if (rest.Length > MaxLength)
            return null;

        bool isError = Strip(ref rest, "Error:");
        bool isFailure = Strip(ref rest, "OAuth2 authentication failed");
        if (isFailure && !rest.IsEmpty && !Strip(ref rest, ":"))
            return null;
        bool isFramed = false;
        foreach (string frame in Frames)
            isFramed |= Strip(ref rest, frame);

        // M3's HTTP client explains a failed fetch in two lines; nothing else that M3 refuses has more than one.
        if (isFramed && rest.StartsWith(FailedFetch, StringComparison.Ordinal) && rest.IndexOfAny('\r', '\n') is > 0 and int end)
            rest = rest[..end];
        if (rest.ContainsAny('\r', '\n'))
            return null;

        string reason = rest.ToString();
        return Known(reason, isError, isFailure, isFramed) ?? (isFailure || (isError && isFramed) ? InItsOwnWords(reason) : null);
    }

    // Behind M3's frame stand the words of the library that it checks with.
    private static M3AuthException InItsOwnWords(string reason) => reason.Length == 0
        ? new RejectedException("M3 answered so to a tool call")
        : ErrorText.Read(reason, $"M3 answered: {Printable.Text(reason, 300)}");

    private static M3AuthException? Known(string reason, bool isError, bool isFailure, bool isFramed)
    {
        string? detail = isError || isFailure || isFramed ? "M3 answered so to a tool call" : null;
        switch (reason)
        {
            case "Missing OAuth2 access token": return new MissingTokenException(detail);
            case "Invalid token format" or "Not enough segments" or "Too many segments" or "Invalid header padding" or "Invalid payload padding": return new InvalidTokenFormatException(detail);
            case "Token has expired" or "Token is missing the \"exp\" claim": return new TokenExpiredException(detail);
            case "Token is not yet valid" or "The token is not yet valid (nbf)" or "The token is not yet valid (iat)": return new TokenNotYetValidException(detail);
            case "Invalid token issuer" or "Token is missing the \"iss\" claim": return new InvalidIssuerException(detail);
            case "Invalid token audience" or "Token is missing the \"aud\" claim": return new InvalidAudienceException(detail);
            case "Missing required scopes": return new MissingScopesException([], null, detail);
            case "Rate limit exceeded": return new RateLimitExceededException(null, detail);
            case "Invalid token signature" or "Signature verification failed" or "The specified alg value is not allowed" or "Token missing key ID (kid)":
                return new InvalidTokenSignatureException(detail);
        }

        if (MissingScopes().Match(reason) is { Success: true } scopes)
            return new MissingScopesException(QuotedName().Matches(scopes.Groups[1].Value).Select(name => name.Groups[1].Value + name.Groups[2].Value), null);
        if (!isError && !isFailure && !isFramed)
            return null;
        if (reason == NotConfigured || Beginnings.Any(beginning => reason.StartsWith(beginning, StringComparison.Ordinal)))
            return InItsOwnWords(reason);
        return null;
    }

    private static bool Strip(ref ReadOnlySpan<char> text, string prefix)
    {
        if (!text.StartsWith(prefix, StringComparison.Ordinal))
            return false;
        text = text[prefix.Length..].TrimStart();
        return true;
    }

    // Python's way to print a set: {'read:mimic-data', 'write:mimic-data'}.
    [GeneratedRegex(@"^Missing required scopes: \{([^{}]*)\}$", RegexOptions.CultureInvariant)]
    private static partial Regex MissingScopes();

    [GeneratedRegex("'([^']*)'|\"([^\"]*)\"", RegexOptions.CultureInvariant)]
    private static partial Regex QuotedName();
}
