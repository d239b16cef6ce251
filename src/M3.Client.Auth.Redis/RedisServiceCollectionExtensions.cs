using M3.Client.Auth;
using StackExchange.Redis;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Has a container's clients of M3 share their budget with other machines.</summary>
public static class RedisServiceCollectionExtensions
{
    /// <summary>
    /// Keeps the budget of every client with <c>AddM3Auth</c> in Redis, beside every other process that does so with the same Redis and the same
    /// <see cref="RedisSharedStateOptions.KeyPrefix"/>. The connection is made when the first call goes out.
    /// </summary>
    /// <param name="services">The application's services.</param>
    /// <param name="configuration">As for <see cref="RedisSharedState.Connect"/>.</param>
    /// <param name="configure">Changes the options.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentException">The configuration cannot be understood, or an option is none that can be worked with.</exception>
    public static IServiceCollection AddM3AuthRedis(this IServiceCollection services, string configuration, Action<RedisSharedStateOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        RedisSharedStateOptions options = Configured(configure);
        _ = RedisSharedState.Parse(configuration, options);
        return services.AddSingleton<M3SharedState>(_ => RedisSharedState.Connect(configuration, options));
    }

    /// <inheritdoc cref="AddM3AuthRedis(IServiceCollection, string, Action{RedisSharedStateOptions}?)" />
    /// <param name="services">The application's services.</param>
    /// <param name="connection">Finds the application's own connection, which stays its own.</param>
    /// <param name="configure">Changes the options.</param>
    public static IServiceCollection AddM3AuthRedis(this IServiceCollection services, Func<IServiceProvider, IConnectionMultiplexer> connection, Action<RedisSharedStateOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(connection);
        RedisSharedStateOptions options = Configured(configure);
        return services.AddSingleton<M3SharedState>(provider => new RedisSharedState(connection(provider), options));
    }

    private static RedisSharedStateOptions Configured(Action<RedisSharedStateOptions>? configure)
    {
        var options = new RedisSharedStateOptions();
        configure?.Invoke(options);
        return options.Validate();
    }
}
