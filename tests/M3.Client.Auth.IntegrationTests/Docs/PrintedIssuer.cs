using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>
/// A provider as its page describes it, without a network: metadata at the issuer's address, keys where the page says they are, tokens with
/// exactly the claims that are printed. Another issuer has other keys.
/// </summary>
internal sealed class PrintedIssuer(string issuer, string keysUrl) : HttpMessageHandler
{
    public const string TheTokensKey = "the-tokens-key";

    private readonly RSA _rsa = RSA.Create(2048);
    private readonly RSA _otherRsa = RSA.Create(2048);

    /// <summary>What the token endpoint answers.</summary>
    public (HttpStatusCode Status, string Json) TokenAnswer { get; set; }

    /// <summary>The last form that the token endpoint was sent.</summary>
    public string? Form { get; private set; }

    public string Sign(string claims) => new JsonWebTokenHandler().CreateToken(
        claims, new SigningCredentials(new RsaSecurityKey(_rsa) { KeyId = TheTokensKey }, SecurityAlgorithms.RsaSha256));

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string url = request.RequestUri!.AbsoluteUri;
        if (request.Method == HttpMethod.Post)
        {
            Form = WebUtility.UrlDecode(await request.Content!.ReadAsStringAsync(cancellationToken));
            return Answer(TokenAnswer.Json, TokenAnswer.Status);
        }

        if (url == keysUrl)
            return Answer(Keys(_rsa, TheTokensKey));
        if (url == "https://elsewhere.example/keys")
            return Answer(Keys(_otherRsa, "another-key"));
        if (!url.EndsWith("/.well-known/openid-configuration", StringComparison.Ordinal))
            return new HttpResponseMessage(HttpStatusCode.NotFound);

        string asked = url[..^"/.well-known/openid-configuration".Length];
        return asked == issuer.TrimEnd('/')
            ? Answer(JsonSerializer.Serialize(new { issuer, jwks_uri = keysUrl, token_endpoint = issuer.TrimEnd('/') + "/v1/token" }))
            : Answer(JsonSerializer.Serialize(new { issuer = asked, jwks_uri = "https://elsewhere.example/keys" }));
    }

    protected override void Dispose(bool disposing)
    {
        _rsa.Dispose();
        _otherRsa.Dispose();
        base.Dispose(disposing);
    }

    private static string Keys(RSA rsa, string kid)
    {
        RSAParameters key = rsa.ExportParameters(includePrivateParameters: false);
        var jwk = new { kty = "RSA", kid, n = Base64UrlEncoder.Encode(key.Modulus), e = Base64UrlEncoder.Encode(key.Exponent) };
        return JsonSerializer.Serialize(new { keys = new[] { jwk } });
    }

    private static HttpResponseMessage Answer(string json, HttpStatusCode status = HttpStatusCode.OK) =>
        new(status) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
}
