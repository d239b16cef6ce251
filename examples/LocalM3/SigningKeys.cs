using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;

namespace LocalM3;

/// <summary>One key for each algorithm that M3 accepts, made for this run and kept in memory only.</summary>
internal sealed class SigningKeys
{
    public static readonly string[] Algorithms = [SecurityAlgorithms.RsaSha256, SecurityAlgorithms.EcdsaSha256];

    public SigningCredentials Rs256 { get; } = Credentials(new RsaSecurityKey(RSA.Create(2048)), SecurityAlgorithms.RsaSha256);

    public SigningCredentials Es256 { get; } =
        Credentials(new ECDsaSecurityKey(ECDsa.Create(ECCurve.NamedCurves.nistP256)), SecurityAlgorithms.EcdsaSha256);

    public SigningCredentials For(string algorithm) => algorithm switch
    {
        SecurityAlgorithms.RsaSha256 => Rs256,
        SecurityAlgorithms.EcdsaSha256 => Es256,
        _ => throw new ArgumentException($"The algorithm is RS256 or ES256, not '{algorithm}'.", nameof(algorithm)),
    };

    private static SigningCredentials Credentials(AsymmetricSecurityKey key, string algorithm)
    {
        key.KeyId = Base64UrlEncoder.Encode(key.ComputeJwkThumbprint());
        return new SigningCredentials(key, algorithm);
    }
}
