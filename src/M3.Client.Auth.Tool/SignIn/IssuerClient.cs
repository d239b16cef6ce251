namespace M3.Client.Auth.Tool;

/// <summary>The way to one issuer, with the library's bounds.</summary>
internal static class IssuerClient
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    public static SignInClient Create(string issuerUrl, string clientId, string prefix, Backchannel backchannel)
    {
        M3AuthOptions settings = ReadSettings(prefix, issuerUrl);
        var metadata = new IssuerMetadata(new IssuerSettings(issuerUrl, jwksUrl: null, Lifetime, prefix), TimeProvider.System, backchannel);
        return new SignInClient("m3-token", clientId, settings.ClientId == clientId ? settings.ClientSecret : null, metadata, backchannel.Invoker, TimeProvider.System);
    }

    /// <summary>What a program is to have that uses a sign-in: the settings, with what the sign-in says in their place.</summary>
    public static M3AuthOptions OptionsFor(string prefix, string issuerUrl, string audience, IEnumerable<string> scopes)
    {
        M3AuthOptions options = ReadSettings(prefix, issuerUrl);
        (options.Enabled, options.IssuerUrl, options.Audience) = (true, issuerUrl, audience);
        options.RequiredScopes.Clear();
        options.RequiredScopes.UnionWith(scopes);
        return options;
    }

    // Without the client's secret, the keys' address and the checks that are off where they are another issuer's: a server's metadata may name any issuer.
    private static M3AuthOptions ReadSettings(string prefix, string issuerUrl)
    {
        M3AuthOptions settings = M3AuthOptions.FromEnvironment(prefix);
        if (settings.IssuerUrl == issuerUrl)
            return settings;
        (settings.ClientSecret, settings.ClientSecretFile, settings.JwksUrl) = (null, null, null);
        (settings.ValidateSignature, settings.ValidateLifetime, settings.ValidateAudience, settings.ValidateIssuer) = (true, true, true, true);
        return settings;
    }
}
