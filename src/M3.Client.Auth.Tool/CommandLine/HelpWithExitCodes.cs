using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace M3.Client.Auth.Tool;

/// <summary>The help of System.CommandLine, and behind it, for the tool as a whole, what that cannot know.</summary>
internal sealed class HelpWithExitCodes(HelpAction help) : SynchronousCommandLineAction
{
    private static readonly string More =
        $$"""
        Settings:
          Those of M3.Client.Auth: M3_OAUTH2_ISSUER_URL, M3_OAUTH2_AUDIENCE and so on, from the environment. The token is
          M3_OAUTH2_TOKEN, M3_OAUTH2_TOKEN_FILE, what M3_OAUTH2_TOKEN_COMMAND prints, client credentials, or what login keeps.

        Completions:
          For bash, in ~/.bashrc (other shells: through dotnet-suggest):
            _m3_token() { mapfile -t COMPREPLY < <(m3-token "[suggest:$COMP_POINT]" "$COMP_LINE"); }
            complete -F _m3_token m3-token

        Exit codes:
            0  the token is good (call: and M3 answered; login, logout, print: done)
            1  something else failed, such as the network, or nobody is signed in
            2  wrong usage
            3  wrong settings, or OAuth2 is off
        {{string.Join('\n', Enum.GetValues<M3AuthError>().Select(error => $"  {ExitCode.Of(error),3}  {error}"))}}
          130  stopped by Ctrl+C

        Each error has a section in {{HelpLinks.Page}}
        """;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int exitCode = help.Invoke(parseResult);
        if (parseResult.CommandResult.Command is RootCommand)
            parseResult.InvocationConfiguration.Output.WriteLine(More);
        return exitCode;
    }
}
