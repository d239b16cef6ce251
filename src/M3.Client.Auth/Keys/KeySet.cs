using System.Security.Cryptography;

namespace M3.Client.Auth;

/// <summary>
/// An immutable snapshot of the issuer's usable keys, indexed once. Swapped whole and never disposed: a call may
/// still hold an old one.
/// </summary>
internal sealed class KeySet
{
    private readonly Dictionary<string, VerificationKey[]> _byId;
    private readonly byte[] _fingerprint;

    public KeySet(Uri? address, IReadOnlyList<VerificationKey> keys, IReadOnlyList<string> ignored, ReadOnlySpan<byte> document)
    {
        _byId = new Dictionary<string, VerificationKey[]>(keys.Count, StringComparer.Ordinal);
        foreach (VerificationKey key in keys)
            _byId[key.KeyId] = _byId.TryGetValue(key.KeyId, out VerificationKey[]? same) ? [.. same, key] : [key];
        _fingerprint = SHA256.HashData(document);
        Address = address;
        Count = keys.Count;
        Ignored = ignored;
    }

    /// <summary>Where they came from.</summary>
    public readonly Uri? Address;

    /// <summary>How many keys can verify.</summary>
    public readonly int Count;

    /// <summary>One line for each key that cannot, and why.</summary>
    public readonly IReadOnlyList<string> Ignored;

    public IReadOnlyCollection<string> KeyIds => _byId.Keys;

    /// <summary>One line for each key that can.</summary>
    public IReadOnlyList<string> Describe() =>
        [.. _byId.Values.SelectMany(same => same).Select(key => $"{Printable.Text(key.KeyId)} ({key.Algorithm})")];

    /// <summary>Whether both are the same document from the same place, so that a verdict on one holds for the other.</summary>
    public bool IsSameAs(KeySet other) => Address == other.Address && _fingerprint.AsSpan().SequenceEqual(other._fingerprint);

    public bool Verify(ParsedJwt token)
    {
        // Nearly always one; a kid that stands on two keys, as in some rotations, tries both.
        foreach (VerificationKey key in KeysOf(token))
        {
            if (key.Algorithm == token.Algorithm && key.Verify(token.SigningInput, token.Signature))
                return true;
        }

        return false;
    }

    /// <summary>Why a token does not verify, in words.</summary>
    public string DescribeVerificationFailure(ParsedJwt token)
    {
        VerificationKey[] candidates = KeysOf(token);
        return candidates.Length == 0 ? $"the issuer has no usable key {Printable.Quote(token.KeyId)}"
            : Array.Exists(candidates, key => key.Algorithm == token.Algorithm) ? $"the signature does not verify with the key {Printable.Quote(token.KeyId)}"
            : $"the key {Printable.Quote(token.KeyId)} is not one for {Printable.Quote(token.Algorithm)}";
    }

    private VerificationKey[] KeysOf(ParsedJwt token) =>
        token.KeyId is { } id && _byId.TryGetValue(id, out VerificationKey[]? keys) ? keys : [];
}
