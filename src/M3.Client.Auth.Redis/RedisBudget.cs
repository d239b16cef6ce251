using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>One subject's permits that this process has, or had within the window.</summary>
internal sealed class RedisBudget(RedisKey key, RedisKey line, RedisKey seen)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, RedisPermit> _permits = new(StringComparer.Ordinal);
    private readonly Stack<RedisPermit> _spare = new();
    private readonly HashSet<RedisPermit> _untold = [];
    private bool _isTelling;
    private bool _isRetired;
    private int _askers;

    public RedisKey Key { get; } = key;

    /// <summary>The line of those who wait.</summary>
    public RedisKey Line { get; } = line;

    /// <summary>When each of those was seen last.</summary>
    public RedisKey Seen { get; } = seen;

    public static RedisBudget Of(RedisLink link, string origin, string subject)
    {
        // Who reads Redis does not read who calls.
        string name = RedisLink.Hash($"{origin}\n{subject}");
        return new RedisBudget(link.Key($"permits:{name}"), link.Key($"line:{name}"), link.Key($"seen:{name}"));
    }

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

    /// <summary>Whether there is anything that Redis would have to be told if it lost its data.</summary>
    public bool HoldsAny
    {
        get
        {
            lock (_gate)
                return _permits.Count > 0;
        }
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
    public RedisPermit[]? TryTakeSpare(int count, long heldSince)
    {
        lock (_gate)
        {
            if (_spare.Count < count || _spare.Take(count).Any(permit => permit.ToldAt < heldSince))
                return null;
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
            {
                var permit = new RedisPermit(this, $"{id}:{i}", askedAt);
                _permits[permit.Id] = permit;
                Free(permit, askedAt);
            }
        }
    }

    /// <returns>Whether somebody has to begin telling Redis: nobody does so now.</returns>
    public bool Release(RedisPermit[] permits, long freeAt)
    {
        lock (_gate)
        {
            foreach (RedisPermit permit in permits)
                Free(permit, freeAt);
            bool begins = !_isTelling;
            _isTelling = true;
            return begins;
        }
    }

    /// <summary>Whoever tells Redis asks whether there is more to tell; those that come meanwhile are told together.</summary>
    /// <param name="now">By the monotonic clock.</param>
    /// <param name="isHeard">Whether Redis has heard the last ones; else the next look round tells it.</param>
    /// <param name="told">What to tell.</param>
    public bool GoOnTelling(long now, bool isHeard, out ToldPermit[] told)
    {
        lock (_gate)
        {
            told = isHeard ? [.. _untold.Select(permit => permit.At(now, held: 0))] : [];
            return _isTelling = told.Length > 0;
        }
    }

    /// <summary>What Redis has to be told besides: what it did not hear, what calls still hold, and everything where it has lost what it knew.</summary>
    /// <param name="now">By the monotonic clock.</param>
    /// <param name="held">For how long a permit counts that a call holds.</param>
    /// <param name="staleBefore">Whoever holds one that was told of before tells it again.</param>
    /// <param name="all">Whether Redis has lost what it knew.</param>
    public ToldPermit[] LookRound(long now, long held, long staleBefore, bool all)
    {
        lock (_gate)
        {
            foreach (RedisPermit permit in _permits.Values.Where(permit => permit.FreeAt <= now && !_untold.Contains(permit)).ToArray())
                _permits.Remove(permit.Id);
            return [.. from permit in _permits.Values
                       where all || _untold.Contains(permit) || (permit.FreeAt is null && permit.ToldAt < staleBefore)
                       select permit.At(now, held)];
        }
    }

    /// <summary>Redis has been told.</summary>
    public void Told(IEnumerable<ToldPermit> told, long at)
    {
        lock (_gate)
        {
            foreach ((RedisPermit permit, _, long? freeAt) in told)
            {
                permit.ToldAt = at;
                // It may have come back meanwhile, and Redis may have heard of that first.
                if (permit.FreeAt != freeAt)
                {
                    _untold.Add(permit);
                    continue;
                }

                _untold.Remove(permit);
                if (freeAt <= at)
                    _permits.Remove(permit.Id);
            }
        }
    }

    /// <summary>Gives back the spare ones that no call has needed since.</summary>
    public void ReturnIdle(long now, long grantedBefore)
    {
        lock (_gate)
        {
            RedisPermit[] newestFirst = [.. _spare];
            _spare.Clear();
            foreach (RedisPermit permit in newestFirst.Reverse())
            {
                if (permit.AskedAt <= grantedBefore)
                    Free(permit, now);
                else
                    _spare.Push(permit);
            }
        }
    }

    // Under the gate.
    private void Free(RedisPermit permit, long at)
    {
        permit.FreeAt = at;
        _untold.Add(permit);
    }
}
