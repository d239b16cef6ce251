namespace M3.Client.Auth;

/// <summary>One permit as this process knows it. Guarded by its budget's lock.</summary>
/// <param name="budget">Whose.</param>
/// <param name="id">Its name in Redis.</param>
/// <param name="askedAt">When it was asked for, by the monotonic clock.</param>
internal sealed class RedisPermit(RedisBudget budget, string id, long askedAt)
{
    public readonly RedisBudget Budget = budget;

    public readonly string Id = id;

    /// <summary>When Redis was told of it last: its hold counts from here.</summary>
    public long ToldAt = askedAt;

    /// <summary>When it is free; null: a call holds it.</summary>
    public long? FreeAt;

    /// <summary>Whether Redis knows when it is free.</summary>
    public bool IsTold = true;
}
