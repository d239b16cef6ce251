using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.IntegrationTests.OidcProvider;

/// <summary>A certified issuer takes the assertions that a client signs with its key.</summary>
public sealed class ClientKeyTests
{
    [TestCase("RS256")]
    [TestCase("PS256")]
    [TestCase("ES256")]
    public async Task A_client_with_a_key_gets_a_token_and_one_with_another_key_none(string algorithm)
    {
        JsonObject jwk = NewKey(algorithm);
        await using OidcProvider issuer = await OidcProvider.StartAsync($"[{PublicHalf(jwk).ToJsonString()}]");
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(path, jwk.ToJsonString());
            using var tokens = new M3TokenProvider(Options(issuer, algorithm, path));
            M3AccessToken token = await tokens.GetTokenAsync();
            Assert.That(token.Audiences, Is.EqualTo(new[] { TestIssuer.Audience }));

            await File.WriteAllTextAsync(path, NewKey(algorithm).ToJsonString());
            using var others = new M3TokenProvider(Options(issuer, algorithm, path));
            Assert.That(async () => await others.GetTokenAsync(), Throws.InstanceOf<TokenRequestFailedException>().With.Message.Contain("invalid_client"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static M3AuthOptions Options(OidcProvider issuer, string algorithm, string path) => new()
    {
        IssuerUrl = issuer.IssuerUrl,
        Audience = TestIssuer.Audience,
        ClientId = "m3-key-" + algorithm,
        ClientKeyFile = path,
        Resource = OidcProvider.Resource,
    };

    private static JsonObject NewKey(string algorithm)
    {
        JsonWebKey key = algorithm == "ES256"
            ? JsonWebKeyConverter.ConvertFromECDsaSecurityKey(new ECDsaSecurityKey(ECDsa.Create(ECCurve.NamedCurves.nistP256)))
            : JsonWebKeyConverter.ConvertFromRSASecurityKey(new RsaSecurityKey(RSA.Create(2048).ExportParameters(includePrivateParameters: true)));
        (string Name, string? Value)[] members =
        [
            ("kty", key.Kty), ("crv", key.Crv), ("x", key.X), ("y", key.Y), ("n", key.N), ("e", key.E), ("d", key.D),
            ("p", key.P), ("q", key.Q), ("dp", key.DP), ("dq", key.DQ), ("qi", key.QI), ("alg", algorithm), ("kid", "client-key"), ("use", "sig"),
        ];
        return new JsonObject(members.Where(member => member.Value is not null).Select(member => KeyValuePair.Create(member.Name, (JsonNode?)member.Value)));
    }

    private static JsonObject PublicHalf(JsonObject jwk) =>
        new(jwk.Where(member => member.Key is not ("d" or "p" or "q" or "dp" or "dq" or "qi")).Select(member => KeyValuePair.Create(member.Key, member.Value?.DeepClone())));
}
