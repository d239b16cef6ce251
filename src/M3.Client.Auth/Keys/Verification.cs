namespace M3.Client.Auth;

/// <summary>What a key set says of a token.</summary>
internal enum Verification
{
    Valid,

    /// <summary>No key has the token's <c>kid</c>.</summary>
    UnknownKey,

    /// <summary>The key's type or curve does not fit the token's <c>alg</c>.</summary>
    WrongAlgorithm,

    /// <summary>The signature does not verify.</summary>
    BadSignature,
}

internal static class VerificationExtensions
{
    public static string Describe(this Verification result, BearerToken token) => result switch
    {
        Verification.UnknownKey => $"the issuer has no usable key {Printable.Quote(token.KeyId)}",
        Verification.WrongAlgorithm => $"the key {Printable.Quote(token.KeyId)} is not one for {Printable.Quote(token.Algorithm)}",
        _ => $"the signature does not verify with the key {Printable.Quote(token.KeyId)}",
    };
}
