using System.CommandLine;

namespace M3.Client.Auth.Tool;

/// <summary>
/// The library's own order of sources, which remembers which one had the token and its raw text: to show its claims, never to show it.
/// </summary>
internal sealed class WatchedToken : ITokenSource
{
    private readonly (string Place, ITokenSource Source)[] _places;
    private readonly string? _missingHalf;
    private readonly Report _report;

    private WatchedToken((string, ITokenSource)[] places, string? missingHalf, Report report)
    {
        _places = places;
        _missingHalf = missingHalf;
        _report = report;
    }

    /// <summary>Where the token was, in words.</summary>
    public string Place { get; private set; } = "nowhere";

    public string? Text { get; private set; }

    /// <summary>Has the library look where it would, or at standard input if that was asked for.</summary>
    public static async Task<WatchedToken> CreateAsync(ParseResult parsed, M3AuthOptions options, Report report, CancellationToken cancellationToken)
    {
        string prefix = parsed.GetRequiredValue(CommonOptions.Prefix);
        string? piped = StandardInput.IsAskedFor(parsed) ? await StandardInput.ReadAsync(cancellationToken) : null;
        (string, ITokenSource)[] places = piped is null ? [.. Places(options, prefix, report)] : [("standard input", TokenSources.FromValue(piped))];
        var watched = new WatchedToken(places, piped is null ? DescribeMissingHalf(options, prefix) : null, report);
        report.Redaction.HideToken(piped);
        options.TokenSource = watched;
        return watched;
    }

    /// <summary>What to say of half a pair of client credentials: an id alone gets no token. Null: nothing.</summary>
    public static string? DescribeMissingHalf(M3AuthOptions options, string prefix) =>
        options is { ClientId: not null, ClientSecret: null, ClientSecretFile: null, ClientKeyFile: null, ClientAssertionFile: null }
            ? $"{prefix}CLIENT_ID is set, but none of {prefix}CLIENT_SECRET, {prefix}CLIENT_SECRET_FILE, {prefix}CLIENT_KEY_FILE and {prefix}CLIENT_ASSERTION_FILE is"
            : null;

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
        (await ReadWithSourceAsync(context, cancellationToken))?.Token;

    public async ValueTask<TokenReading?> ReadWithSourceAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        foreach ((string place, ITokenSource source) in _places)
        {
            Place = place;
            if (await context.ReadAsync(source, cancellationToken) is not { } reading)
                continue;
            if (Text is null && _missingHalf is not null)
                _report.Notes.Add($"{_missingHalf}: half a pair of client credentials gets no token");
            Text = reading.Token;
            _report.Redaction.HideToken(Text);
            return new TokenReading(Text, this) { OnlyFor = reading.OnlyFor };
        }

        Place = "nowhere";
        throw new MissingTokenException($"looked in {string.Join(", ", _places.Select(place => place.Place))}{(_missingHalf is null ? "" : $"; {_missingHalf}")}");
    }

    private static IEnumerable<(string, ITokenSource)> Places(M3AuthOptions options, string prefix, Report report)
    {
        yield return ($"the environment variable {prefix}TOKEN", TokenSources.FromEnvironment(prefix + "TOKEN"));
        if (options.TokenFile is { } path)
            yield return ($"the file {path}", TokenSources.FromFile(path));
        if (options.TokenCommand is { } command && CommandLine.Split(command) is [{ } program, .. string[] arguments])
            yield return ($"the command {program}", TokenSources.FromCommand(program, arguments));
        if (options.ClientId is { } id && options.ClientSecret is { } secret)
            yield return ($"client credentials of {id}", TokenSources.ClientCredentials(id, secret));
        else if (options.ClientId is { } client && options.ClientSecretFile is { } file)
            yield return ($"client credentials of {client}", new SecretFromFile(client, file, report));
        else if (DefaultTokenSource.CreateClientCredentials(options) is { } credentials)
            yield return ($"client credentials of {options.ClientId}", credentials);
        if (options.SignedIn ?? true)
            yield return ("the sign-in kept by m3-token login", TokenSources.SignedIn());
    }

    /// <summary>Client credentials whose secret a file holds, read with the bounds of a token's file.</summary>
    private sealed class SecretFromFile(string clientId, string path, Report report) : ITokenSource
    {
        private readonly ITokenSource _file = TokenSources.FromFile(path);

        public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
        {
            string secret = (await _file.ReadAsync(context, cancellationToken))?.Trim() ?? "";
            report.Redaction.HideSecret(secret);
            return secret.Length == 0
                ? throw new TokenRequestFailedException($"the file {path} is empty")
                : await TokenSources.ClientCredentials(clientId, secret).ReadAsync(context, cancellationToken);
        }
    }
}
