using System.CommandLine;

namespace M3.Client.Auth.Tool;

/// <summary>The two ways to say that the token comes from standard input, and whether it was forgotten to say so.</summary>
internal static class StandardInput
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    private static readonly Option<bool> Option = new("--stdin") { Description = "Read the token from standard input", Arity = ArgumentArity.Zero };

    private static readonly Argument<string?> Dash = CreateDash();

    /// <summary>Adds <c>-</c> and <c>--stdin</c>.</summary>
    public static void AddTo(Command command)
    {
        command.Arguments.Add(Dash);
        command.Options.Add(Option);
    }

    public static bool IsAskedFor(ParseResult parsed) => parsed.GetValue(Option) || parsed.GetValue(Dash) is not null;

    /// <summary>All of it.</summary>
    public static async Task<string> ReadAsync(CancellationToken cancellationToken) =>
        // Reading the console cannot be cancelled; waiting for it can.
        await Task.Run(Console.In.ReadToEnd, cancellationToken).WaitAsync(cancellationToken);

    /// <summary>Whether something was piped in that nobody asked for.</summary>
    public static async Task<bool> HasUnreadAsync(CancellationToken cancellationToken)
    {
        if (!Console.IsInputRedirected)
            return false;
        try
        {
            return await Task.Run(Console.In.Peek, cancellationToken).WaitAsync(Patience, cancellationToken) >= 0;
        }
        catch (TimeoutException)
        {
            // A pipe that nobody writes to, as services have it.
            return false;
        }
    }

    private static Argument<string?> CreateDash()
    {
        var dash = new Argument<string?>("-") { Description = "Read the token from standard input", Arity = ArgumentArity.ZeroOrOne, CompletionSources = { "-" } };
        dash.Validators.Add(result =>
        {
            foreach (string word in result.Tokens.Select(token => token.Value).Where(word => word != "-"))
                result.AddError(UsageErrors.Unknown(word));
        });
        return dash;
    }
}
