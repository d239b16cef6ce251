using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth;

/// <summary>One public key, fit for exactly one algorithm (RFC 8725, section 3.1), with its verifier made ready.</summary>
internal sealed class VerificationKey
{
    private const int EcdsaP256SignatureLength = 64;

    private readonly SignatureProvider _verifier;

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
        // Own factory, no cache: the library's default one is static, and nothing of one registration may be seen by another.
        _verifier = new CryptoProviderFactory { CacheSignatureProviders = false }.CreateForVerifying(key, algorithm);
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
