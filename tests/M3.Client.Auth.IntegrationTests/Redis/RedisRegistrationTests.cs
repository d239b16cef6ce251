using System.Xml.Linq;
using M3.Client.Auth.IntegrationTests.Budget;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.Repositories;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>Services that share by <c>AddM3AuthRedis</c>: each host is a machine.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RedisRegistrationTests
{
    private DirectoryInfo _ring = null!;

    [OneTimeSetUp]
    public void MakeRing() => _ring = Directory.CreateTempSubdirectory("m3-ring-");

    [OneTimeTearDown]
    public void DeleteRing() => _ring.Delete(recursive: true);

    [TestCase(true)]
    [TestCase(false)]
    public async Task Two_hosts_have_one_budget_one_token_and_one_key_fetch(bool isConnectionTheApplications)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        await using M3Counter m3 = await M3Counter.StartAsync(2, TimeSpan.FromMinutes(1));
        using IHost first = await StartAsync(redis, issuer, m3.Endpoint, services => Protect(services), isConnectionTheApplications);
        using IHost second = await StartAsync(redis, issuer, m3.Endpoint, services => Protect(services), isConnectionTheApplications);

        await CallUntilKnownAsync(first, id: 1);
        await CallAsync(second, id: 2);

        foreach (IHost host in (IHost[])[first, second])
            Assert.That(() => CallAsync(host, id: 3), Throws.TypeOf<RateLimitExceededException>());
        Assert.That((m3.Limit.Admitted, issuer.TokenCount, issuer.JwksCount), Is.EqualTo((2, 1, 1)));
    }

    [Test]
    public async Task Without_Data_Protection_only_permits_are_shared_and_the_log_says_so()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        using var log = new CapturedLog();
        using IHost first = await StartAsync(redis, issuer, new Uri("http://127.0.0.1:1/"), log: log);
        using IHost second = await StartAsync(redis, issuer, new Uri("http://127.0.0.1:1/"), log: log);

        foreach (IHost host in (IHost[])[first, second])
            await TokensOf(host).GetTokenAsync();

        Assert.That((issuer.TokenCount, issuer.JwksCount), Is.EqualTo((2, 2)));
        Assert.That(log.Text, Does.Contain("Redis shares the budget's permits only, neither tokens nor keys: there is no Data Protection to seal them with"));
    }

    [Test]
    public async Task A_key_ring_in_Redis_seals_nothing_and_the_log_says_so()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        using var log = new CapturedLog();
        using IHost host = await StartAsync(redis, issuer, new Uri("http://127.0.0.1:1/"),
            services => services.Configure<KeyManagementOptions>(ring => ring.XmlRepository = new RedisXmlRepository()).AddDataProtection(), log: log);

        await TokensOf(host).GetTokenAsync();

        Assert.That((await redis.KeysAsync()).Where(key => key.Contains(":value:", StringComparison.Ordinal)), Is.Empty);
        Assert.That(log.Text, Does.Contain("Data Protection keeps its keys in Redis, where whoever can write could add one"));
    }

    [Test]
    public async Task Without_a_Redis_in_the_settings_the_host_does_not_start_and_says_what_is_missing()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();

        var error = await Assert.CatchAsync<OptionsValidationException>(() => StartAsync(redis: null, issuer, new Uri("http://127.0.0.1:1/")));

        Assert.That(error!.Message, Does.Contain("Configuration is required where the application has no IConnectionMultiplexer of its own"));
    }

    [Test]
    public async Task The_health_check_tells_that_Redis_is_away()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        await using M3Counter m3 = await M3Counter.StartAsync(10, TimeSpan.FromMinutes(1));
        using IHost host = await StartAsync(redis, issuer, m3.Endpoint, services => services.AddHealthChecks().AddM3Auth("m3"));
        await CallUntilKnownAsync(host, id: 1);
        HealthCheckService health = host.Services.GetRequiredService<HealthCheckService>();
        Assert.That((await health.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));

        await redis.KillAsync();
        Assert.That(() => CallAsync(host, id: 2), Throws.TypeOf<RateLimitExceededException>());

        HealthReport report = await health.CheckHealthAsync();
        Assert.That(report.Status, Is.EqualTo(HealthStatus.Unhealthy));
        Assert.That(report.Entries["m3"].Description, Does.Contain("Redis cannot be reached"));
    }

    private static async Task<IHost> StartAsync(RedisServer? redis, TestIssuer issuer, Uri m3, Action<IServiceCollection>? configure = null, bool isConnectionTheApplications = false,
        CapturedLog? log = null)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        if (log is not null)
            builder.Logging.AddProvider(log).SetMinimumLevel(LogLevel.Trace);
        if (isConnectionTheApplications)
            builder.Services.AddSingleton<IConnectionMultiplexer>(_ => ConnectionMultiplexer.Connect(redis!.Configuration));
        builder.Services.AddHttpClient("m3", client => client.BaseAddress = m3)
            .AddM3Auth(options => (options.IssuerUrl, options.Audience, options.TokenSource, options.RateLimitRequests, options.RateLimitWindow) =
                (issuer.IssuerUrl, TestIssuer.Audience, TokenSources.ClientCredentials("the-fleet", "the-fleets-secret"), 2, TimeSpan.FromMinutes(1)))
            .AddM3AuthRedis(options => (options.Configuration, options.RecoveryTime) = (isConnectionTheApplications ? null : redis?.Configuration, TimeSpan.FromSeconds(1)));
        configure?.Invoke(builder.Services);
        IHost host = builder.Build();
        await host.StartAsync();
        return host;
    }

    private static IM3TokenProvider TokensOf(IHost host) => host.Services.GetRequiredKeyedService<IM3TokenProvider>("m3");

    private static async Task CallAsync(IHost host, int id)
    {
        using HttpClient client = host.Services.GetRequiredService<IHttpClientFactory>().CreateClient("m3");
        using var content = new StringContent($$"""{"jsonrpc":"2.0","id":{{id}},"method":"tools/call"}""");
        (await client.PostAsync("", content)).Dispose();
    }

    // At the very first start nobody knows whether data were lost.
    private static Task CallUntilKnownAsync(IHost host, int id) => Eventually.UntilAsync(async () =>
    {
        try
        {
            await CallAsync(host, id);
            return true;
        }
        catch (RateLimitExceededException)
        {
            return false;
        }
    });

    private void Protect(IServiceCollection services) => services.AddDataProtection().SetApplicationName("the fleet").PersistKeysToFileSystem(_ring);

    /// <summary>Named as the one of Microsoft.AspNetCore.DataProtection.StackExchangeRedis, and as trustworthy as a Redis is.</summary>
    private sealed class RedisXmlRepository : IXmlRepository
    {
        private readonly List<XElement> _keys = [];

        public IReadOnlyCollection<XElement> GetAllElements() => [.. _keys];

        public void StoreElement(XElement element, string friendlyName) => _keys.Add(element);
    }
}
