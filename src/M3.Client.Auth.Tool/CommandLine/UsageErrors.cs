using System.CommandLine;
using System.CommandLine.Parsing;

namespace M3.Client.Auth.Tool;

/// <summary>What is wrong with a command line, in words that repeat nothing that may be a token.</summary>
internal static class UsageErrors
{
    private const string TokenRefused =
        "A token does not belong on the command line: it would stay in the shell's history, and everybody on this machine could read it "
        + "in the list of processes. Set M3_OAUTH2_TOKEN, or pipe it in: m3-token check - < token.txt";

    // Two dots have many host names, too.
    private const int LongestName = 60;

    /// <summary>The error if one of the arguments looks like a token; else null.</summary>
    public static string? TokenAmong(string[] args) => args.Any(MayBeToken) ? TokenRefused : null;

    /// <summary>The first error of a command line that could not be understood.</summary>
    public static string Describe(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens is [{ } word, ..])
            return Unknown(word);
        ParseError error = parsed.Errors[0];
        return error.SymbolResult is ArgumentResult { Tokens.Count: 0, Parent: CommandResult { Command: { } command }, Argument: { } argument }
            ? $"{command.Name} needs {argument.Name}: {argument.Description}. See --help."
            : $"{error.Message} See --help.";
    }

    /// <summary>The error for a word that has no meaning where it stands. An opaque token looks like any word, so that a word is not repeated.</summary>
    public static string Unknown(string word) => IsOptionName(word)
        ? $"Unknown option {word}. See --help."
        : $"One argument too many: the commands are {string.Join(", ", ToolCommandLine.Commands.Select(command => command.Name))}, see --help. If it is a token: {TokenRefused}";

    public static int Write(string message, bool isJson)
    {
        var report = new Report();
        report.FailUsage(message);
        if (isJson)
            JsonOutput.Write(report);
        else
            Console.Error.WriteLine(message);
        return report.ExitCode;
    }

    private static bool MayBeToken(string arg) => arg.Contains("eyJ", StringComparison.Ordinal)
        || arg.StartsWith("Bearer", StringComparison.OrdinalIgnoreCase)
        || arg.Split('=')[0] is "--token" or "-t"
        || (arg.Length > LongestName && arg.Count(c => c == '.') == 2 && !arg.Contains('/'));

    private static bool IsOptionName(string word) =>
        word.StartsWith("--", StringComparison.Ordinal) && word.Length < 20 && word[2..].All(c => char.IsAsciiLetterLower(c) || c == '-');
}
