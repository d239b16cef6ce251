using System.CommandLine;

namespace M3.Client.Auth.Tool;

/// <summary>What a helper would see at a glance, where the library's error alone does not say it.</summary>
internal static class ObviousReasons
{
    /// <summary>Fails the report with the error, told as plainly as can be.</summary>
    public static async Task FailAsync(
        Report report, ParseResult parsed, M3AuthException error, M3AuthOptions options, WatchedToken watched, TokenParts? parts, CancellationToken cancellationToken)
    {
        string prefix = parsed.GetRequiredValue(CommonOptions.Prefix);
        if (error is InvalidTokenFormatException && PastedText.TryRecognize(watched.Text) is { } pasted)
            report.Fail(pasted.Error, pasted.Remedy);
        else if (error is MissingTokenException && !StandardInput.IsAskedFor(parsed) && await StandardInput.HasUnreadAsync(cancellationToken))
            report.Fail(error, $"Something was piped in: if that is the token, say so with a dash, as in m3-token check -. {error.Remedy}");
        else if (error is MissingTokenException && !StandardInput.IsAskedFor(parsed) && WatchedToken.DescribeMissingHalf(options, prefix) is not null)
            report.Fail(error,
                $"Set one of {prefix}CLIENT_SECRET, {prefix}CLIENT_SECRET_FILE, {prefix}CLIENT_KEY_FILE and {prefix}CLIENT_ASSERTION_FILE beside {prefix}CLIENT_ID: alone it gets no token. {error.Remedy}");
        else if (error is InvalidTokenSignatureException or JwksUnavailableException && DescribeOtherIssuer(prefix, options, parts) is { } other)
            report.Fail(error, $"{other} {error.Remedy}");
        else
            report.Fail(error);
    }

    // Keys of one issuer never verify the tokens of another, and the signature is checked first.
    private static string? DescribeOtherIssuer(string prefix, M3AuthOptions options, TokenParts? parts)
    {
        if (parts?.ClaimText("iss") is not { } issuer || issuer == options.IssuerUrl)
            return null;
        string difference = issuer.TrimEnd('/') == options.IssuerUrl?.TrimEnd('/') ? ": only a slash at the end differs" : "";
        return $"The token says that its issuer is '{issuer}', and {prefix}ISSUER_URL is '{options.IssuerUrl}'{difference}.";
    }
}
