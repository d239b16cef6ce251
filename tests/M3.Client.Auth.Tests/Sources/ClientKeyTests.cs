using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>A client proves itself by a private key (<c>private_key_jwt</c>), or by an assertion that somebody else signed.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ClientKeyTests
{
    private static readonly RSA Rsa = FakeIssuer.OtherRsa;
    private static readonly ECDsa Ec = FakeIssuer.SharedEcdsa;

    private static IEnumerable<TestCaseData> Keys =>
    [
        Case("PKCS#8, RSA", Rsa.ExportPkcs8PrivateKeyPem(), "RS256", null),
        Case("PKCS#1", Rsa.ExportRSAPrivateKeyPem(), "RS256", null),
        Case("PKCS#8, P-256", Ec.ExportPkcs8PrivateKeyPem(), "ES256", null),
        Case("SEC1", Ec.ExportECPrivateKeyPem(), "ES256", null),
        Case("a JWK", RsaJwk().ToJsonString(), "RS256", null),
        Case("a JWK with kid and alg", RsaJwk(("kid", "k1"), ("alg", "PS256")).ToJsonString(), "PS256", "k1"),
        Case("a JWK of P-256", EcJwk(("kid", "k2")).ToJsonString(), "ES256", "k2"),
        Case("a JWKS with one private key", Set(FakeIssuer.RsaJwk("public", Rsa), EcJwk(("kid", "k3"))), "ES256", "k3"),
    ];

    private static IEnumerable<TestCaseData> NoKeys =>
    [
        Bad("nothing", "", "it holds neither PEM nor a JWK"),
        Bad("a public key", Rsa.ExportSubjectPublicKeyInfoPem(), "it has no private key, but only PUBLIC KEY"),
        Bad("an encrypted key", Rsa.ExportEncryptedPkcs8PrivateKeyPem("x", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 10)), "its private key is encrypted"),
        Bad("two keys", Rsa.ExportPkcs8PrivateKeyPem() + "\n" + Ec.ExportPkcs8PrivateKeyPem(), "it has 2 private keys"),
        Bad("a short RSA key", RSA.Create(1024).ExportPkcs8PrivateKeyPem(), "its RSA key has 1024 bits, and must have 2048 or more"),
        Bad("another curve", ECDsa.Create(ECCurve.NamedCurves.nistP384).ExportPkcs8PrivateKeyPem(), "another curve than P-256"),
        Bad("a public JWK", FakeIssuer.RsaJwk("k", Rsa).ToJsonString(), "its JWK is a public key only"),
        Bad("a JWK to encrypt with", RsaJwk(("use", "enc")).ToJsonString(), "for another use ('enc')"),
        Bad("a JWK for another algorithm", RsaJwk(("alg", "RS512")).ToJsonString(), "the alg 'RS512'"),
        Bad("a JWK with a member twice", RsaJwk().ToJsonString().Insert(1, "\"kty\":\"RSA\","), "not an unambiguous JSON object"),
        Bad("a JWK without its primes", Without(RsaJwk(), "p").ToJsonString(), "its JWK's 'p' is missing"),
        Bad("a JWKS with two private keys", Set(RsaJwk(), EcJwk()), "its JWKS has 2 private keys, and must have one"),
        Bad("a broken key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "its private key cannot be understood"),
    ];

    [TestCaseSource(nameof(Keys))]
    public async Task A_key_signs_an_assertion_that_its_public_half_verifies(string key, string algorithm, string? keyId)
    {
        using var world = new TokenEndpointWorld();
        using var file = new TokenFile(key);

        await world.GetTokenAsync(TokenSources.ClientCredentialsWithKey("pull", file.Path));

        Dictionary<string, string> form = world.Forms.Single();
        (JsonNode header, JsonNode payload) = Open(form["client_assertion"], algorithm);
        long now = ClientFixture.Noon.ToUnixTimeSeconds();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(form["client_assertion_type"], Is.EqualTo("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            Assert.That(form["client_id"], Is.EqualTo("pull"));
            Assert.That(form, Does.Not.ContainKey("client_secret"));
            Assert.That(((string?)header["alg"], (string?)header["typ"], (string?)header["kid"]), Is.EqualTo((algorithm, "JWT", keyId)));
            Assert.That(((string?)payload["iss"], (string?)payload["sub"], (string?)payload["aud"]), Is.EqualTo(("pull", "pull", FakeIssuer.Url)));
            Assert.That(((long)payload["iat"]!, (long)payload["nbf"]!, (long)payload["exp"]!), Is.EqualTo((now, now, now + 60)));
            Assert.That((string?)payload["jti"], Has.Length.EqualTo(32));
        }
    }

    [TestCaseSource(nameof(NoKeys))]
    public async Task What_is_no_key_to_sign_with_is_named_with_its_file_and_setting(string text, string why)
    {
        using var world = new TokenEndpointWorld();
        using var file = new TokenFile(text);

        TokenRequestFailedException error = await FailAsync(world, TokenSources.ClientCredentialsWithKey("pull", file.Path));

        Assert.That(error.Message, Does.StartWith($"Token request failed: the file {file.Path} is no key to sign with: ").And.Contain(why));
        Assert.That(error.Remedy, Does.Contain("M3_OAUTH2_CLIENT_KEY_FILE"));
        Assert.That(world.Forms, Is.Empty);
    }

    [Test]
    public async Task A_file_that_is_not_there_is_named_with_its_setting()
    {
        using var world = new TokenEndpointWorld();

        TokenRequestFailedException key = await FailAsync(world, TokenSources.ClientCredentialsWithKey("pull", "/nowhere/key.pem"));
        TokenRequestFailedException assertion = await FailAsync(world, TokenSources.ClientCredentialsWithAssertion("pull", "/nowhere/assertion"));

        Assert.That(key.Message, Is.EqualTo("Token request failed: the file /nowhere/key.pem cannot be read (DirectoryNotFoundException)"));
        Assert.That(key.Remedy, Does.Contain("M3_OAUTH2_CLIENT_KEY_FILE"));
        Assert.That(assertion.Remedy, Does.Contain("M3_OAUTH2_CLIENT_ASSERTION_FILE"));
    }

    // Okta and Entra ID take nothing else than the address that is called; everybody else the issuer's name.
    [TestCase("https://login.microsoftonline.com/t/oauth2/v2.0/token", null, "https://login.microsoftonline.com/t/oauth2/v2.0/token")]
    [TestCase("https://x.okta.com/oauth2/default/v1/token", null, "https://x.okta.com/oauth2/default/v1/token")]
    [TestCase("https://okta.com.evil.test/token", null, FakeIssuer.Url)]
    [TestCase("https://issuer.test/token", null, FakeIssuer.Url)]
    [TestCase("https://issuer.test/token", "https://issuer.test/token", "https://issuer.test/token")]
    public async Task An_assertion_is_for_whom_the_provider_wants(string endpoint, string? setting, string expected)
    {
        using var world = new TokenEndpointWorld(endpoint);
        using var file = new TokenFile(Ec.ExportPkcs8PrivateKeyPem());

        await world.GetTokenAsync(TokenSources.ClientCredentialsWithKey("pull", file.Path, audience: setting));

        Assert.That((string?)Open(world.Forms.Single()["client_assertion"], "ES256").Payload["aud"], Is.EqualTo(expected));
    }

    [TestCase("https://issuer.test/token", "RS256,PS256", "RS256")]
    [TestCase("https://issuer.test/token", "PS256,ES256", "PS256")]
    [TestCase("https://login.microsoftonline.com/t/oauth2/v2.0/token", null, "PS256")]
    public async Task An_RSA_key_signs_as_the_issuer_takes_it(string endpoint, string? algorithms, string expected)
    {
        using var world = new TokenEndpointWorld(endpoint, algorithms?.Split(','));
        using var file = new TokenFile(Rsa.ExportPkcs8PrivateKeyPem());

        await world.GetTokenAsync(TokenSources.ClientCredentialsWithKey("pull", file.Path));

        Assert.That((string?)Open(world.Forms.Single()["client_assertion"], expected).Header["alg"], Is.EqualTo(expected));
    }

    [Test]
    public async Task The_thumbprint_of_a_certificate_in_the_same_file_goes_along()
    {
        using var world = new TokenEndpointWorld();
        using X509Certificate2 certificate = new CertificateRequest("CN=pull", Ec, HashAlgorithmName.SHA256).CreateSelfSigned(ClientFixture.Noon, ClientFixture.Noon.AddDays(1));
        using var file = new TokenFile(certificate.ExportCertificatePem() + "\n" + Ec.ExportPkcs8PrivateKeyPem());

        await world.GetTokenAsync(TokenSources.ClientCredentialsWithKey("pull", file.Path));

        Assert.That((string?)Open(world.Forms.Single()["client_assertion"], "ES256").Header["x5t#S256"],
            Is.EqualTo(Base64UrlEncoder.Encode(certificate.GetCertHash(HashAlgorithmName.SHA256))));
    }

    [Test]
    public async Task The_settings_are_enough_and_the_key_is_read_each_time()
    {
        using var world = new TokenEndpointWorld();
        using var file = new TokenFile(RsaJwk(("kid", "k1")).ToJsonString());
        Task Get() => world.GetTokenAsync(source: null, options =>
            (options.ClientId, options.ClientKeyFile, options.ClientKeyId, options.ClientAssertionAudience, options.Resource) = ("pull", file.Path, "k9", "https://aud.test", "https://m3.test/sse"));

        await Get();
        file.Write(Ec.ExportPkcs8PrivateKeyPem());
        await Get();

        Assert.That(world.Forms, Has.Count.EqualTo(2).And.All.ContainKey("resource").WithValue("https://m3.test/sse"));
        (JsonNode header, JsonNode payload) = Open(world.Forms[0]["client_assertion"], "RS256");
        Assert.That(((string?)header["kid"], (string?)payload["aud"]), Is.EqualTo(("k9", "https://aud.test")));
        Assert.That((string?)Open(world.Forms[1]["client_assertion"], "ES256").Payload["jti"], Is.Not.EqualTo((string?)payload["jti"]));
    }

    [Test]
    public async Task A_key_that_others_can_read_is_warned_of()
    {
        using var world = new TokenEndpointWorld();
        using var file = new TokenFile(Ec.ExportPkcs8PrivateKeyPem());
        file.SetMode(UnixFileMode.UserRead | UnixFileMode.OtherRead);

        await world.GetTokenAsync(TokenSources.ClientCredentialsWithKey("pull", file.Path));

        Assert.That(world.Fixture.Log.Warnings.Single(), Does.StartWith($"The key file {file.Path} can be read by other users; give it mode 600"));
    }

    [Test]
    public async Task An_assertion_of_somebody_else_s_is_read_each_time_and_sent_as_it_is()
    {
        using var world = new TokenEndpointWorld();
        string[] assertions = [FakeIssuer.Sign("{}", """{"n":1}"""), FakeIssuer.Sign("{}", """{"n":2}""")];
        using var file = new TokenFile(assertions[0] + "\n");
        Task Get() => world.GetTokenAsync(source: null, options => (options.ClientId, options.ClientAssertionFile) = ("pull", file.Path));

        await Get();
        file.Write(assertions[1]);
        await Get();
        await world.GetTokenAsync(TokenSources.ClientCredentialsWithAssertion("pull", _ => new ValueTask<string>(assertions[0])));

        Assert.That(world.Forms.Select(form => form["client_assertion"]), Is.EqualTo([.. assertions, assertions[0]]));
        Assert.That(world.Forms, Has.All.ContainKey("client_assertion_type").WithValue("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    }

    [Test]
    public async Task An_empty_assertion_is_told()
    {
        using var world = new TokenEndpointWorld();
        using var file = new TokenFile(" \n");

        Assert.That((await FailAsync(world, TokenSources.ClientCredentialsWithAssertion("pull", file.Path))).Message, Does.EndWith($"the file {file.Path} is empty"));
        Assert.That((await FailAsync(world, TokenSources.ClientCredentialsWithAssertion("pull", _ => new ValueTask<string>("")))).Message, Does.EndWith("the delegate returned no client assertion"));
    }

    [Test]
    public async Task Neither_key_nor_assertion_is_shown_when_the_issuer_repeats_it()
    {
        using var world = new TokenEndpointWorld();
        using var file = new TokenFile(Rsa.ExportPkcs8PrivateKeyPem());
        world.Answer = () => new HttpResponseMessage(HttpStatusCode.Unauthorized)
        {
            Content = new StringContent(new JsonObject { ["error"] = "invalid_client", ["error_description"] = $"not '{world.Forms[^1]["client_assertion"]}'" }.ToJsonString()),
        };

        TokenRequestFailedException error = await FailAsync(world, TokenSources.ClientCredentialsWithKey("pull", file.Path));

        string shown = error + string.Join('\n', world.Fixture.Log.Lines);
        Assert.That(error.Message, Does.EndWith("answered invalid_client ((the secret, not shown))"));
        SecrecyTests.AssertHidden("the error and the log", [world.Forms[^1]["client_assertion"], file.First.Split('\n')[3]], shown);
    }

    private static async Task<TokenRequestFailedException> FailAsync(TokenEndpointWorld world, ITokenSource source) =>
        (await Assert.CatchAsync<TokenRequestFailedException>(() => world.GetTokenAsync(source)))!;

    private static (JsonNode Header, JsonNode Payload) Open(string jwt, string algorithm)
    {
        string[] parts = jwt.Split('.');
        byte[] input = Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}");
        byte[] signature = Base64UrlEncoder.DecodeBytes(parts[2]);
        bool isValid = algorithm == "ES256"
            ? Ec.VerifyData(input, signature, HashAlgorithmName.SHA256)
            : Rsa.VerifyData(input, signature, HashAlgorithmName.SHA256, algorithm == "PS256" ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1);
        Assert.That(isValid, "the signature verifies");
        return (JsonNode.Parse(Base64UrlEncoder.Decode(parts[0]))!, JsonNode.Parse(Base64UrlEncoder.Decode(parts[1]))!);
    }

    private static JsonObject RsaJwk(params (string Name, string Value)[] members)
    {
        RSAParameters key = Rsa.ExportParameters(includePrivateParameters: true);
        return Jwk(new() { ["kty"] = "RSA", ["n"] = Text(key.Modulus), ["e"] = Text(key.Exponent), ["d"] = Text(key.D), ["p"] = Text(key.P), ["q"] = Text(key.Q), ["dp"] = Text(key.DP), ["dq"] = Text(key.DQ), ["qi"] = Text(key.InverseQ) }, members);
    }

    private static JsonObject EcJwk(params (string Name, string Value)[] members)
    {
        ECParameters key = Ec.ExportParameters(includePrivateParameters: true);
        return Jwk(new() { ["kty"] = "EC", ["crv"] = "P-256", ["x"] = Text(key.Q.X), ["y"] = Text(key.Q.Y), ["d"] = Text(key.D) }, members);
    }

    private static JsonObject Jwk(JsonObject jwk, (string Name, string Value)[] members)
    {
        foreach ((string name, string value) in members)
            jwk[name] = value;
        return jwk;
    }

    private static JsonObject Without(JsonObject jwk, string name)
    {
        jwk.Remove(name);
        return jwk;
    }

    private static string Text(byte[]? bytes) => Base64UrlEncoder.Encode(bytes);

    private static string Set(params JsonObject[] keys) => new JsonObject { ["keys"] = new JsonArray([.. keys]) }.ToJsonString();

    private static TestCaseData Case(string name, string key, string algorithm, string? keyId) => new TestCaseData(key, algorithm, keyId).SetArgDisplayNames(name);

    private static TestCaseData Bad(string name, string text, string why) => new TestCaseData(text, why).SetArgDisplayNames(name);
}
