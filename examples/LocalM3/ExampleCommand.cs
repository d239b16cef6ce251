using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Globalization;
using System.Runtime.InteropServices;

namespace LocalM3;

/// <summary>
/// An example's command line. Help and version are System.CommandLine's; a mistake is told in one line that says no token back; Ctrl+C
/// and SIGTERM cancel what runs.
/// </summary>
public static class ExampleCommand
{
    /// <summary>Parses, and runs the example if that is what was asked for. Returns the exit code, 2 for a wrong argument.</summary>
    /// <param name="command">Its options.</param>
    /// <param name="notes">What the help says below the options.</param>
    /// <param name="args">What was typed.</param>
    /// <param name="run">The example.</param>
    public static async Task<int> RunAsync(
        this RootCommand command, string notes, string[] args, Func<ParseResult, CancellationToken, Task<int>> run)
    {
        command.SetAction(run);
        HelpOption help = command.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithNotes((HelpAction)help.Action!, notes);

        // An argument that begins with @ names no file here.
        ParseResult parsed = command.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors is [var first, ..])
        {
            // System.CommandLine would repeat the argument, and that may be a token.
            string mistake = command.TreatUnmatchedTokensAsErrors && parsed.UnmatchedTokens is [var unknown, ..] ? Echo.Unknown(unknown) : first.Message;
            Console.Error.WriteLine($"{mistake} See --help.");
            return 2;
        }

        // Before anything starts, so that no signal finds the default handler and its exit code.
        using var stop = new CancellationTokenSource();
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }

        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await parsed.InvokeAsync(
            new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, stop.Token);
    }

    /// <summary>An option that takes a whole number.</summary>
    public static Option<long?> WholeNumber(string name, long min, long max, string description) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number >= min && number <= max)
                return number;
            result.AddError($"{name} takes a whole number from {min}{(max == long.MaxValue ? "" : $" to {max}")}, not {Echo.Quote(text)}.");
            return null;
        },
    };

    /// <summary>An option that takes a text of a certain kind.</summary>
    /// <param name="name">With its dashes.</param>
    /// <param name="helpName">What stands for the text in the help.</param>
    /// <param name="isGood">Whether a text is of that kind.</param>
    /// <param name="kind">The kind, for the error: "the name of a table".</param>
    /// <param name="description">For the help.</param>
    public static Option<string?> Text(string name, string helpName, Predicate<string> isGood, string kind, string description) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (isGood(text))
                return text;
            result.AddError($"{name} takes {kind}, not {Echo.Quote(text)}.");
            return null;
        },
    };

    private sealed class HelpWithNotes(HelpAction help, string notes) : SynchronousCommandLineAction
    {
        // Whoever asks for help is shown it, whatever else is wrong.
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int exitCode = help.Invoke(parseResult);
            parseResult.InvocationConfiguration.Output.WriteLine(notes);
            return exitCode;
        }
    }
}
