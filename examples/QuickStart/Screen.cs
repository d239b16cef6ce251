using M3.Client.Auth;
using Spectre.Console;

namespace QuickStart;

/// <summary>Prints: with colours in a terminal, plain when piped. The token's text is never among it.</summary>
internal static class Screen
{
    private const int TitleWidth = 100;

    private static readonly IAnsiConsole Out = CreateConsole();

    public static void Note(string text) => Out.MarkupLineInterpolated($"[grey]{text}[/]");

    public static void Title(string text)
    {
        Out.WriteLine();
        string line = new('─', Math.Max(0, Math.Min(TitleWidth, Out.Profile.Width) - text.Length - 4));
        Out.MarkupLineInterpolated($"[grey]──[/] [bold]{text}[/] [grey]{line}[/]");
    }

    public static void Token(M3AccessToken token, M3AuthOptions options)
    {
        Title("The token, checked before it goes anywhere");
        string expiry = token.ExpiresAt == DateTimeOffset.MaxValue
            ? "never"
            : $"{token.ExpiresAt:u}, {(token.ExpiresAt - DateTimeOffset.UtcNow).TotalMinutes:0} minutes from now";
        Rows(
            (Mark(options.ValidateSignature), "signature", $"{token.Algorithm}, with the issuer's key {token.KeyId}"),
            (Mark(options.ValidateLifetime), "expiry", expiry),
            (Mark(options.ValidateIssuer), "issuer", token.Issuer ?? "(none)"),
            (Mark(options.ValidateAudience), "audience", string.Join(' ', token.Audiences)),
            (Mark(true), "scopes", string.Join(' ', token.Scopes)));

        static string Mark(bool isChecked) => isChecked ? "[green]✓[/]" : "[yellow]unchecked[/]";
    }

    public static void Answer(string text)
    {
        foreach (string line in text.Split('\n'))
            Out.WriteLine(line.TrimEnd());
    }

    public static void Budget(M3AuthOptions options, int used)
    {
        Title("The budget");
        if (!options.RateLimitEnabled)
        {
            Out.WriteLine("There is no limit (M3_OAUTH2_RATE_LIMIT_ENABLED).");
            return;
        }

        int limit = options.RateLimitRequests;
        Out.WriteLine($"{limit - used} of {limit} calls left within {options.RateLimitWindow.TotalMinutes:0} minutes: "
            + $"{used} tools were called, the rest of MCP is free.");
    }

    public static void Failure(string what, M3AuthException error)
    {
        Out.WriteLine();
        Out.MarkupLineInterpolated($"[red]✗[/] [bold]{what}[/]: {error.GetType().Name}");
        Rows(
            ("", "message", error.Message),
            ("", "remedy", error.Remedy),
            ("", "sent", "nothing"));
    }

    private static void Rows(params (string Mark, string Name, string Value)[] rows)
    {
        // By hand, since Spectre's tables fill every line up with blanks.
        int markWidth = rows.Max(row => Markup.Remove(row.Mark).Length), nameWidth = rows.Max(row => row.Name.Length);
        foreach ((string mark, string name, string value) in rows)
        {
            string indent = new(' ', markWidth - Markup.Remove(mark).Length);
            Out.MarkupLine($"{mark}{indent}  [grey]{name.PadRight(nameWidth)}[/]  {value.EscapeMarkup()}");
        }
    }

    private static IAnsiConsole CreateConsole()
    {
        IAnsiConsole console = AnsiConsole.Console;
        // A pipe has no width at which a line would have to break.
        if (Console.IsOutputRedirected)
            console.Profile.Width = ushort.MaxValue;
        return console;
    }
}
