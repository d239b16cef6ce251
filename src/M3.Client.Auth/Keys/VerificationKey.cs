using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>
/// One public key, fit for exactly one algorithm (RFC 8725, section 3.1). Many threads verify with it at once; an RSA key's numbers are
/// imported when it is first used.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A call may still hold it when its set is replaced; its handles go with it.")]
internal sealed class VerificationKey
{
    private const int EcdsaP256SignatureLength = 64;

    private readonly RSAParameters _parameters;
    private readonly ECDsa? _ecdsa;
    private RSA? _rsa;

    public VerificationKey(string keyId, RSAParameters parameters)
    {
        (KeyId, Algorithm) = (keyId, OidcConstants.Algorithms.Asymmetric.RS256);
        _parameters = parameters;
    }

    public VerificationKey(string keyId, ECDsa ecdsa)
    {
        (KeyId, Algorithm) = (keyId, OidcConstants.Algorithms.Asymmetric.ES256);
        _ecdsa = ecdsa;
    }

    public readonly string KeyId;

    public readonly string Algorithm;

    public bool Verify(byte[] signingInput, byte[] signature)
    {
        try
        {
            // Of ECDSA exactly R and S (RFC 7518, section 3.4): no DER, nothing appended.
            return _ecdsa is null
                ? (Volatile.Read(ref _rsa) ?? ImportRsa()).VerifyData(signingInput, signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
                : signature.Length == EcdsaP256SignatureLength
                && _ecdsa.VerifyData(signingInput, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return false;
        }
    }

    private RSA ImportRsa()
    {
        RSA imported = RSA.Create(_parameters);
        if (Interlocked.CompareExchange(ref _rsa, imported, null) is not { } first)
            return imported;
        imported.Dispose();
        return first;
    }
}
