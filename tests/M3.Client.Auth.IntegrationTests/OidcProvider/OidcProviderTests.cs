using System.Net;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.IntegrationTests.OidcProvider;

/// <summary>Discovery, keys and tokens as a certified issuer really serves them, and ASP.NET Core's own judgement of what arrives.</summary>
public sealed class OidcProviderTests
{
    [TestCase("RS256")]
    [TestCase("ES256")]
    public async Task A_token_by_client_credentials_passes_here_and_at_a_JwtBearer_server(string algorithm)
    {
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        await using WebApplication server = await StartServerAsync(issuer.IssuerUrl);
        using var tokens = new M3TokenProvider(issuer.OptionsFor(algorithm));
        using HttpClient client = M3HttpClient.Create(new Uri(server.Urls.Single()), issuer.OptionsFor(algorithm));

        M3AccessToken token = await tokens.GetTokenAsync();
        using HttpResponseMessage response = await client.GetAsync("");

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(token.Algorithm, Is.EqualTo(algorithm));
        Assert.That(token.Issuer, Is.EqualTo(issuer.IssuerUrl));
        Assert.That(token.Audiences, Is.EqualTo(new[] { TestIssuer.Audience }));
        Assert.That(token.Scopes, Is.EqualTo(new[] { "read:mimic-data" }));
        Assert.That(tokens.GetKeyStatus().UsableKeys, Is.EquivalentTo(new[] { "rsa (RS256)", "ec (ES256)" }));
    }

    [Test]
    public async Task A_wrong_secret_is_told_in_the_issuers_words_and_not_shown()
    {
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        M3AuthOptions options = issuer.OptionsFor("RS256");
        options.TokenSource = TokenSources.ClientCredentials(OidcProvider.ClientId, "a-wrong-secret");
        using var tokens = new M3TokenProvider(options);

        Assert.That(async () => await tokens.GetTokenAsync(), Throws.InstanceOf<TokenRequestFailedException>()
            .With.Message.Contain("invalid_client").And.Message.Not.Contain("a-wrong-secret"));
    }

    [Test]
    public async Task An_opaque_token_is_told_to_be_one()
    {
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        M3AuthOptions options = issuer.OptionsFor("RS256");
        // Without a resource this issuer, as Auth0 without an audience, gives a token that only it can read.
        options.TokenSource = TokenSources.ClientCredentials(OidcProvider.ClientId, OidcProvider.ClientSecret);
        using var tokens = new M3TokenProvider(options);

        Assert.That(async () => await tokens.GetTokenAsync(), Throws.InstanceOf<InvalidTokenFormatException>().With.Message.Contain("opaque"));
    }

    internal static async Task<WebApplication> StartServerAsync(string issuerUrl, TimeSpan? leeway = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        builder.Services.AddAuthorization();
        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(options =>
        {
            options.Authority = issuerUrl;
            options.Audience = TestIssuer.Audience;
            options.RequireHttpsMetadata = false;
            options.TokenValidationParameters.ClockSkew = leeway ?? options.TokenValidationParameters.ClockSkew;
        });
        WebApplication app = builder.Build();
        app.UseRouting().UseAuthentication().UseAuthorization();
        app.Map("/", () => "rows").RequireAuthorization();
        await app.StartAsync();
        return app;
    }
}
