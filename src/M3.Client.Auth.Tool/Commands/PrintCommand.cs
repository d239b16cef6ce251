using System.CommandLine;

namespace M3.Client.Auth.Tool;

/// <summary><c>m3-token print</c>: the access token of a sign-in, renewed where needed, for another program.</summary>
internal static class PrintCommand
{
    public static Command Create()
    {
        var command = new Command("print", "Write the access token to a pipe or a file, for another program; never to a terminal")
        {
            SignInOptions.Issuer, SignInOptions.Audience, SignInOptions.ClientId,
        };
        command.ReportsAlone(PrintAsync);
        return command;
    }

    private static async Task PrintAsync(ParseResult parsed, Report report, CancellationToken cancellationToken)
    {
        report.IsForProgram = true;
        if (!Console.IsOutputRedirected)
            throw new SignInException("a token is not written to a terminal, where it would stay to be read", "Pipe it into the program that needs it: m3-token print | other-program.");

        var store = new SignInStore();
        SignIn signIn = KeptSignIns.FindOne(parsed, server: null, store, report);
        M3AuthOptions options = IssuerClient.OptionsFor(parsed.GetRequiredValue(CommonOptions.Prefix), signIn.IssuerUrl, signIn.Audience, signIn.Scopes);
        (options.SignedIn, options.TokenSource) = (true, TokenSources.SignedIn(signIn.ClientId));
        using var provider = new M3TokenProvider(options);
        M3AccessToken token = await provider.GetTokenAsync(cancellationToken);
        Console.Out.WriteLine(token.Value);
    }
}
