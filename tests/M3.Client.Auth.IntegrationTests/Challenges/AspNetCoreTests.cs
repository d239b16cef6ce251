using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using ModelContextProtocol.AspNetCore.Authentication;

namespace M3.Client.Auth.IntegrationTests.Challenges;

/// <summary>What ASP.NET Core's JwtBearer says of tokens that are wrong, alone and behind the MCP SDK's own challenge.</summary>
public sealed class AspNetCoreTests
{
    private const string Issuer = "https://issuer.example/";

    private static readonly RsaSecurityKey Key = new(RSA.Create(2048)) { KeyId = "one" };
    private static readonly RsaSecurityKey SameId = new(RSA.Create(2048)) { KeyId = "one" };
    private static readonly RsaSecurityKey OtherId = new(RSA.Create(2048)) { KeyId = "zz" };

    private static IEnumerable<TestCaseData> Tokens =>
    [
        Case("expired", M3AuthError.TokenExpired, token => token.Expires = DateTime.UtcNow.AddMinutes(-1)),
        Case("not yet valid", M3AuthError.TokenNotYetValid, token => (token.NotBefore, token.Expires) = (DateTime.UtcNow.AddHours(1), DateTime.UtcNow.AddHours(2))),
        Case("no exp", M3AuthError.TokenExpired, token => token.Expires = null),
        Case("another audience", M3AuthError.InvalidAudience, token => token.Audience = "other"),
        Case("no audience", M3AuthError.InvalidAudience, token => token.Audience = null),
        Case("another issuer", M3AuthError.InvalidIssuer, token => token.Issuer = "https://other.example/"),
        Case("no issuer", M3AuthError.InvalidIssuer, token => token.Issuer = null),
        Case("another key", M3AuthError.InvalidTokenSignature, token => token.SigningCredentials = new(SameId, SecurityAlgorithms.RsaSha256)),
        Case("a kid that nobody has", M3AuthError.InvalidTokenSignature, token => token.SigningCredentials = new(OtherId, SecurityAlgorithms.RsaSha256)),
        Case("expired, and for somebody else", M3AuthError.TokenExpired, token => (token.Expires, token.Audience) = (DateTime.UtcNow.AddMinutes(-1), "other")),
    ];

    [TestCaseSource(nameof(Tokens))]
    public async Task JwtBearers_own_words_are_the_typed_error(M3AuthError expected, object change)
    {
        M3AuthException error = await RefuseAsync((Action<SecurityTokenDescriptor>)change, withMcp: false);

        TestContext.Out.WriteLine(error.Message);
        Assert.That(error.Error, Is.EqualTo(expected), error.Message);
        Assert.That(error.Challenge?.Error, Is.EqualTo("invalid_token"));
        Assert.That(error.Challenge?.ErrorDescription, Is.Not.Empty);
    }

    // It challenges in JwtBearer's place, and says where the resource's metadata are instead of what is wrong.
    [TestCaseSource(nameof(Tokens))]
    public async Task The_MCP_SDKs_challenge_names_no_failure_and_its_metadata_survive(M3AuthError hidden, object change)
    {
        M3AuthException error = await RefuseAsync((Action<SecurityTokenDescriptor>)change, withMcp: true);

        TestContext.Out.WriteLine($"{hidden} is told as: {error.Message}");
        Assert.That(error, Is.TypeOf<RejectedException>());
        Assert.That(error.Challenge?.ResourceMetadata, Does.EndWith("/.well-known/oauth-protected-resource/"));
    }

    [Test]
    public async Task A_good_token_passes()
    {
        await using WebApplication server = await StartAsync(withMcp: true);
        using HttpClient client = Client(server, _ => { });

        using HttpResponseMessage response = await client.GetAsync("");

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    private static async Task<M3AuthException> RefuseAsync(Action<SecurityTokenDescriptor> change, bool withMcp)
    {
        await using WebApplication server = await StartAsync(withMcp);
        using HttpClient client = Client(server, change);

        return (await Assert.CatchAsync<M3AuthException>(() => client.GetAsync("")))!;
    }

    private static HttpClient Client(WebApplication server, Action<SecurityTokenDescriptor> change)
    {
        var token = new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = TestIssuer.Audience,
            Expires = DateTime.UtcNow.AddHours(1),
            SigningCredentials = new SigningCredentials(Key, SecurityAlgorithms.RsaSha256),
        };
        change(token);
        string raw = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(token);
        return new HttpClient(new M3AuthHandler(new Unchecked(raw), new M3AuthOptions()) { InnerHandler = new SocketsHttpHandler() })
        {
            BaseAddress = new Uri(server.Urls.Single()),
        };
    }

    private static async Task<WebApplication> StartAsync(bool withMcp)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        builder.Services.AddAuthorization();
        var authentication = builder.Services
            .AddAuthentication(options =>
            {
                options.DefaultAuthenticateScheme = JwtBearerDefaults.AuthenticationScheme;
                options.DefaultChallengeScheme = withMcp ? McpAuthenticationDefaults.AuthenticationScheme : JwtBearerDefaults.AuthenticationScheme;
            })
            .AddJwtBearer(options =>
            {
                options.TokenValidationParameters = new TokenValidationParameters
                {
                    ValidIssuer = Issuer,
                    ValidAudience = TestIssuer.Audience,
                    IssuerSigningKey = Key,
                    TryAllIssuerSigningKeys = false,
                    ClockSkew = TimeSpan.Zero,
                };
            });
        if (withMcp)
        {
            authentication.AddMcp(options => options.ResourceMetadata = new()
            {
                AuthorizationServers = { Issuer },
                ScopesSupported = { "read:mimic-data" },
            });
        }

        WebApplication app = builder.Build();
        app.UseRouting().UseAuthentication().UseAuthorization();
        app.MapGet("/", () => "rows").RequireAuthorization();
        await app.StartAsync();
        return app;
    }

    private static TestCaseData Case(string name, M3AuthError expected, Action<SecurityTokenDescriptor> change) =>
        new TestCaseData(expected, change).SetArgDisplayNames(name);
}
