using M3.Client.Auth;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Has a client of M3 share with other machines.</summary>
public static class M3AuthRedisHttpClientBuilderExtensions
{
    /// <summary>
    /// Has this client share over Redis, with every other process that does so with the same Redis and the same <see cref="M3AuthRedisOptions.KeyPrefix"/>: the budget of M3's
    /// rate limit, and, where the application has Data Protection, tokens by client credentials and the issuer's keys. See <see cref="RedisSharedState"/>.
    /// </summary>
    /// <param name="builder">The client, which has a name and <c>AddM3Auth</c>, before or after.</param>
    /// <param name="configure">Says where Redis is, and changes the other options.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">The client has no name.</exception>
    /// <exception cref="OptionsValidationException">An option is none that can be worked with; each failure names it.</exception>
    /// <remarks>
    /// The connection is made when the host starts. Where Redis is away then, it is made when Redis comes. A key ring in Redis itself (<c>PersistKeysToStackExchangeRedis</c>) is not used:
    /// a warning says so, and only permits are shared.
    /// </remarks>
    public static IHttpClientBuilder AddM3AuthRedis(this IHttpClientBuilder builder, Action<M3AuthRedisOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        string name = builder.Name ?? throw new InvalidOperationException("AddM3AuthRedis needs a client with a name, as AddM3Auth does. Use AddHttpClient(\"m3\").AddM3Auth().AddM3AuthRedis(...).");
        var options = new M3AuthRedisOptions();
        configure(options);
        options = options.ValidatedCopy();
        builder.Services.AddKeyedSingleton(name, (provider, _) => Create(provider, options));
        builder.Services.AddOptions<M3AuthOptions>(name)
            .PostConfigure<IServiceProvider>((settings, provider) =>
            {
                if (settings.Enabled)
                    settings.SharedState ??= provider.GetRequiredKeyedService<RedisSharedState>(name);
            });
        return builder;
    }

    private static RedisSharedState Create(IServiceProvider provider, M3AuthRedisOptions options)
    {
        bool isRingInRedis = options.DataProtection is null && IsRingInRedis(provider);
        IDataProtectionProvider? dataProtection = options.DataProtection ?? (isRingInRedis ? null : provider.GetService<IDataProtectionProvider>());
        if (options.Configuration is not null)
            return RedisSharedState.Connect(options, dataProtection, isRingInRedis);
        IConnectionMultiplexer connection = provider.GetService<IConnectionMultiplexer>() ?? throw new OptionsValidationException("", typeof(M3AuthRedisOptions),
            [$"{nameof(M3AuthRedisOptions.Configuration)} is required where the application has no {nameof(IConnectionMultiplexer)} of its own: it is like 'redis.example.org:6380,ssl=true,password=...'"]);
        return new RedisSharedState(connection, options, dataProtection, isRingInRedis, ownsConnection: false);
    }

    // Whoever can write to that Redis could add a key, which the ring would then trust.
    private static bool IsRingInRedis(IServiceProvider provider) =>
        provider.GetService<IOptions<KeyManagementOptions>>()?.Value.XmlRepository?.GetType().Name == "RedisXmlRepository";
}
