using System.Security.Cryptography;
using System.Text.Json;
using Duende.IdentityModel;
using Duende.IdentityModel.Jwk;

namespace M3.Client.Auth;

/// <summary>
/// Reads a JWKS (RFC 7517) key by key, so that one odd key is ignored and counted instead of costing the whole set.
/// </summary>
internal static class JwksReader
{
    private const int MaxKeys = 256;
    // A bad token is tried with each key of its kid.
    private const int MaxKeysOfKid = 4;
    private const int MinRsaBits = 2048;
    private const int MaxRsaBits = 8192;
    private const int P256Bytes = 32;

    /// <param name="document">The JWKS.</param>
    /// <param name="address">Where it is from.</param>
    /// <exception cref="BackchannelException">It is no JWKS at all, or one beyond all measure.</exception>
    public static KeySet Read(ReadOnlyMemory<byte> document, Uri? address = null)
    {
        // A byte order mark may stand in front.
        ReadOnlyMemory<byte> json = document.Span is [0xEF, 0xBB, 0xBF, ..] ? document[3..] : document;
        List<VerificationKey> usable = [];
        List<string> ignored = [];
        try
        {
            ReadDocument(json, usable, ignored);
        }
        catch (JsonException e)
        {
            throw new BackchannelException("the JWKS is not valid JSON", e);
        }

        return new KeySet(address, usable, ignored, document.Span);
    }

    private static void ReadDocument(ReadOnlyMemory<byte> json, List<VerificationKey> usable, List<string> ignored)
    {
        // Depth costs the reader nothing, and a deep member of one key must not cost the others.
        var reader = new Utf8JsonReader(json.Span, new JsonReaderOptions { MaxDepth = int.MaxValue });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new BackchannelException("the JWKS is not a JSON object");

        bool hasKeys = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isKeys = IsNamed(ref reader, "keys"u8);
            reader.Read();
            if (isKeys && (hasKeys || reader.TokenType != JsonTokenType.StartArray))
                throw new BackchannelException("the JWKS must have one array 'keys'");
            if (isKeys)
                ReadKeys(ref reader, json, usable, ignored);
            else
                reader.Skip();
            hasKeys |= isKeys;
        }

