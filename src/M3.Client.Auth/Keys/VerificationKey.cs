using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth;

/// <summary>
/// One public key, fit for exactly one algorithm (RFC 8725, section 3.1), and its verifier, which imports an RSA key's numbers when it
/// is first used.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A call may still hold it when its set is replaced; its handles go with it.")]
internal sealed class VerificationKey
{
    private const int EcdsaP256SignatureLength = 64;

    // Own and without a cache, so that it holds nothing: the library's default one is the whole application's, and may be changed by it.
    private static readonly CryptoProviderFactory Factory = new() { CacheSignatureProviders = false };

    private readonly AsymmetricSignatureProvider _verifier;

    public VerificationKey(string keyId, RSAParameters rsa)
        : this(keyId, SecurityAlgorithms.RsaSha256, new RsaSecurityKey(rsa))
    {
    }

    public VerificationKey(string keyId, ECDsa ecdsa)
        : this(keyId, SecurityAlgorithms.EcdsaSha256, new ECDsaSecurityKey(ecdsa))
    {
    }

    private VerificationKey(string keyId, string algorithm, SecurityKey key)
    {
        KeyId = keyId;
        Algorithm = algorithm;
        key.CryptoProviderFactory = Factory;
        _verifier = new AsymmetricSignatureProvider(key, algorithm);
    }

    public string KeyId { get; }

    public string Algorithm { get; }

    public bool Verify(byte[] signingInput, byte[] signature)
    {
        // Exactly R and S (RFC 7518, section 3.4): no DER, nothing appended.
        if (Algorithm == SecurityAlgorithms.EcdsaSha256 && signature.Length != EcdsaP256SignatureLength)
            return false;

        try
        {
            return _verifier.Verify(signingInput, signature);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return false;
        }
    }
}
