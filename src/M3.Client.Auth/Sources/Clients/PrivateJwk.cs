using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Duende.IdentityModel;
using Duende.IdentityModel.Jwk;

namespace M3.Client.Auth;

/// <summary>A private key as a JWK (RFC 7518, section 6), alone or as the only one of a JWKS.</summary>
internal static class PrivateJwk
{
    private const int P256Bytes = 32;

    /// <exception cref="InvalidDataException">There is none to sign with.</exception>
    /// <exception cref="CryptographicException">Its numbers are not a key.</exception>
    public static ClientKey Read(string text)
    {
        if (StrictJson.TryParseObject(Encoding.UTF8.GetBytes(text.Trim())) is not { } json)
            throw ClientKeyReader.Unusable("it is not an unambiguous JSON object");
        JsonElement jwk = json;
        if (json.TryGetProperty("keys", out JsonElement keys))
        {
            JsonElement[] found = keys.ValueKind == JsonValueKind.Array
                ? [.. keys.EnumerateArray().Where(key => key.ValueKind == JsonValueKind.Object && key.TryGetProperty(JsonWebKeyParameterNames.D, out _))]
                : [];
            jwk = found is [var only] ? only : throw ClientKeyReader.Unusable($"its JWKS has {found.Length} private keys, and must have one");
        }

        if (!jwk.TryGetProperty(JsonWebKeyParameterNames.D, out _))
            throw ClientKeyReader.Unusable("its JWK is a public key only (it has no 'd')");
        if (StrictJson.ReadString(jwk, JsonWebKeyParameterNames.Use) is { } use and not "sig")
            throw ClientKeyReader.Unusable($"its JWK is for another use ({Printable.Quote(use)}) than to sign");

        string? kty = StrictJson.ReadString(jwk, JsonWebKeyParameterNames.Kty);
        string? alg = StrictJson.ReadString(jwk, JsonWebKeyParameterNames.Alg);
        bool fits = (kty, alg) is (JsonWebAlgorithmsKeyTypes.RSA, null or OidcConstants.Algorithms.Asymmetric.RS256 or OidcConstants.Algorithms.Asymmetric.PS256)
            or (JsonWebAlgorithmsKeyTypes.EllipticCurve, null or OidcConstants.Algorithms.Asymmetric.ES256);
        if (!fits)
            throw ClientKeyReader.Unusable($"its JWK has the kty {Printable.Quote(kty)} and the alg {Printable.Quote(alg)}, and must be RSA for RS256 or PS256, or EC for ES256");
        return new ClientKey(ClientKeyReader.Check(kty == JsonWebAlgorithmsKeyTypes.RSA ? ReadRsa(jwk) : ReadEllipticCurve(jwk)))
        {
            KeyId = StrictJson.ReadString(jwk, JsonWebKeyParameterNames.Kid),
            Algorithm = alg,
            Thumbprint = StrictJson.ReadString(jwk, "x5t#S256"),
        };
    }

    private static RSA ReadRsa(JsonElement jwk)
    {
        byte[] modulus = Number(jwk, JsonWebKeyParameterNames.N);
        // The runtime wants each number as long as its modulus or its prime is.
        int half = (modulus.Length + 1) / 2;
        return RSA.Create(new RSAParameters
        {
            Modulus = modulus,
            Exponent = Number(jwk, JsonWebKeyParameterNames.E),
            D = Number(jwk, JsonWebKeyParameterNames.D, modulus.Length),
            P = Number(jwk, JsonWebKeyParameterNames.P, half),
            Q = Number(jwk, JsonWebKeyParameterNames.Q, half),
            DP = Number(jwk, JsonWebKeyParameterNames.DP, half),
            DQ = Number(jwk, JsonWebKeyParameterNames.DQ, half),
            InverseQ = Number(jwk, JsonWebKeyParameterNames.QI, half),
        });
    }

    private static ECDsa ReadEllipticCurve(JsonElement jwk)
    {
        if (StrictJson.ReadString(jwk, JsonWebKeyParameterNames.Crv) is not "P-256")
            throw ClientKeyReader.Unusable("its key is on another curve than P-256, and ES256 needs that one");
        return ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            D = Number(jwk, JsonWebKeyParameterNames.D, P256Bytes),
            Q = new ECPoint { X = Number(jwk, JsonWebKeyParameterNames.X, P256Bytes), Y = Number(jwk, JsonWebKeyParameterNames.Y, P256Bytes) },
        });
    }

    /// <param name="jwk">The key.</param>
    /// <param name="name">Which of its numbers.</param>
    /// <param name="length">How many bytes it is to have, zeros in front; 0: as many as it needs.</param>
    private static byte[] Number(JsonElement jwk, string name, int length = 0)
    {
        ReadOnlySpan<byte> bytes = StrictJson.ReadString(jwk, name) is { } text ? StrictBase64Url.TryDecode(text) : null;
        bytes = bytes.TrimStart((byte)0);
        if (bytes.IsEmpty || (length > 0 && bytes.Length > length))
            throw ClientKeyReader.Unusable($"its JWK's '{name}' is missing, or no number that fits");
        byte[] number = new byte[Math.Max(length, bytes.Length)];
        bytes.CopyTo(number.AsSpan(number.Length - bytes.Length));
        return number;
    }
}
