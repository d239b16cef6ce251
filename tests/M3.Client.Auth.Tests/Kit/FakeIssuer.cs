using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.IdentityModel.Tokens;
using RichardSzalay.MockHttp;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>An issuer without a network: it signs whatever it is told to, and serves its metadata and keys over a backchannel that counts.</summary>
internal sealed class FakeIssuer
{
    public const string Url = "https://issuer.test";
    public const string RsaKeyId = "rsa-1";
    public const string EcKeyId = "ec-1";

    // Making an RSA key takes long; nobody minds that all tests share one pair.
    public static readonly RSA SharedRsa = RSA.Create(2048);
    public static readonly RSA OtherRsa = RSA.Create(2048);
    public static readonly ECDsa SharedEcdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    private readonly string _url;
    private int _discoveryRequests;
    private int _jwksRequests;

    public FakeIssuer(string url = Url)
    {
        _url = url;
        AnswerDiscovery = ServeMetadata;
        AnswerJwks = ServeKeys;
        Keys = [RsaJwk(RsaKeyId, SharedRsa), EcJwk(EcKeyId, SharedEcdsa)];
        Backchannel.When($"{url.TrimEnd('/')}/.well-known/openid-configuration").Respond(async request =>
        {
            Interlocked.Increment(ref _discoveryRequests);
            return await Settle(AnswerDiscovery, request);
        });
        Backchannel.When($"{url.TrimEnd('/')}/jwks").Respond(async request =>
        {
            Interlocked.Increment(ref _jwksRequests);
            return await Settle(AnswerJwks, request);
        });
    }

    /// <summary>For <see cref="M3AuthOptions.BackchannelHttpHandler"/>. What it does not know is 404.</summary>
    public MockHttpMessageHandler Backchannel { get; } = new Line();

    /// <summary>The published keys: change them to rotate.</summary>
    public List<JsonObject> Keys { get; }

    public string Jwks => new JsonObject { ["keys"] = new JsonArray([.. Keys.Select(key => key.DeepClone())]) }.ToJsonString();

    /// <summary>May wait before it answers, and may throw instead, as a connection that breaks.</summary>
    public Func<HttpRequestMessage, Task<HttpResponseMessage>> AnswerDiscovery { get; set; }

    /// <inheritdoc cref="AnswerDiscovery" />
    public Func<HttpRequestMessage, Task<HttpResponseMessage>> AnswerJwks { get; set; }

    public int DiscoveryRequests => Volatile.Read(ref _discoveryRequests);

    public int JwksRequests => Volatile.Read(ref _jwksRequests);

    public void GoDown()
    {
        AnswerDiscovery = AnswerJwks = _ => throw new HttpRequestException(HttpRequestError.ConnectionError);
    }

    public void ComeBack()
    {
        AnswerDiscovery = ServeMetadata;
        AnswerJwks = ServeKeys;
    }

    /// <summary>The claims of a token that every rule accepts at <paramref name="now"/>.</summary>
    public JsonObject Claims(DateTimeOffset now) => new()
    {
        ["iss"] = _url,
        ["aud"] = ClientFixture.Audience,
        ["sub"] = "researcher",
        ["iat"] = now.ToUnixTimeSeconds(),
        ["exp"] = now.AddMinutes(30).ToUnixTimeSeconds(),
        ["scope"] = "read:mimic-data",
    };

    /// <summary>A token that every rule accepts, after the changes asked for.</summary>
    public string Token(DateTimeOffset now, Action<JsonObject>? claims = null, Action<JsonObject>? header = null, string algorithm = "RS256", RSA? rsa = null)
    {
        JsonObject payload = Claims(now);
        claims?.Invoke(payload);
        JsonObject head = Header(algorithm);
        header?.Invoke(head);
        return Sign(head.ToJsonString(), payload.ToJsonString(), algorithm, rsa);
    }

    public static JsonObject Header(string algorithm = "RS256") => new()
    {
        ["alg"] = algorithm,
        ["kid"] = algorithm == "ES256" ? EcKeyId : RsaKeyId,
        ["typ"] = "at+jwt",
    };

    /// <summary>A real signature over any text, JSON or not.</summary>
    public static string Sign(string header, string payload, string algorithm = "RS256", RSA? rsa = null) =>
        Sign(Encoding.UTF8.GetBytes(header), Encoding.UTF8.GetBytes(payload), algorithm, rsa);

    public static string Sign(byte[] header, byte[] payload, string algorithm = "RS256", RSA? rsa = null)
    {
        string input = $"{Base64UrlEncoder.Encode(header)}.{Base64UrlEncoder.Encode(payload)}";
        byte[] bytes = Encoding.ASCII.GetBytes(input);
        byte[] signature = algorithm == "ES256"
            ? SharedEcdsa.SignData(bytes, HashAlgorithmName.SHA256)
            : (rsa ?? SharedRsa).SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return $"{input}.{Base64UrlEncoder.Encode(signature)}";
    }

    public static JsonObject RsaJwk(string kid, RSA rsa)
    {
        RSAParameters key = rsa.ExportParameters(includePrivateParameters: false);
        return new JsonObject
        {
            ["kty"] = "RSA",
            ["use"] = "sig",
            ["alg"] = "RS256",
            ["kid"] = kid,
            ["n"] = Base64UrlEncoder.Encode(key.Modulus),
            ["e"] = Base64UrlEncoder.Encode(key.Exponent),
        };
    }

    public static JsonObject EcJwk(string kid, ECDsa ecdsa)
    {
        ECParameters key = ecdsa.ExportParameters(includePrivateParameters: false);
        return new JsonObject
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

    public static HttpResponseMessage Json(string json) => new(HttpStatusCode.OK) { Content = new StringContent(json, Encoding.UTF8, "application/json") };

    public static HttpResponseMessage Status(HttpStatusCode status) => new(status);

    /// <summary>What is thrown instead of an answer, reaches the library as it is.</summary>
    public static async Task<HttpResponseMessage> Settle(Func<HttpRequestMessage, Task<HttpResponseMessage>> answer, HttpRequestMessage request)
    {
        try
        {
            return await answer(request);
        }
        catch (Exception e)
        {
            return new NoAnswer(e);
        }
    }

    private Task<HttpResponseMessage> ServeMetadata(HttpRequestMessage request) =>
        Task.FromResult(Json(new JsonObject { ["issuer"] = _url, ["jwks_uri"] = $"{_url.TrimEnd('/')}/jwks" }.ToJsonString()));

    private Task<HttpResponseMessage> ServeKeys(HttpRequestMessage request) => Task.FromResult(Json(Jwks));

    /// <summary>MockHttp never completes a request whose answer throws, so the exception travels as an answer up to here.</summary>
    private sealed class Line() : MockHttpMessageHandler(BackendDefinitionBehavior.Always)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            HttpResponseMessage response = await base.SendAsync(request, cancellationToken);
            return response is NoAnswer none ? throw none.Exception : response;
        }
    }

    private sealed class NoAnswer(Exception exception) : HttpResponseMessage
    {
        public Exception Exception { get; } = exception;
    }
}
