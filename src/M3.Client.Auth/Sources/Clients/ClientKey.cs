using System.Security.Cryptography;
using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>The private key with which a client signs its assertions: RSA, or ECDSA on P-256.</summary>
/// <param name="key">The key itself.</param>
internal sealed class ClientKey(AsymmetricAlgorithm key) : IDisposable
{
    /// <summary>What a JWK says of itself; null: nothing, or it is no JWK.</summary>
    public string? KeyId { get; init; }

    /// <summary>The one algorithm that a JWK is for; null: whichever fits.</summary>
    public string? Algorithm { get; init; }

    /// <summary>Of the certificate beside it (<c>x5t#S256</c>; RFC 7515, section 4.1.8), by which Entra ID finds the public key; null: there is none.</summary>
    public string? Thumbprint { get; init; }

    public bool IsRsa => key is RSA;

    public byte[] Sign(byte[] data, string algorithm) => key switch
    {
        RSA rsa => rsa.SignData(data, HashAlgorithmName.SHA256, algorithm == OidcConstants.Algorithms.Asymmetric.PS256 ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1),
        // R and S side by side (RFC 7518, section 3.4).
        _ => ((ECDsa)key).SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
    };

    public void Dispose() => key.Dispose();
}
