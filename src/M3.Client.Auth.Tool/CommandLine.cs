
namespace M3.Client.Auth.Tool;

internal enum Command
{
    Check,
    Keys,
    Call,
    Help,
}

internal enum Format
{
    /// <summary>Tables on a terminal, plain text in a pipe.</summary>
    Auto,
    Plain,
    Json,
}

/// <summary>What was asked for.</summary>
internal sealed record CommandLine(Command Command)
{
    private static readonly string Codes = string.Join('\n', Enum.GetValues<M3AuthError>().Select(error => $"  {ExitCode.Of(error),3}  {error}"));

    public static string Help { get; } =
        $"""
        m3-token: explains an M3 access token, step by step.

        Usage: m3-token [check] [-]      check the token (default); with - or --stdin it is read from standard input
               m3-token keys             the issuer's keys, where they were found, and those that are ignored
               m3-token call URL         one call to M3 (for example http://localhost:3000/sse), and what it answered

          --stdin          read the token from standard input
          --tool NAME      the tool that call uses (default: get_database_schema)
          --prefix PREFIX  what the settings' names begin with (default: M3_OAUTH2_)
          --json           JSON, for programs
          --plain          plain text even on a terminal
          --help           show this

        The settings are those of M3.Client.Auth: M3_OAUTH2_ISSUER_URL, M3_OAUTH2_AUDIENCE and so on, from the environment. The token is
        M3_OAUTH2_TOKEN, M3_OAUTH2_TOKEN_FILE, or client credentials. Neither it nor its signature is ever shown.

        Exit codes:
            0  the token is good (call: and M3 answered)
            1  something else failed, such as the network
            2  wrong usage
            3  wrong settings, or OAuth2 is off
        {Codes}
          130  stopped by Ctrl+C

        TROUBLESHOOTING.md has a section for each error.
        """;

    public Uri? Url { get; private init; }

    public bool FromStandardInput { get; private init; }

    public string Tool { get; private init; } = "get_database_schema";

    public string Prefix { get; private init; } = "M3_OAUTH2_";

    public Format Format { get; private init; } = Format.Auto;

    /// <exception cref="FormatException">It cannot be understood. What may be a token is not repeated.</exception>
    public static CommandLine Parse(string[] args)
    {
        if (args.Any(arg => arg is "--help" or "-h" or "-?"))
            return new CommandLine(Command.Help);
        if (args.Any(MayBeToken))
            throw TokenRefused();

        var parsed = new CommandLine(Command.Check);
        var rest = new Queue<string>(args);
        if (rest.TryPeek(out string? first) && first is "check" or "keys" or "call")
            parsed = new CommandLine(Enum.Parse<Command>(rest.Dequeue(), ignoreCase: true));

        while (rest.TryDequeue(out string? arg))
        {
            parsed = arg switch
            {
                "-" or "--stdin" when parsed.Command != Command.Keys => parsed with { FromStandardInput = true },
                "--json" => parsed with { Format = Format.Json },
                "--plain" => parsed with { Format = Format.Plain },
                "--tool" when parsed.Command == Command.Call => parsed with { Tool = Value(rest, arg) },
                "--prefix" => parsed with { Prefix = Value(rest, arg) },
                _ when parsed.Command == Command.Call && parsed.Url is null => parsed with { Url = ReadUrl(arg) },
                _ => throw Unknown(arg),
            };
        }

        return parsed.Command == Command.Call && parsed.Url is null
            ? throw new FormatException("call needs M3's URL, for example: m3-token call http://localhost:3000/sse")
            : parsed;
    }

    private static string Value(Queue<string> rest, string option) =>
        rest.TryDequeue(out string? value) ? value : throw new FormatException($"{option} needs a value. See --help.");

    private static Uri ReadUrl(string text) => Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
        ? url
        : throw new FormatException("call needs an absolute http or https URL, for example: m3-token call http://localhost:3000/sse");

    private static bool MayBeToken(string arg) => arg.Contains("eyJ", StringComparison.Ordinal)
        || arg.StartsWith("Bearer", StringComparison.OrdinalIgnoreCase)
        || arg.Split('=')[0] is "--token" or "-t"
        || (arg.Count(c => c == '.') == 2 && !arg.Contains('/'));

    private static FormatException TokenRefused() => new(
        "A token does not belong on the command line: it would stay in the shell's history, and everybody on this machine could read it "
        + "in the list of processes. Set M3_OAUTH2_TOKEN, or pipe it in: m3-token check - < token.txt");

    // An opaque token looks like any word, so that a word is not repeated.
    private static FormatException Unknown(string arg) => arg.StartsWith("--", StringComparison.Ordinal) && arg.Length < 20 && arg[2..].All(c => char.IsAsciiLetterLower(c) || c == '-')
        ? new FormatException($"Unknown option {arg}. See --help.")
        : new FormatException($"One argument too many. If it is a token: {TokenRefused().Message}");
}
