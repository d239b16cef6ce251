using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>
/// One budget for many machines: the permits of each origin's budget in Redis, for every process that has the same Redis and the same
/// <see cref="M3AuthRedisOptions.KeyPrefix"/>. While Redis keeps its data, all of them together send no more calls of one subject within any window than its limit.
/// While Redis is away a process spends what it was granted already, and then refuses calls, or waits.
/// </summary>
public sealed class RedisSharedState : M3SharedState, IAsyncDisposable, IDisposable
{
    private readonly IConnectionMultiplexer _connection;
    private readonly bool _ownsConnection;
    private readonly M3AuthRedisOptions _options;
    private readonly IDataProtectionProvider? _dataProtection;
    private readonly bool _isRingInRedis;
    private readonly List<RedisPermitPool> _pools = [];
    private readonly List<(TimeProvider TimeProvider, RedisLink Link)> _links = [];

    /// <summary>Uses a connection that the application has, and keeps.</summary>
    /// <param name="connection">The connection. One with <c>AbortOnConnectFail</c> off connects by itself when Redis comes back.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="OptionsValidationException">An option is none that can be worked with; each failure names it.</exception>
    public RedisSharedState(IConnectionMultiplexer connection, M3AuthRedisOptions? options = null)
        : this(connection, options = (options ?? new M3AuthRedisOptions()).ValidatedCopy(), options.DataProtection, isRingInRedis: false, ownsConnection: false)
    {
    }

    internal RedisSharedState(IConnectionMultiplexer connection, M3AuthRedisOptions options, IDataProtectionProvider? dataProtection, bool isRingInRedis, bool ownsConnection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        (_connection, _options, _dataProtection, _isRingInRedis, _ownsConnection) = (connection, options, dataProtection, isRingInRedis, ownsConnection);
    }

    /// <summary>Connects to Redis; where it is away now, as soon as it is there.</summary>
    /// <param name="configuration">As <see cref="M3AuthRedisOptions.Configuration"/>.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="OptionsValidationException">The configuration cannot be understood, or an option is none that can be worked with; each failure names it.</exception>
    public static async Task<RedisSharedState> ConnectAsync(string configuration, M3AuthRedisOptions? options = null)
    {
        M3AuthRedisOptions copy = CopyWith(configuration, options);
        ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(copy.ToConfigurationOptions()).ConfigureAwait(false);
        return new RedisSharedState(connection, copy, copy.DataProtection, isRingInRedis: false, ownsConnection: true);
    }

    /// <inheritdoc cref="ConnectAsync" />
    public static RedisSharedState Connect(string configuration, M3AuthRedisOptions? options = null)
    {
        M3AuthRedisOptions copy = CopyWith(configuration, options);
        return Connect(copy, copy.DataProtection, isRingInRedis: false);
    }

    internal static RedisSharedState Connect(M3AuthRedisOptions options, IDataProtectionProvider? dataProtection, bool isRingInRedis) =>
        new(ConnectionMultiplexer.Connect(options.ToConfigurationOptions()), options, dataProtection, isRingInRedis, ownsConnection: true);

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

    internal override SharedValues? JoinValues(TimeProvider timeProvider, Log log, Telemetry telemetry)
    {
        if (_dataProtection is null)
        {
            log.SharesPermitsOnly(_isRingInRedis
                ? "Data Protection keeps its keys in Redis, where whoever can write could add one. Keep them elsewhere, or set DataProtection"
                : "there is no Data Protection to seal them with. Set DataProtection, or add it to the application's services");
            return null;
        }

        lock (_pools)
            return new RedisSharedValues(LinkOf(timeProvider, log), _dataProtection, timeProvider, log, telemetry);
    }

    private static M3AuthRedisOptions CopyWith(string configuration, M3AuthRedisOptions? options)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        M3AuthRedisOptions copy = (options ?? new M3AuthRedisOptions()).ValidatedCopy();
        copy.Configuration = configuration;
        return copy.ValidatedCopy();
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