        // Whatever follows the object must not be there, either.
        reader.Read();
        if (!hasKeys)
            throw new BackchannelException("the JWKS has no array 'keys'");
    }

    private static bool IsNamed(ref Utf8JsonReader reader, ReadOnlySpan<byte> name)
    {
        try
        {
            return reader.ValueTextEquals(name);
        }
        catch (InvalidOperationException)
        {
            // An escaped lone surrogate: not text, and so not this name.
            return false;
        }
    }

    private static void ReadKeys(ref Utf8JsonReader reader, ReadOnlyMemory<byte> json, List<VerificationKey> usable, List<string> ignored)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (usable.Count + ignored.Count == MaxKeys)
                throw new BackchannelException($"the JWKS has more than {MaxKeys} keys");

            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (ReadKey(json[start..(int)reader.BytesConsumed], out string? reason) is not { } key)
                ignored.Add(reason!);
            else if (usable.Count(other => other.KeyId == key.KeyId) == MaxKeysOfKid)
                ignored.Add($"{Printable.Quote(key.KeyId)}: {MaxKeysOfKid} keys have this kid already");
            else
                usable.Add(key);
        }
    }

    private static VerificationKey? ReadKey(ReadOnlyMemory<byte> json, out string? reason)
    {
        if (StrictJson.TryParseObject(json) is not { } jwk)
        {
            reason = "an entry is not an unambiguous JSON object";
            return null;
        }

        string? kid = StrictJson.ReadString(jwk, JsonWebKeyParameterNames.Kid);
        string? why = WhyNotForVerifying(jwk, kid);
        VerificationKey? key = null;
        if (why is null)
        {
            try
            {
                (key, why) = StrictJson.ReadString(jwk, JsonWebKeyParameterNames.Kty) switch
                {
                    JsonWebAlgorithmsKeyTypes.RSA => ReadRsa(jwk, kid!),
                    JsonWebAlgorithmsKeyTypes.EllipticCurve => ReadEllipticCurve(jwk, kid!),
                    var other => (null, $"its kty is {Printable.Quote(other)}"),
                };
            }
            catch (Exception e) when (e is CryptographicException or ArgumentException or InvalidOperationException)
            {
                why = "its numbers are not a valid public key";
            }
        }

        reason = why is null ? null : $"{Printable.Quote(kid)}: {why}";
        return key;
    }

    private static string? WhyNotForVerifying(JsonElement jwk, string? kid)
    {
        if (string.IsNullOrEmpty(kid))
            return "it has no kid";
        if (Find(jwk, JsonWebKeyParameterNames.Use) is { } use && StrictJson.ReadString(use) != "sig")
            return "its use is not 'sig'";
        if (Find(jwk, JsonWebKeyParameterNames.KeyOps) is { } operations
            && !(operations.ValueKind == JsonValueKind.Array && operations.EnumerateArray().Any(item => StrictJson.ReadString(item) == "verify")))
        {
            return "its key_ops do not include 'verify'";
        }

        return null;
    }

    private static (VerificationKey? Key, string? Why) ReadRsa(JsonElement jwk, string kid)
    {
        if (WhyOtherAlgorithm(jwk, OidcConstants.Algorithms.Asymmetric.RS256) is { } other)
            return (null, other);
        if (ReadNumber(jwk, JsonWebKeyParameterNames.N) is not { } modulus || ReadNumber(jwk, JsonWebKeyParameterNames.E) is not { } exponent)
            return (null, "its n or e is missing or not base64url");

        int bits = modulus.Length == 0 ? 0 : (modulus.Length * 8) - byte.LeadingZeroCount(modulus[0]);
        if (bits is < MinRsaBits or > MaxRsaBits)
            return (null, $"its modulus has {bits} bits, and must have {MinRsaBits} to {MaxRsaBits}");
        // Beyond 8 bytes an exponent only serves to make verifying slow.
        if (exponent.Length is 0 or > 8 || (exponent.Length == 1 && exponent[0] < 3) || (exponent[^1] & 1) == 0)
            return (null, "its exponent is not an odd number from 3 up");
        return (new VerificationKey(kid, new RSAParameters { Modulus = modulus, Exponent = exponent }), null);
    }

    private static (VerificationKey? Key, string? Why) ReadEllipticCurve(JsonElement jwk, string kid)
    {
        string? curve = StrictJson.ReadString(jwk, JsonWebKeyParameterNames.Crv);
        if (curve != "P-256")
            return (null, $"its curve is {Printable.Quote(curve)}, not P-256");
        if (WhyOtherAlgorithm(jwk, OidcConstants.Algorithms.Asymmetric.ES256) is { } other)
            return (null, other);
        if (ReadBytes(jwk, JsonWebKeyParameterNames.X) is not { Length: P256Bytes } x || ReadBytes(jwk, JsonWebKeyParameterNames.Y) is not { Length: P256Bytes } y)
            return (null, $"its x or y is missing or not {P256Bytes} bytes of base64url");

        // The import itself refuses a point that is not on the curve.
        return (new VerificationKey(kid, ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = x, Y = y } })), null);
    }

    private static string? WhyOtherAlgorithm(JsonElement jwk, string expected) =>
        Find(jwk, JsonWebKeyParameterNames.Alg) is { } alg && StrictJson.ReadString(alg) is var name && name != expected
            ? $"its alg is {Printable.Quote(name)}, not {expected}"
            : null;

    // Null counts as absent, as for M3.
    private static JsonElement? Find(JsonElement jwk, string name) =>
        jwk.TryGetProperty(name, out JsonElement member) && member.ValueKind != JsonValueKind.Null ? member : null;

    // Some issuers write the sign byte of their big-number library in front.
    private static byte[]? ReadNumber(JsonElement jwk, string name) =>
        ReadBytes(jwk, name) is { } bytes ? bytes.AsSpan().TrimStart((byte)0).ToArray() : null;

    // Some pad their numbers, and M3 takes them.
    private static byte[]? ReadBytes(JsonElement jwk, string name)
    {
        if (StrictJson.ReadString(jwk, name) is not { } text)
            return null;
        string number = text.TrimEnd('=');
        return text.Length - number.Length <= 2 ? StrictBase64Url.TryDecode(number) : null;
    }
}
