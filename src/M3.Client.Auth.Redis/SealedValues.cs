using System.Buffers.Binary;
using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;

namespace M3.Client.Auth;

/// <summary>
/// Values as they stand in Redis: sealed by the application's Data Protection for what they are and whom they are for, with the time they were fetched at inside. Nothing
/// that was not sealed so is a value; an old one that somebody put back is found by its time.
/// </summary>
internal sealed class SealedValues(IDataProtectionProvider dataProtection, SharedPurpose purpose)
{
    private const byte Version = 1;
    private const int HeaderLength = 17;

    private readonly IDataProtector _protector = dataProtection.CreateProtector("M3.Client.Auth.Redis", [purpose.Kind, .. purpose.Parts]);
    private long _newest;

    /// <summary>When the newest one that was seen here was fetched.</summary>
    public DateTimeOffset Newest => new(Volatile.Read(ref _newest), TimeSpan.Zero);

    /// <exception cref="CryptographicException">There is no key to seal with; or whatever another provider than the runtime's throws.</exception>
    public byte[] Seal(SharedValue value)
    {
        Volatile.Write(ref _newest, value.FetchedAt.UtcTicks);
        byte[] open = new byte[HeaderLength + value.Content.Length];
        open[0] = Version;
        BinaryPrimitives.WriteInt64BigEndian(open.AsSpan(1), value.FetchedAt.UtcTicks);
        BinaryPrimitives.WriteInt64BigEndian(open.AsSpan(9), value.ExpiresAt.UtcTicks);
        value.Content.CopyTo(open, HeaderLength);
        return _protector.Protect(open);
    }

    /// <summary>Opens what stands in Redis.</summary>
    /// <param name="sealedValue">The bytes.</param>
    /// <param name="now">By this machine's clock.</param>
    /// <param name="problem">Why it is no value, in one word; null: it is one.</param>
    public SharedValue? Open(byte[] sealedValue, DateTimeOffset now, out string? problem)
    {
        byte[] open;
        try
        {
            open = _protector.Unprotect(sealedValue);
        }
        catch (Exception)
        {
            // It may be anybody's, and so may the provider.
            problem = "not_authentic";
            return null;
        }

        SharedValue? value = Read(open);
        problem = value is null ? "other_version"
            : value.FetchedAt > now + JwksDocument.Skew ? "from_the_future"
            : value.FetchedAt.UtcTicks < Volatile.Read(ref _newest) ? "replayed"
            : null;
        if (problem is not null)
            return null;
        Volatile.Write(ref _newest, value!.FetchedAt.UtcTicks);
        return value;
    }

    // Another version's dates may be anything.
    private static SharedValue? Read(byte[] open)
    {
        if (open.Length < HeaderLength || open[0] != Version)
            return null;
        long fetchedAt = BinaryPrimitives.ReadInt64BigEndian(open.AsSpan(1));
        long expiresAt = BinaryPrimitives.ReadInt64BigEndian(open.AsSpan(9));
        return new SharedValue(open[HeaderLength..], new DateTimeOffset(fetchedAt, TimeSpan.Zero), new DateTimeOffset(expiresAt, TimeSpan.Zero));
    }
}
