using System.CommandLine;
using System.CommandLine.Parsing;

namespace M3.Client.Auth.Tool;

/// <summary>How a command line says which sign-in it is about.</summary>
internal static class SignInOptions
{
    public static Option<string?> Issuer { get; } = new("--issuer") { Description = "The issuer, as its tokens' iss has it", HelpName = "URL" };

    public static Option<string?> Audience { get; } = new("--audience") { Description = "M3's audience", HelpName = "AUDIENCE" };

    public static Option<string?> ClientId { get; } = new("--client-id") { Description = "The client to sign in with, as the issuer knows it", HelpName = "ID" };

    public static Argument<Uri?> Server() => new("ADDRESS")
    {
        Description = "M3's own address, which says who issues its tokens, for example https://m3.example.org/sse",
        Arity = ArgumentArity.ZeroOrOne,
        CustomParser = ReadAddress,
    };

    // The text itself may be a token.
    private static Uri? ReadAddress(ArgumentResult result)
    {
        if (result.Tokens.Count == 0)
            return null;
        string text = result.Tokens[0].Value;
        if (Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https")
            return url;
        result.AddError(text.StartsWith("--", StringComparison.Ordinal)
            ? UsageErrors.Unknown(text)
            : "ADDRESS is M3's own, an absolute http or https URL, for example: m3-token login https://m3.example.org/sse");
        return null;
    }
}
