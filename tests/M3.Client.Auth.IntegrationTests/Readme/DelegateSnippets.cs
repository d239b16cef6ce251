using Azure.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Identity.Client;

namespace M3.Client.Auth.IntegrationTests.Readme;

/// <summary>The README's snippets for the libraries that get tokens, to the letter.</summary>
internal static class DelegateSnippets
{
    public static void Msal(IServiceCollection services)
    {
        services.AddHttpClient("m3").AddM3Auth((provider, options) =>
        {
            var application = provider.GetRequiredService<IConfidentialClientApplication>();
            options.TokenSource = TokenSources.From(async cancellationToken =>
                (await application.AcquireTokenForClient(["api://m3/.default"]).ExecuteAsync(cancellationToken)).AccessToken);
        });
    }

    public static void AzureIdentity(IServiceCollection services)
    {
        services.AddHttpClient("m3").AddM3Auth((provider, options) =>
        {
            var credential = provider.GetRequiredService<TokenCredential>();
            options.TokenSource = TokenSources.From(async cancellationToken =>
                (await credential.GetTokenAsync(new TokenRequestContext(["api://m3/.default"]), cancellationToken)).Token);
        });
    }
}
