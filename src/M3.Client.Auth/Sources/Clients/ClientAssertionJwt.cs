using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Duende.IdentityModel;
using Duende.IdentityModel.Jwk;

namespace M3.Client.Auth;

/// <summary>The JWT by which a client proves that it has its key (RFC 7523, section 3; OpenID Connect Core 1.0, section 9).</summary>
internal static class ClientAssertionJwt
{
    // Issuers take it once, within moments; some allow no more than a minute or two.
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(60);

    // Who has not followed the specifications' change: the address that is called, instead of the issuer's name.
    private static readonly string[] OktaHosts = [".okta.com", ".oktapreview.com", ".okta-emea.com", ".okta-gov.com"];

    /// <summary>
    /// Whom it is for. The issuer by its name: since 2025 the specifications (OpenID Connect Core 1.0, section 9; rfc7523bis) allow nothing else, Auth0 and
    /// Keycloak want it, and nearly everybody takes it. Entra ID and Okta take the token endpoint alone; it goes nowhere else, so that no other server can use it.
    /// </summary>
    public static string AudienceFor(TokenEndpoint endpoint, string issuer) =>
        IssuerHints.IsEntra(endpoint.Address) || IsAtOkta(endpoint) ? endpoint.Address.AbsoluteUri : issuer;

    /// <summary>The key's own algorithm, else the one that its kind is usually used with.</summary>
    public static string AlgorithmFor(ClientKey key, TokenEndpoint endpoint)
    {
        if (key.Algorithm is { } own)
            return own;
        if (!key.IsRsa)
            return OidcConstants.Algorithms.Asymmetric.ES256;
        bool wantsPss = IssuerHints.IsEntra(endpoint.Address) || (endpoint.SigningAlgorithms is { } known
            && known.Contains(OidcConstants.Algorithms.Asymmetric.PS256) && !known.Contains(OidcConstants.Algorithms.Asymmetric.RS256));
        return wantsPss ? OidcConstants.Algorithms.Asymmetric.PS256 : OidcConstants.Algorithms.Asymmetric.RS256;
    }

    public static string Create(ClientKey key, string algorithm, string? keyId, string clientId, string audience, DateTimeOffset now)
    {
        string input = Part(json =>
        {
            json.WriteString(JwtClaimTypes.Algorithm, algorithm);
            json.WriteString("typ", "JWT");
            if ((keyId ?? key.KeyId) is { } kid)
                json.WriteString(JsonWebKeyParameterNames.Kid, kid);
            if (key.Thumbprint is { } thumbprint)
                json.WriteString("x5t#S256", thumbprint);
        }) + "." + Part(json =>
        {
            json.WriteString(JwtClaimTypes.Issuer, clientId);
            json.WriteString(JwtClaimTypes.Subject, clientId);
            json.WriteString(JwtClaimTypes.Audience, audience);
            json.WriteString(JwtClaimTypes.JwtId, Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(24)));
            json.WriteNumber(JwtClaimTypes.IssuedAt, now.ToUnixTimeSeconds());
            json.WriteNumber(JwtClaimTypes.NotBefore, now.ToUnixTimeSeconds());
            json.WriteNumber(JwtClaimTypes.Expiration, (now + Lifetime).ToUnixTimeSeconds());
        });
        return $"{input}.{Base64Url.EncodeToString(key.Sign(Encoding.ASCII.GetBytes(input), algorithm))}";
    }

    private static string Part(Action<Utf8JsonWriter> write)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Base64Url.EncodeToString(bytes.ToArray());
    }

    private static bool IsAtOkta(TokenEndpoint endpoint) => OktaHosts.Any(host => endpoint.Address.IdnHost.EndsWith(host, StringComparison.OrdinalIgnoreCase));
}
