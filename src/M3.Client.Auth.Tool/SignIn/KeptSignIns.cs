using System.CommandLine;

namespace M3.Client.Auth.Tool;

/// <summary>Which of the kept sign-ins a command is about.</summary>
internal static class KeptSignIns
{
    /// <summary>Those that the command line means. What is wrong with others is noted.</summary>
    public static IReadOnlyList<SignIn> Find(ParseResult parsed, Uri? server, SignInStore store, Report report)
    {
        List<SignInStoreException> failures = [];
        IReadOnlyList<SignIn> all = store.List(failures);
        report.Notes.AddRange(failures.Select(failure => failure.Message));
        return [.. all.Where(signIn =>
            Fits(parsed.GetValue(SignInOptions.Issuer), signIn.IssuerUrl) && Fits(parsed.GetValue(SignInOptions.Audience), signIn.Audience)
            && Fits(parsed.GetValue(SignInOptions.ClientId), signIn.ClientId) && (server is null || (signIn.OnlyFor is { } origin && Origin.Same(origin, server))))];
    }

    /// <summary>The one that the command line means, or else the settings.</summary>
    /// <exception cref="SignInException">There is none, or more than one.</exception>
    public static SignIn FindOne(ParseResult parsed, Uri? server, SignInStore store, Report report)
    {
        IReadOnlyList<SignIn> found = Find(parsed, server, store, report);
        if (found.Count > 1)
        {
            M3AuthOptions settings = M3AuthOptions.FromEnvironment(parsed.GetRequiredValue(CommonOptions.Prefix));
            SignIn[] set = [.. found.Where(signIn => signIn.IssuerUrl == settings.IssuerUrl && signIn.Audience == settings.Audience)];
            found = set.Length > 0 ? set : found;
        }

        return found.Count switch
        {
            0 => throw new SignInException(string.Join("; ", report.Notes.Prepend("nobody is signed in" + (store.List([]).Count > 0 ? " there" : ""))), "Sign in first: m3-token login. Which sign-ins there are: m3-token status."),
            1 => found[0],
            _ => throw new SignInException($"there are several sign-ins: {string.Join("; ", found.Select(Describe))}", "Say which one is meant: --issuer URL, --audience AUDIENCE, --client-id ID."),
        };
    }

    public static string Describe(SignIn signIn) => $"{Printable.Quote(signIn.Subject)} at {Printable.Quote(signIn.IssuerUrl)} for {Printable.Quote(signIn.Audience)}, client {Printable.Quote(signIn.ClientId)}";

    private static bool Fits(string? asked, string has) => asked is null || asked == has;
}
