namespace M3.Client.Auth;

/// <summary>One permit as this process knows it. Guarded by its budget's lock.</summary>
/// <param name="budget">Whose.</param>
/// <param name="id">Its name in Redis.</param>
/// <param name="askedAt">When it was asked for, by the monotonic clock.</param>
internal sealed class RedisPermit(RedisBudget budget, string id, long askedAt)
{
    public readonly RedisBudget Budget = budget;

    public readonly string Id = id;

    public readonly long AskedAt = askedAt;

    /// <summary>When Redis was told of it last: its hold counts from here.</summary>
    public long ToldAt = askedAt;

    /// <summary>When it is free; null: a call holds it.</summary>
    public long? FreeAt;

    /// <summary>What to tell of it at a moment.</summary>
    public ToldPermit At(long now, long held) => new(this, FreeAt is { } free ? free - now : held, FreeAt);
}

/// <summary>What Redis is told of a permit.</summary>
/// <param name="Permit">The permit.</param>
/// <param name="Ticks">For how long it is not free.</param>
/// <param name="FreeAt">When it is, as known then.</param>
internal readonly record struct ToldPermit(RedisPermit Permit, long Ticks, long? FreeAt);
