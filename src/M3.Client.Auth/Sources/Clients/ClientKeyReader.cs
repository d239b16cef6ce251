using System.Buffers.Text;
using System.Security.Cryptography;

namespace M3.Client.Auth;

/// <summary>Reads a client's private key: PEM (PKCS#8, PKCS#1 or SEC1, not encrypted), a JWK, or a JWKS with one private key.</summary>
internal static class ClientKeyReader
{
    private const int MinRsaBits = 2048;
    private const string Pkcs8 = "PRIVATE KEY";
    private const string Pkcs1 = "RSA PRIVATE KEY";
    private const string Sec1 = "EC PRIVATE KEY";

    /// <param name="text">The whole file.</param>
    /// <exception cref="InvalidDataException">There is no such key in it; the message says why, as a sentence about "it", and has nothing of the key.</exception>
    public static ClientKey Read(string text)
    {
        try
        {
            return text.AsSpan().TrimStart().StartsWith('{') ? PrivateJwk.Read(text) : ReadPem(text);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or FormatException)
        {
            throw Unusable("its private key cannot be understood");
        }
    }

    /// <summary>The key, if it is strong enough and of a kind that tokens are signed with.</summary>
    /// <exception cref="InvalidDataException">It is not.</exception>
    public static AsymmetricAlgorithm Check(AsymmetricAlgorithm key)
    {
        string? why = key switch
        {
            RSA { KeySize: < MinRsaBits } => $"its RSA key has {key.KeySize} bits, and must have {MinRsaBits} or more",
            ECDsa ecdsa when !IsP256(ecdsa) => "its key is on another curve than P-256, and ES256 needs that one",
            _ => null,
        };
        if (why is null)
            return key;
        key.Dispose();
        throw Unusable(why);
    }

    public static InvalidDataException Unusable(string why) => new(why);

    private static ClientKey ReadPem(string text)
    {
        // OpenSSL's older way marks it in a header, which no PEM reader of today takes.
        if (text.Contains("ENCRYPTED", StringComparison.Ordinal))
            throw Unusable("its private key is encrypted, and nobody can be asked for its password here; decrypt it (openssl pkey -in FILE), and protect the file by its mode");

        List<(string Label, string Pem)> keys = [];
        List<string> labels = [];
        string? thumbprint = null;
        ReadOnlySpan<char> rest = text;
        while (PemEncoding.TryFind(rest, out PemFields fields))
        {
            string label = rest[fields.Label].ToString();
            labels.Add(label);
            if (label is Pkcs8 or Pkcs1 or Sec1)
                keys.Add((label, rest[fields.Location].ToString()));
            else if (label == "CERTIFICATE")
                thumbprint ??= Base64Url.EncodeToString(SHA256.HashData(Convert.FromBase64String(rest[fields.Base64Data].ToString())));
            rest = rest[fields.Location.End..];
        }

        return keys switch
        {
            [var (label, pem)] => new ClientKey(Check(Import(label, pem))) { Thumbprint = thumbprint },
            [] when labels.Count == 0 => throw Unusable("it holds neither PEM nor a JWK"),
            [] => throw Unusable($"it has no private key, but only {Printable.List(labels.Distinct())}"),
            _ => throw Unusable($"it has {keys.Count} private keys, and which one to sign with cannot be told"),
        };
    }

    private static AsymmetricAlgorithm Import(string label, string pem)
    {
        if (label != Sec1)
        {
            try
            {
                return Import(RSA.Create(), pem);
            }
            catch (CryptographicException) when (label == Pkcs8)
            {
                // PKCS#8 holds either kind.
            }
        }

        return Import(ECDsa.Create(), pem);
    }

    private static AsymmetricAlgorithm Import(AsymmetricAlgorithm key, string pem)
    {
        try
        {
            key.ImportFromPem(pem);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    // By name or by number, as the system has it.
    private static bool IsP256(ECDsa key)
    {
        ECCurve curve = key.ExportParameters(includePrivateParameters: false).Curve;
        Oid expected = ECCurve.NamedCurves.nistP256.Oid;
        return curve.IsNamed && (curve.Oid.Value == expected.Value || (curve.Oid.Value is null && curve.Oid.FriendlyName == expected.FriendlyName));
    }
}
