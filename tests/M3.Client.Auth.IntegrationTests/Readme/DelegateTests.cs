using System.Text;
using Azure.Core;
using Azure.Identity;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Identity.Client;

namespace M3.Client.Auth.IntegrationTests.Readme;

/// <summary>The snippets for MSAL and Azure Identity, run: what those libraries return arrives as a validated token.</summary>
public sealed class DelegateTests
{
    [Test]
    public async Task A_token_that_MSAL_got_is_validated_and_used()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        ServiceCollection services = ServicesFor(m3);
        services.AddSingleton<IConfidentialClientApplication>(ConfidentialClientApplicationBuilder.Create("client")
            .WithClientSecret("made-up")
            .WithAuthority("https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111", validateAuthority: false)
            .WithInstanceDiscovery(false)
            .WithHttpClientFactory(new Answering(m3.CreateToken()))
            .Build());
        DelegateSnippets.Msal(services);

        Assert.That(await SubjectAsync(services), Is.Not.Empty);
    }

    [Test]
    public async Task A_token_that_Azure_Identity_got_is_validated_and_used()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        ServiceCollection services = ServicesFor(m3);
        services.AddSingleton<TokenCredential>(new ChainedTokenCredential(new Unavailable(), new Fixed(m3.CreateToken())));
        DelegateSnippets.AzureIdentity(services);

        Assert.That(await SubjectAsync(services), Is.Not.Empty);
    }

    private static ServiceCollection ServicesFor(LocalM3Server m3)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["M3_OAUTH2_ISSUER_URL"] = m3.IssuerUrl,
            ["M3_OAUTH2_AUDIENCE"] = m3.Audience,
        }).Build());
        return services;
    }

    private static async Task<string?> SubjectAsync(ServiceCollection services)
    {
        await using ServiceProvider provider = services.BuildServiceProvider();
        return (await provider.GetRequiredKeyedService<IM3TokenProvider>("m3").GetTokenAsync()).Subject;
    }

    private sealed class Answering(string token) : HttpMessageHandler, IMsalHttpClientFactory
    {
        public HttpClient GetHttpClient() => new(this, disposeHandler: false);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage
            {
                Content = new StringContent($$"""{"token_type":"Bearer","expires_in":3600,"access_token":"{{token}}"}""", Encoding.UTF8, "application/json"),
            });
    }

    private sealed class Unavailable : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            throw new CredentialUnavailableException("not on this machine");

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            throw new CredentialUnavailableException("not on this machine");
    }

    private sealed class Fixed(string token) : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => new(token, DateTimeOffset.UtcNow.AddHours(1));

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            new(GetToken(requestContext, cancellationToken));
    }
}
