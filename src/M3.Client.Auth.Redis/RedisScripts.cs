namespace M3.Client.Auth;

/// <summary>
/// What Redis does at once, on its own clock. Of each budget there is one sorted set: a permit and when it is free, in milliseconds; and a line of those who wait. Beside the budgets
/// stands the epoch, a name and a number that grows with each grant: who has seen it knows when data were lost. Each script begins by looking at
/// it, and answers with a word and what belongs to it.
/// </summary>
internal static class RedisScripts
{
    /// <summary>Permits were granted: how many, how many of the budget are used now, and the epoch's number.</summary>
    public const string Granted = "granted";

    /// <summary>There are not enough: how many are used, milliseconds until there are (-1: unknown), and whether M3's pause is what stands in the way.</summary>
    public const string Full = "full";

    /// <summary>The epoch is another than the one that was asked with: its name and its number. Whoever holds permits writes them anew.</summary>
    public const string Lost = "lost";

    /// <summary>Data were lost a moment ago, and their owners are writing them anew: for so many milliseconds nothing is granted.</summary>
    public const string Recovering = "recovering";

    public const string Done = "done";

    // KEYS[1] the epoch. ARGV: 1 its name as it was seen, or empty; 2 its number as it was seen; 3 a name for a new one; 4 milliseconds to recover in.
    // A number that is lower than one that was seen is a replica's that had not heard all.
    private const string Begin =
        """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local epoch = redis.call('HMGET', KEYS[1], 'name', 'number', 'lost')
        if not epoch[1] or (epoch[1] == ARGV[1] and tonumber(epoch[2]) < tonumber(ARGV[2])) then
            epoch = { ARGV[3], tostring(tonumber(ARGV[2]) + 1), tostring(now) }
            redis.call('DEL', KEYS[1])
            redis.call('HSET', KEYS[1], 'name', epoch[1], 'number', epoch[2], 'lost', epoch[3])
        end
        if ARGV[1] ~= epoch[1] then return { 'lost', epoch[1], tonumber(epoch[2]) } end

        """;

    /// <summary>
    /// Takes permits. KEYS: 2 the budget, 3 M3's pause, 4 the line of those who wait, 5 when each of them was seen last. ARGV: 5 the limit, 6 the window and 7 the longest
    /// hold in milliseconds, 8 how many at least, 9 how many at most, 10 what their names begin with, 11 a ticket to wait with, or empty; 12 for how many
    /// milliseconds a ticket keeps its place when nobody asks with it.
    /// </summary>
    // A place in the line for each permit that is wanted, so that a rank is how many go first.
    public const string Acquire = Begin +
        """
        local recovered = epoch[3] + ARGV[4]
        if now < recovered then return { 'recovering', recovered - now } end
        redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
        for _, range in ipairs({ { '-inf', now - ARGV[12] }, { now + ARGV[12], '+inf' } }) do
            for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], range[1], range[2], 'LIMIT', 0, 100)) do
                redis.call('ZREM', KEYS[4], gone)
                redis.call('ZREM', KEYS[5], gone)
            end
        end
        local used, ahead, ticket = redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[4]), ARGV[11]
        local limit, least = tonumber(ARGV[5]), tonumber(ARGV[8])
        local others = ahead
        local rank = ticket ~= '' and redis.call('ZRANK', KEYS[4], ticket .. ':1')
        if rank then ahead, others = rank, others - least end
        local wait = 0
        local last = used + ahead + least - limit
        if last > 0 then
            wait = -1
            local first = redis.call('ZRANGE', KEYS[2], last - 1, last - 1, 'WITHSCORES')
            if first[2] and first[2] - now <= ARGV[6] + ARGV[7] / 2 then wait = first[2] - now end
        end
        local pause, paused = redis.call('PTTL', KEYS[3]), 0
        if pause > 0 and wait >= 0 and pause >= wait then wait, paused = pause, 1 end
        if wait ~= 0 then
            if ticket ~= '' then
                for i = 1, least do
                    redis.call('ZADD', KEYS[4], 'NX', time[1] * 1000000 + time[2], ticket .. ':' .. i)
                    redis.call('ZADD', KEYS[5], now, ticket .. ':' .. i)
                end
                redis.call('PEXPIRE', KEYS[4], 60000)
                redis.call('PEXPIRE', KEYS[5], 60000)
            end
            return { 'full', used, wait, paused }
        end
        if rank then
            for i = 1, least do
                redis.call('ZREM', KEYS[4], ticket .. ':' .. i)
                redis.call('ZREM', KEYS[5], ticket .. ':' .. i)
            end
        end
        local count = math.max(least, math.min(tonumber(ARGV[9]), limit - used - others))
        local free = now + ARGV[6] + ARGV[7]
        for i = 1, count do redis.call('ZADD', KEYS[2], free, ARGV[10] .. ':' .. i) end
        if redis.call('PTTL', KEYS[2]) < free - now then redis.call('PEXPIREAT', KEYS[2], free + 60000) end
        return { 'granted', count, used + count, redis.call('HINCRBY', KEYS[1], 'number', 1) }
        """;

    /// <summary>Gives up a place in the line. KEYS: 2 the line, 3 when each was seen last. ARGV: 5 the ticket, 6 how many permits were wanted with it.</summary>
    public const string Leave = Begin +
        """
        for i = 1, tonumber(ARGV[6]) do
            redis.call('ZREM', KEYS[2], ARGV[5] .. ':' .. i)
            redis.call('ZREM', KEYS[3], ARGV[5] .. ':' .. i)
        end
        return { 'done' }
        """;

    /// <summary>
    /// Says when permits are free. KEYS: 2 the budget, 3 M3's pause. ARGV: from 5 on a permit and milliseconds from now, again and again. Those that are not there are written
    /// anew; one that is free already is taken out. Answers how much longer M3's pause lasts.
    /// </summary>
    // A Redis that is full takes what is written behind a removal.
    public const string Write = Begin +
        """
        redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
        local last = now
        for i = 5, #ARGV, 2 do
            local free = now + ARGV[i + 1]
            if free <= now then redis.call('ZREM', KEYS[2], ARGV[i]) else redis.call('ZADD', KEYS[2], free, ARGV[i]) end
            if free > last then last = free end
        end
        if redis.call('PTTL', KEYS[2]) < last - now then redis.call('PEXPIREAT', KEYS[2], last + 60000) end
        return { 'done', redis.call('PTTL', KEYS[3]) }
        """;

    /// <summary>Puts a value in the place of the one that was read. KEYS: 1 the value. ARGV: 1 the one that was read, or empty; 2 the new one; 3 for how many milliseconds.</summary>
    public const string Replace = "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";

    /// <summary>Lets a lock go that is still one's own. KEYS: 1 the lock. ARGV: 1 who has it.</summary>
    public const string Unlock = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

    /// <summary>Keeps a lock for so much longer. KEYS: 1 the lock. ARGV: 1 who has it; 2 milliseconds.</summary>
    public const string Prolong = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";

    /// <summary>Looks at the epoch.</summary>
    public const string Look = Begin + "return { 'done' }";

    /// <summary>Has nothing granted for so long; the longer of two pauses stays. KEYS: 2 the pause. ARGV: 5 milliseconds.</summary>
    public const string Pause = Begin +
        """
        if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[5]) then
            redis.call('DEL', KEYS[2])
            redis.call('SET', KEYS[2], '1', 'PX', ARGV[5])
        end
        return { 'done' }
        """;
}
