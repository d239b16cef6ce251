namespace M3.Client.Auth;

/// <summary>What a text that is no JWT may be instead: the usual accidents of copying.</summary>
internal static class OpaqueTokenHint
{
    /// <summary>Why a text without three parts may be what was pasted.</summary>
    public static string For(ReadOnlySpan<char> text)
    {
        if (text.StartsWith("ya29.", StringComparison.Ordinal))
            return " (it looks like a Google access token, which is opaque: of Google's tokens only ID tokens are JWTs)";
        if (text.StartsWith("{", StringComparison.Ordinal))
            return " (it looks like JSON: the token is the value of its access_token)";
        if (text.Contains('$') || text.Contains('%'))
            return " (it looks like a variable that the shell did not replace)";
        return text.Contains('.') ? "" : " (Auth0 issues such tokens when no audience was asked for; Google's access tokens are always so)";
    }
}
