namespace M3.Client.Auth;

/// <summary>Where the token comes from when the settings name no source.</summary>
internal static class DefaultTokenSource
{
    public static ITokenSource Create(M3AuthOptions options)
    {
        string variable = options.Prefix + "TOKEN";
        List<ITokenSource> chain = [TokenSources.FromEnvironment(variable)];
        if (options.TokenFile is { } path)
            chain.Add(TokenSources.FromFile(path));
        // The configuration's copy of the environment is as old as the process; the variable itself comes first, live.
        if (options.Configuration is { } configuration)
            chain.Add(TokenSources.FromConfigurationWithoutEnvironment(configuration, variable));
        if (options.Section is { } section)
            chain.Add(TokenSources.FromConfiguration(section, SectionNames.Token));
        if (options.TokenCommand is { } command && CommandLine.Split(command) is [{ } program, .. string[] arguments])
            chain.Add(TokenSources.FromCommand(program, arguments));
        if (CreateClientCredentials(options) is { } client)
            chain.Add(client);
        if (options.SignedIn ?? options.IsScript)
            chain.Add(TokenSources.SignedIn());
        return chain.Count == 1 ? chain[0] : new FirstOfTokenSource(chain);
    }

    /// <summary>Client credentials by the one credential that the settings name; null: they name none.</summary>
    public static ITokenSource? CreateClientCredentials(M3AuthOptions options) => options switch
    {
        { ClientId: null } => null,
        { ClientId: { } id, ClientSecret: { } secret } => TokenSources.ClientCredentials(id, secret),
        { ClientId: { } id, ClientSecretFile: { } file } => TokenSources.ClientCredentialsFromFile(id, file),
        { ClientId: { } id, ClientKeyFile: { } file } => TokenSources.ClientCredentialsWithKey(id, file, options.ClientKeyId, options.ClientAssertionAudience),
        { ClientId: { } id, ClientAssertionFile: { } file } => TokenSources.ClientCredentialsWithAssertion(id, file),
        _ => null,
    };

    /// <summary>The error of a source that has no token.</summary>
    public static MissingTokenException Missing(ITokenSource source, M3AuthOptions options)
    {
        var error = new MissingTokenException($"looked in {source.DescribeSource()}{DescribeMissingHalf(options)}");
        if (options.TokenSource is null && (options.SignedIn ?? options.IsScript))
            error.Remedy = "Sign in once with m3-token login, or set {prefix}TOKEN to an access token from your provider, or configure another token source.";
        return error;
    }

    // A client's id alone gets no token.
    private static string DescribeMissingHalf(M3AuthOptions options) =>
        options is { TokenSource: null, ClientId: not null } && CreateClientCredentials(options) is null
            ? $"; {options.Prefix}CLIENT_ID is set, but none of {options.Prefix}CLIENT_SECRET, {options.Prefix}CLIENT_SECRET_FILE, {options.Prefix}CLIENT_KEY_FILE and {options.Prefix}CLIENT_ASSERTION_FILE is"
            : "";
}
