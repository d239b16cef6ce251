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
        if (options.ClientId is { } id && options.ClientSecret is { } secret)
            chain.Add(TokenSources.ClientCredentials(id, secret));
        else if (options.ClientId is { } clientId && options.ClientSecretFile is { } file)
            chain.Add(TokenSources.ClientCredentialsFromFile(clientId, file));
        return chain.Count == 1 ? chain[0] : new FirstOfTokenSource(chain);
    }

    /// <summary>What else to say when there is no token: a client's id alone gets none.</summary>
    public static string DescribeMissingHalf(M3AuthOptions options) =>
        options is { TokenSource: null, ClientId: not null, ClientSecret: null, ClientSecretFile: null }
            ? $"; {options.Prefix}CLIENT_ID is set, but neither {options.Prefix}CLIENT_SECRET nor {options.Prefix}CLIENT_SECRET_FILE is"
            : "";
}
