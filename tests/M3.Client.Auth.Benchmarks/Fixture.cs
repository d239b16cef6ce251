using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Benchmarks;

/// <summary>An issuer without a network, and what it takes to use it.</summary>
internal sealed class Fixture : HttpMessageHandler
{
    public const string Issuer = "https://issuer.example/";
    public const string Audience = "m3-api";

    private readonly byte[] _jwks;

    public Fixture(int otherKeys = 0)
    {
        Rsa = RSA.Create(2048);
        Ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        List<object> keys = [RsaJwk("rsa", Rsa.ExportParameters(false)), EcJwk("ec", Ecdsa.ExportParameters(false))];
        for (int i = 0; i < otherKeys; i++)
        {
            using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            keys.Add(EcJwk($"other-{i}", other.ExportParameters(false)));
        }

        _jwks = JsonSerializer.SerializeToUtf8Bytes(new { keys });
    }

    public RSA Rsa { get; }

    public ECDsa Ecdsa { get; }

    public ReadOnlyMemory<byte> Jwks => _jwks;

    public M3AuthOptions Options(string token, bool budget = true) => new()
    {
        IssuerUrl = Issuer,
        Audience = Audience,
        JwksUrl = new Uri(Issuer + "jwks"),
        TokenSource = TokenSources.FromValue(token),
        // Over so soon, a step of the clock at most, and so large that it never refuses: counted, but never waited for.
        RateLimitEnabled = budget,
        RateLimitRequests = 400_000,
        RateLimitWindow = TimeSpan.FromTicks(1),
        BackchannelHttpHandler = this,
    };

    public string Token(string algorithm)
    {
        SecurityKey key = algorithm == SecurityAlgorithms.RsaSha256
            ? new RsaSecurityKey(Rsa) { KeyId = "rsa" }
            : new ECDsaSecurityKey(Ecdsa) { KeyId = "ec" };
        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Issuer,
            Audience = Audience,
            Expires = DateTime.UtcNow.AddDays(7),
            Claims = new Dictionary<string, object> { ["sub"] = "researcher", ["scope"] = "openid read:mimic-data" },
            SigningCredentials = new SigningCredentials(key, algorithm),
        });
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        Task.FromResult(new HttpResponseMessage { RequestMessage = request, Content = new ByteArrayContent(_jwks) });

    private static Dictionary<string, string> RsaJwk(string kid, RSAParameters key) => new()
    {
        ["kty"] = "RSA",
        ["use"] = "sig",
        ["alg"] = "RS256",
        ["kid"] = kid,
        ["n"] = Base64UrlEncoder.Encode(key.Modulus),
        ["e"] = Base64UrlEncoder.Encode(key.Exponent),
    };

    private static Dictionary<string, string> EcJwk(string kid, ECParameters key) => new()
    {
        ["kty"] = "EC",
        ["use"] = "sig",
        ["alg"] = "ES256",
        ["kid"] = kid,
        ["crv"] = "P-256",
        ["x"] = Base64UrlEncoder.Encode(key.Q.X),
        ["y"] = Base64UrlEncoder.Encode(key.Q.Y),
    };
}
