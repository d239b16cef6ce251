using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace M3.Client.Auth.Tool;

/// <summary>The tool's command line: what there is to ask for. A new command is one file more in Commands, and one word here.</summary>
internal static class ToolCommandLine
{
    // A word that begins with @ would be a file of arguments: nobody needs one here.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    // What fails is told by CommandRun; what that does not know is a defect, and its stack trace is wanted.
    private static readonly InvocationConfiguration Invocation = new() { EnableDefaultExceptionHandler = false };

    public static Command[] Commands { get; } = [CheckCommand.Create(), KeysCommand.Create(), CallCommand.Create(), LoginCommand.Create(), StatusCommand.Create(), PrintCommand.Create(), LogoutCommand.Create()];

    public static Task<int> RunAsync(string[] args)
    {
        if (UsageErrors.TokenAmong(args) is { } refused)
            return Task.FromResult(UsageErrors.Write(refused, isJson: args.Contains(CommonOptions.Json.Name)));

        ParseResult parsed = CreateRoot().Parse(args, Parsing);
        return parsed.Action is ParseErrorAction
            ? Task.FromResult(UsageErrors.Write(UsageErrors.Describe(parsed), isJson: parsed.GetValue(CommonOptions.Json)))
            : parsed.InvokeAsync(Invocation);
    }

    private static RootCommand CreateRoot()
    {
        var root = new RootCommand("Signs a person in for M3, and explains an access token, step by step. Without a command it checks the token. Neither the token nor any secret is ever shown.");
        CommonOptions.AddTo(root);
        CheckCommand.MakeDefaultOf(root);
        foreach (Command command in Commands)
            root.Subcommands.Add(command);

        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExitCodes((HelpAction)help.Action!);
        return root;
    }
}
