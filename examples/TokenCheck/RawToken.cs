using M3.Client.Auth;

namespace TokenCheck;

/// <summary>Where the token is, and its raw text once it is known: to show its claims, never to show it.</summary>
/// <param name="Place">In words.</param>
internal sealed record RawToken(string Place)
{
    public string? Text { get; private set; }

    /// <summary>Finds the token where the library would, and has it look there.</summary>
    public static async Task<RawToken> FindAsync(CommandLine command, M3AuthOptions options, CancellationToken cancellationToken)
    {
        string variable = command.Prefix + "TOKEN";
        if (command.FromStandardInput)
        {
            // Reading the console cannot be cancelled; waiting for it can.
            var piped = new RawToken("standard input") { Text = await Task.Run(Console.In.ReadToEnd, cancellationToken).WaitAsync(cancellationToken) };
            options.TokenSource = TokenSources.FromValue(piped.Text);
            return piped;
        }

        if (Environment.GetEnvironmentVariable(variable) is { } value && !string.IsNullOrWhiteSpace(value))
            return new RawToken($"the environment variable {variable}") { Text = value };
        if (options.TokenFile is { } path)
            return new RawToken($"the file {path}") { Text = File.Exists(path) ? await File.ReadAllTextAsync(path, cancellationToken) : null };
        if (options.ClientId is not { } id || (options.ClientSecret ?? ReadSecret(options.ClientSecretFile)) is not { } secret)
            return new RawToken("nowhere");

        // Only the token endpoint's answer knows it.
        var requested = new RawToken($"client credentials of {id}");
        options.TokenSource = new Watched(TokenSources.ClientCredentials(id, secret), requested);
        return requested;
    }

    private static string? ReadSecret(string? path) => path is null ? null : File.ReadAllText(path).Trim();

    private sealed class Watched(ITokenSource source, RawToken token) : ITokenSource
    {
        public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
            token.Text = await source.ReadAsync(context, cancellationToken);
    }
}
