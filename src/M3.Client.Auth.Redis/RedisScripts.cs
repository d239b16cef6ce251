namespace M3.Client.Auth;

/// <summary>
/// What Redis does at once, on its own clock. Of each budget there is one sorted set: a permit and when it is free, in milliseconds. Beside the budgets
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
        local epoch = redis.call('HMGET', KEYS[1], 'name', 'number', 'until')
        if not epoch[1] or (epoch[1] == ARGV[1] and tonumber(epoch[2]) < tonumber(ARGV[2])) then
            epoch = { ARGV[3], tostring(tonumber(ARGV[2]) + 1), tostring(now + ARGV[4]) }
            redis.call('HSET', KEYS[1], 'name', epoch[1], 'number', epoch[2], 'until', epoch[3])
        end
        if ARGV[1] ~= epoch[1] then return { 'lost', epoch[1], tonumber(epoch[2]) } end

        """;

    /// <summary>
    /// Takes permits. KEYS: 2 the budget, 3 M3's pause. ARGV: 5 the limit, 6 the window and 7 the longest hold in milliseconds, 8 how many at least, 9 how many at
    /// most, 10 what their names begin with.
    /// </summary>
    public const string Acquire = Begin +
        """
        if now < tonumber(epoch[3]) then return { 'recovering', tonumber(epoch[3]) - now } end
        redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
        local used = redis.call('ZCARD', KEYS[2])
        local limit, least = tonumber(ARGV[5]), tonumber(ARGV[8])
        local pause = redis.call('PTTL', KEYS[3])
        local wait = 0
        if used + least > limit then
            local first = redis.call('ZRANGE', KEYS[2], used + least - limit - 1, used + least - limit - 1, 'WITHSCORES')
            wait = tonumber(first[2]) - now
            if wait > ARGV[6] * 1 + ARGV[7] / 2 then wait = -1 end
        end
        if pause > 0 and wait >= 0 and pause >= wait then return { 'full', used, pause, 1 } end
        if wait ~= 0 then return { 'full', used, wait, 0 } end
        local count = math.min(tonumber(ARGV[9]), limit - used)
        local free = now + ARGV[6] + ARGV[7]
        for i = 1, count do redis.call('ZADD', KEYS[2], free, ARGV[10] .. ':' .. i) end
        redis.call('PEXPIREAT', KEYS[2], free + 60000)
        return { 'granted', count, used + count, redis.call('HINCRBY', KEYS[1], 'number', 1) }
        """;

    /// <summary>
    /// Says when permits are free. KEYS: 2 the budget. ARGV: from 5 on a permit and milliseconds from now, again and again. Those that are not there are written
    /// anew; one that is free already is taken out.
    /// </summary>
    public const string Write = Begin +
        """
        local last = now
        for i = 5, #ARGV, 2 do
            local free = now + ARGV[i + 1]
            if free <= now then redis.call('ZREM', KEYS[2], ARGV[i]) else redis.call('ZADD', KEYS[2], free, ARGV[i]) end
            if free > last then last = free end
        end
        if redis.call('PTTL', KEYS[2]) < last - now then redis.call('PEXPIREAT', KEYS[2], last + 60000) end
        return { 'done', tonumber(epoch[2]) }
        """;

    /// <summary>Looks at the epoch.</summary>
    public const string Look = Begin + "return { 'done', tonumber(epoch[2]) }";

    /// <summary>Has nothing granted for so long; the longer of two pauses stays. KEYS: 2 the pause. ARGV: 5 milliseconds.</summary>
    public const string Pause = Begin +
        """
        if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[5]) then redis.call('SET', KEYS[2], '1', 'PX', ARGV[5]) end
        return { 'done', tonumber(epoch[2]) }
        """;
}
