using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>
/// One budget for many machines: the permits of each origin's budget in Redis, for every process that has the same Redis and the same
/// <see cref="RedisSharedStateOptions.KeyPrefix"/>. While Redis keeps its data, all of them together send no more calls of one subject within any window than its limit.
/// While Redis is away a process spends what it was granted already, and then refuses calls, or waits.
/// </summary>
public sealed class RedisSharedState : M3SharedState, IAsyncDisposable, IDisposable
{
    private readonly IConnectionMultiplexer _connection;
    private readonly bool _ownsConnection;
    private readonly RedisSharedStateOptions _options;
    private readonly List<RedisPermitPool> _pools = [];
    private readonly List<(TimeProvider TimeProvider, RedisLink Link)> _links = [];

    /// <summary>Uses a connection that the application has, and keeps.</summary>
    /// <param name="connection">The connection. One with <c>AbortOnConnectFail</c> off connects by itself when Redis comes back.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">An option is none that can be worked with.</exception>
    public RedisSharedState(IConnectionMultiplexer connection, RedisSharedStateOptions? options = null)
        : this(connection, options, ownsConnection: false)
    {
    }

    private RedisSharedState(IConnectionMultiplexer connection, RedisSharedStateOptions? options, bool ownsConnection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _options = (options ?? new RedisSharedStateOptions()).Validate();
        (_connection, _ownsConnection) = (connection, ownsConnection);
    }

    /// <summary>Connects to Redis; where it is away now, as soon as it is there.</summary>
    /// <param name="configuration">As StackExchange.Redis has it, for example <c>redis.example.org:6380,ssl=true,password=...</c>; several hosts for a cluster or a Sentinel.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ArgumentException">The configuration cannot be understood, or an option is none that can be worked with.</exception>
    public static async Task<RedisSharedState> ConnectAsync(string configuration, RedisSharedStateOptions? options = null)
    {
        options = (options ?? new RedisSharedStateOptions()).Validate();
        return new RedisSharedState(await ConnectionMultiplexer.ConnectAsync(Parse(configuration, options)).ConfigureAwait(false), options, ownsConnection: true);
    }

    /// <inheritdoc cref="ConnectAsync" />
    public static RedisSharedState Connect(string configuration, RedisSharedStateOptions? options = null)
    {
        options = (options ?? new RedisSharedStateOptions()).Validate();
        return new RedisSharedState(ConnectionMultiplexer.Connect(Parse(configuration, options)), options, ownsConnection: true);
    }

    /// <summary>Gives back what was reserved and not used, and ends.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach ((_, RedisLink link) in TakeLinks())
            await link.DisposeAsync().ConfigureAwait(false);
        if (_ownsConnection)
            await _connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc cref="DisposeAsync" />
    public void Dispose() => Task.Run(async () => await DisposeAsync().ConfigureAwait(false)).GetAwaiter().GetResult();

    internal override PermitPool Join(string origin, int limit, TimeSpan window, TimeProvider timeProvider, Log log)
    {
        RedisPermitPool? pool;
        bool differs;
        lock (_pools)
        {
            pool = _pools.Find(known => known.IsOf(origin, timeProvider));
            if (pool is null)
                _pools.Add(pool = new RedisPermitPool(LinkOf(timeProvider, log), origin, limit, window, timeProvider, _options));
            differs = pool.Restrict(limit, window);
        }

        if (differs)
            log.LimitsDiffer(origin, pool.Limit, pool.Window);
        return pool;
    }

    internal static ConfigurationOptions Parse(string configuration, RedisSharedStateOptions options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(configuration);
        var parsed = ConfigurationOptions.Parse(configuration);
        // What cannot be asked now is refused now: a call that waits for a connection would find its window gone.
        (parsed.AbortOnConnectFail, parsed.BacklogPolicy) = (false, BacklogPolicy.FailFast);
        parsed.ReconnectRetryPolicy = new LinearRetry(500);
        parsed.AsyncTimeout = parsed.SyncTimeout = (int)options.Timeout.TotalMilliseconds;
        parsed.ConnectTimeout = Math.Min(parsed.ConnectTimeout, 2000);
        return parsed;
    }

    private RedisLink LinkOf(TimeProvider timeProvider, Log log)
    {
        foreach ((TimeProvider known, RedisLink link) in _links)
        {
            if (known == timeProvider)
                return link;
        }

        var made = new RedisLink(_connection, _options, timeProvider, log);
        _links.Add((timeProvider, made));
        return made;
    }

    private (TimeProvider TimeProvider, RedisLink Link)[] TakeLinks()
    {
        lock (_pools)
        {
            (TimeProvider TimeProvider, RedisLink Link)[] links = [.. _links];
            _links.Clear();
            return links;
        }
    }
}
