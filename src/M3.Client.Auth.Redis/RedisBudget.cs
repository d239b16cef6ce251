using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>One subject's permits that this process has, or had within the window.</summary>
internal sealed class RedisBudget(RedisKey key, RedisKey line, RedisKey seen)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, RedisPermit> _permits = new(StringComparer.Ordinal);
    private readonly Stack<RedisPermit> _spare = new();
    private long _spareUsedAt;
    private bool _isRetired;
    private int _askers;

    public RedisKey Key { get; } = key;

    /// <summary>The line of those who wait.</summary>
    public RedisKey Line { get; } = line;

    /// <summary>When each of those was seen last.</summary>
    public RedisKey Seen { get; } = seen;

    /// <summary>Held by the one call of this process that waits for a permit; the others wait for their turn.</summary>
    public SemaphoreSlim Turn { get; } = new(1, 1);

    /// <summary>How many were used when Redis was asked last, everybody's.</summary>
    public int LastUsed { get; set; }

    /// <summary>Whoever is about to ask for permits says so, and afterwards that they are done.</summary>
    /// <returns>False: it is retired, and has a successor.</returns>
    public bool TryEnter()
    {
        lock (_gate)
        {
            _askers += _isRetired ? 0 : 1;
            return !_isRetired;
        }
    }

    public void Leave()
    {
        lock (_gate)
            _askers--;
    }

    /// <summary>Closes it for good if nothing is in it and nobody asks, so that it can be forgotten.</summary>
    public bool TryRetire()
    {
        lock (_gate)
            return _isRetired = _isRetired || (_permits.Count == 0 && _askers == 0);
    }

    /// <summary>Takes permits that were reserved before.</summary>
    /// <param name="count">How many: all of them or none.</param>
    /// <param name="heldSince">Those that were asked for before are not sent with any more.</param>
    /// <param name="now">By the monotonic clock.</param>
    public RedisPermit[]? TryTakeSpare(int count, long heldSince, long now)
    {
        lock (_gate)
        {
            if (_spare.Count < count || _spare.Peek().ToldAt < heldSince)
                return null;
            _spareUsedAt = now;
            RedisPermit[] taken = new RedisPermit[count];
            for (int i = 0; i < count; i++)
                taken[i] = _spare.Pop();
            return taken;
        }
    }

    /// <summary>Notes what was granted; what is more than is needed is spare.</summary>
    public RedisPermit[] Add(string id, int granted, int needed, long askedAt)
    {
        lock (_gate)
        {
            RedisPermit[] taken = new RedisPermit[needed];
            _spareUsedAt = askedAt;
            for (int i = 0; i < granted; i++)
            {
                var permit = new RedisPermit(this, $"{id}:{i + 1}", askedAt);
                _permits[permit.Id] = permit;
                if (i < needed)
                    taken[i] = permit;
                else
                    _spare.Push(permit);
            }

            return taken;
        }
    }

    /// <summary>Notes what may have been granted although no answer came: it is free at once.</summary>
    public void AddUnanswered(string id, int count, long askedAt)
    {
        lock (_gate)
        {
            for (int i = 1; i <= count; i++)
                _permits[$"{id}:{i}"] = new RedisPermit(this, $"{id}:{i}", askedAt) { FreeAt = askedAt, IsTold = false };
        }
    }

    public void Release(RedisPermit[] permits, long freeAt)
    {
        lock (_gate)
        {
            foreach (RedisPermit permit in permits)
                (permit.FreeAt, permit.IsTold) = (freeAt, false);
        }
    }

    /// <summary>What Redis has to be told, and how long each is not free: all that is not free, or what it does not know yet.</summary>
    /// <param name="now">By the monotonic clock.</param>
    /// <param name="held">For how long a permit counts that a call holds.</param>
    /// <param name="staleBefore">Whoever holds one that was told of before tells it again.</param>
    /// <param name="all">Whether Redis has lost what it knew.</param>
    public (RedisPermit Permit, long Ticks, long? FreeAt)[] ToTell(long now, long held, long staleBefore, bool all)
    {
        lock (_gate)
        {
            foreach (RedisPermit permit in _permits.Values.Where(permit => permit is { IsTold: true, FreeAt: { } free } && free <= now).ToArray())
                _permits.Remove(permit.Id);
            return [.. from permit in _permits.Values
                       where all || !permit.IsTold || (permit.FreeAt is null && permit.ToldAt < staleBefore)
                       select (permit, permit.FreeAt is { } free ? free - now : held, permit.FreeAt)];
        }
    }

    /// <summary>Redis has been told.</summary>
    public void Told(IEnumerable<(RedisPermit Permit, long Ticks, long? FreeAt)> told, long at)
    {
        lock (_gate)
        {
            foreach ((RedisPermit permit, _, long? freeAt) in told)
            {
                permit.ToldAt = at;
                // It may have come back meanwhile.
                permit.IsTold = permit.FreeAt == freeAt;
                if (permit.IsTold && freeAt <= at)
                    _permits.Remove(permit.Id);
            }
        }
    }

    /// <summary>Gives the spare ones back where no call has needed one for so long.</summary>
    public void ReturnIdle(long now, long longest)
    {
        lock (_gate)
        {
            if (now - _spareUsedAt < longest)
                return;
            while (_spare.TryPop(out RedisPermit? permit))
                (permit.FreeAt, permit.IsTold) = (now, false);
        }
    }
}
