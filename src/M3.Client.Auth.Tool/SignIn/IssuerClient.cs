namespace M3.Client.Auth.Tool;

/// <summary>The way to one issuer, with the library's bounds.</summary>
internal static class IssuerClient
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromHours(1);

    public static SignInClient Create(string issuerUrl, string clientId, string prefix, Backchannel backchannel)
    {
        M3AuthOptions settings = M3AuthOptions.FromEnvironment(prefix);
        ForgetAnothers(settings, issuerUrl);
        var metadata = new IssuerMetadata(new IssuerSettings(issuerUrl, jwksUrl: null, Lifetime, prefix), TimeProvider.System, backchannel);
        return new SignInClient("m3-token", clientId, settings.ClientId == clientId ? settings.ClientSecret : null, metadata, backchannel.Invoker, TimeProvider.System);
    }

    /// <summary>
    /// Takes the client's secret, the keys' address and the checks that are off out of settings that are another issuer's: a server's metadata may
    /// name any issuer.
    /// </summary>
    public static void ForgetAnothers(M3AuthOptions settings, string issuerUrl)
    {
        if (settings.IssuerUrl == issuerUrl)
            return;
        (settings.ClientSecret, settings.ClientSecretFile, settings.JwksUrl) = (null, null, null);
        (settings.ValidateSignature, settings.ValidateLifetime, settings.ValidateAudience, settings.ValidateIssuer) = (true, true, true, true);
    }
}
