using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>An issuer that counts who asks it for what, and can be made to misbehave.</summary>
internal sealed class TestIssuer : IAsyncDisposable
{
    public const string Audience = "m3-api";

    private const string Discovery = "/.well-known/openid-configuration";
    private const string Jwks = "/keys";
    private const string TokenEndpoint = "/token";

    private RSA _rsa = RSA.Create(2048);
    private RsaSecurityKey _key;
    private RecordingServer _server = null!;

    private TestIssuer() => _key = new RsaSecurityKey(_rsa) { KeyId = "test-key" };

    public string IssuerUrl => _server.Address.AbsoluteUri;

    public int DiscoveryCount => _server.Arrivals.Count(arrival => arrival.Path == Discovery);

    public int JwksCount => _server.Arrivals.Count(arrival => arrival.Path == Jwks);

    /// <summary>How many tokens were asked for with client credentials.</summary>
    public int TokenCount => _server.Arrivals.Count(arrival => arrival.Path == TokenEndpoint);

    /// <summary>How long those last.</summary>
    public TimeSpan TokenLifetime { get; set; } = TimeSpan.FromMinutes(30);

    public IReadOnlyList<HttpArrival> Arrivals => _server.Arrivals;

    public Task FirstArrival => _server.FirstArrival;

    /// <summary>Runs before each answer, with how many requests have arrived; true: it has answered.</summary>
    public Func<HttpContext, int, Task<bool>>? Misbehave { get; set; }

    public static async Task<TestIssuer> StartAsync()
    {
        var issuer = new TestIssuer();
        issuer._server = await RecordingServer.StartAsync(issuer.AnswerAsync);
        return issuer;
    }

    public string CreateToken(string scope = "read:mimic-data", TimeSpan? lifetime = null, string subject = "somebody")
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return new JsonWebTokenHandler().CreateToken(
            JsonSerializer.Serialize(new Dictionary<string, object>
            {
                ["iss"] = IssuerUrl,
                ["aud"] = Audience,
                ["sub"] = subject,
                ["scope"] = scope,
                ["exp"] = (now + (lifetime ?? TimeSpan.FromMinutes(30))).ToUnixTimeSeconds(),
                ["jti"] = Guid.NewGuid(),
            }),
            new SigningCredentials(_key, SecurityAlgorithms.RsaSha256));
    }

    /// <summary>Signs with another key from now on, and publishes that one alone.</summary>
    public void Rotate(string keyId)
    {
        _rsa.Dispose();
        _rsa = RSA.Create(2048);
        _key = new RsaSecurityKey(_rsa) { KeyId = keyId };
    }

    /// <summary>Settings of a client with client credentials, which this issuer takes whatever they are.</summary>
    public M3AuthOptions OptionsWithClient(string clientId = "the-fleet") =>
        new() { IssuerUrl = IssuerUrl, Audience = Audience, ClientId = clientId, ClientSecret = "the-fleets-secret", TokenSource = TokenSources.ClientCredentials(clientId, "the-fleets-secret") };

    public M3AuthOptions OptionsWith(string? token) => OptionsWith(TokenSources.FromValue(token));

    public M3AuthOptions OptionsWith(ITokenSource source) => new() { IssuerUrl = IssuerUrl, Audience = Audience, TokenSource = source };

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _rsa.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        if (Misbehave is not null && await Misbehave(context, _server.Arrivals.Count))
            return;

        RSAParameters rsa = _rsa.ExportParameters(includePrivateParameters: false);
        object? document = (string?)context.Request.Path switch
        {
            Discovery => new { issuer = IssuerUrl, jwks_uri = new Uri(_server.Address, Jwks), token_endpoint = new Uri(_server.Address, TokenEndpoint) },
            TokenEndpoint => new { access_token = CreateToken(lifetime: TokenLifetime), token_type = "Bearer", expires_in = (int)TokenLifetime.TotalSeconds },
            Jwks => new
            {
                keys = new[] { new { kty = "RSA", kid = _key.KeyId, n = Base64UrlEncoder.Encode(rsa.Modulus), e = Base64UrlEncoder.Encode(rsa.Exponent) } },
            },
            _ => null,
        };
        if (document is null)
            context.Response.StatusCode = StatusCodes.Status404NotFound;
        else
            await context.Response.WriteAsJsonAsync(document, document.GetType());
    }
}
