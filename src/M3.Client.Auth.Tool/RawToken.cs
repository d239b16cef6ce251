
namespace M3.Client.Auth.Tool;

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
            return Watch($"the file {path}", TokenSources.FromFile(path), options);
        if (options.ClientId is { } id && await ReadSecretAsync(options, cancellationToken) is { } secret)
            return Watch($"client credentials of {id}", TokenSources.ClientCredentials(id, secret), options);
        return new RawToken("nowhere");
    }

    // A file may be a pipe, and only the token endpoint's answer has a token: the library reads them, with its own bounds.
    private static RawToken Watch(string place, ITokenSource source, M3AuthOptions options)
    {
        var found = new RawToken(place);
        options.TokenSource = new Watched(source, found);
        return found;
    }

    private static async Task<string?> ReadSecretAsync(M3AuthOptions options, CancellationToken cancellationToken) =>
        options.ClientSecret is not null || options.ClientSecretFile is not { } path
            ? options.ClientSecret
            : (await Task.Run(() => File.ReadAllText(path), cancellationToken).WaitAsync(TimeSpan.FromSeconds(5), cancellationToken)).Trim();

    private sealed class Watched(ITokenSource source, RawToken token) : ITokenSource
    {
        public TimeSpan? PollInterval => source.PollInterval;

        public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
            token.Text = await source.ReadAsync(context, cancellationToken);
    }
}
