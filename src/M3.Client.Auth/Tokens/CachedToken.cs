namespace M3.Client.Auth;

/// <summary>A validated token, what its verdict rests on, and when it has to be checked again.</summary>
internal sealed class CachedToken(TokenReading reading, ValidatedToken validated, DateTimeOffset expiresAt, Deadline renewAt)
{
    private long _nextCheckUtcTicks;
    private long _nextCheckMonotonic;

    /// <summary>The raw token, and whose it is.</summary>
    public readonly TokenReading Reading = reading;

    public readonly M3AccessToken Token = Confine(validated.Token, reading.OnlyFor);

    /// <summary>The keys that it was checked against; null when signatures are not checked.</summary>
    public readonly KeySet? Keys = validated.Keys;

    public readonly DateTimeOffset ExpiresAt = expiresAt;

    public readonly Deadline RenewAt = renewAt;

    public bool IsPolled => Reading.Source.PollInterval is not null;

    /// <summary>Until then nothing is due: not the expiry, the source, the renewal or the keys.</summary>
    public Deadline NextCheck => new(Volatile.Read(ref _nextCheckUtcTicks), Volatile.Read(ref _nextCheckMonotonic));

    public bool HasExpired(Moment now) => now.UtcTicks >= ExpiresAt.UtcTicks;

    /// <summary>Whether it may be sent although something is due.</summary>
    public bool IsUsable(Moment now, JwksCache jwks) =>
        !HasExpired(now) && ReferenceEquals(Keys, jwks.Current) && (Keys is null || jwks.CanServe(now));

    // Here, so that no way to a cached token leads around it.
    private static M3AccessToken Confine(M3AccessToken token, Uri? onlyFor)
    {
        if (onlyFor is not null)
            token.OnlyFor = new Origin(onlyFor);
        return token;
    }

    public void DeferCheck(Deadline until)
    {
        Volatile.Write(ref _nextCheckUtcTicks, Math.Min(until.UtcTicks, ExpiresAt.UtcTicks));
        Volatile.Write(ref _nextCheckMonotonic, until.Monotonic);
    }
}
