namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>A Redis that is there and of no use, and one that is somewhere else: a cluster, or a primary that a Sentinel replaces.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RedisTroubleTests
{
    private static readonly string[] ReadOnly = ["REPLICAOF", "127.0.0.1", "1"];
    private static readonly string[] Writable = ["REPLICAOF", "NO", "ONE"];
    private static readonly string[] Blocked = ["CONFIG", "SET", "min-replicas-to-write", "1"];
    private static readonly string[] Unblocked = ["CONFIG", "SET", "min-replicas-to-write", "0"];

    private static IEnumerable<TestCaseData> Troubles =>
    [
        new TestCaseData(ReadOnly, Writable).SetArgDisplayNames("read-only"),
        new TestCaseData(Blocked, Unblocked).SetArgDisplayNames("without the replicas it wants"),
    ];

    [TestCaseSource(nameof(Troubles))]
    public async Task A_Redis_that_takes_nothing_grants_nothing_and_heals(string[] trouble, string[] cure)
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 1);
        await fleet.CallAsync(0);
        await fleet.Redis.ExecuteAsync(trouble[0], [.. trouble.Skip(1)]);

        var error = await Assert.CatchAsync<RateLimitExceededException>(async () => await fleet.CallAsync(0).WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.That(error!.Message, Does.Contain("Redis cannot be reached, which has the budget that this process shares with others"));
        Assert.That(fleet.M3.Limit.Admitted, Is.EqualTo(1));

        await fleet.Redis.ExecuteAsync(cure[0], [.. cure.Skip(1)]);
        await fleet.CallUntilLetThroughAsync(0);
        Assert.That(fleet.M3.Limit.Refused, Is.Zero);
    }

    // What a budget needs is little, and it removes before it adds.
    [Test]
    public async Task A_full_Redis_keeps_the_budget_and_shares_nothing_else()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2);
        await fleet.Redis.ExecuteAsync("CONFIG", "SET", "maxmemory", "1");

        for (int i = 0; i < BudgetFleet.Limit; i++)
            await fleet.CallAsync(i % 2);

        Assert.That(() => fleet.CallAsync(0), Throws.TypeOf<RateLimitExceededException>().With.Message.Contains("limit of 10 per 2 s reached"));
        Assert.That((fleet.M3.Limit.Admitted, fleet.M3.Limit.Refused), Is.EqualTo((BudgetFleet.Limit, 0)));

        await using SharingFleet sharing = await SharingFleet.StartAsync(machines: 2);
        await sharing.Redis.ExecuteAsync("CONFIG", "SET", "maxmemory", "1");
        await sharing.GetTokensAsync();
        Assert.That(sharing.Issuer.TokenCount, Is.EqualTo(2));
        Assert.That(sharing.Log.Text, Does.Not.Contain("Redis cannot be reached"));
    }

    [Test]
    public async Task A_wrong_password_grants_nothing_and_is_shown_nowhere()
    {
        await using RedisServer redis = await RedisServer.StartAsync("--requirepass", "right");
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        await using RedisSharedState state = await RedisSharedState.ConnectAsync($"{redis.Configuration},password=nearly-right", new M3AuthRedisOptions { Timeout = TimeSpan.FromSeconds(1) });
        using var log = new CapturedLog();
        await using RecordingServer m3 = await RecordingServer.StartAsync();
        M3AuthOptions options = issuer.OptionsWith(issuer.CreateToken());
        options.SharedState = state;
        using HttpClient client = M3HttpClient.Create(m3.Address, options, loggerFactory: log);

        var error = await Assert.CatchAsync<RateLimitExceededException>(() => client.PostAsync("", new StringContent("{}")));

        Assert.That(error!.Message, Does.Contain("Redis cannot be reached"));
        Assert.That(error + log.Text, Does.Not.Contain("nearly-right"));
        Assert.That(log.Text, Does.Contain("Redis cannot be reached"));
        Assert.That(m3.Arrivals, Is.Empty);
    }

    [Test]
    public async Task A_cluster_takes_the_scripts()
    {
        RedisServer node = await RedisServer.StartAsync("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1");
        await node.ExecuteAsync("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
        await Eventually.UntilAsync(async () => (await node.ExecuteAsync("CLUSTER", "INFO"))!.Contains("cluster_state:ok", StringComparison.Ordinal));
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, RateLimitMode.Wait, redis: node);

        await Task.WhenAll(Enumerable.Range(0, 2 * BudgetFleet.Limit).Select(i => fleet.CallAsync(i % 2)));

        Assert.That((fleet.M3.Limit.Admitted, fleet.M3.Limit.Refused), Is.EqualTo((2 * BudgetFleet.Limit, 0)));
    }

    [Test]
    public async Task When_a_Sentinel_puts_a_replica_in_the_primarys_place_M3_refuses_nothing()
    {
        RedisServer primary = await RedisServer.StartAsync();
        await using RedisServer replica = await RedisServer.StartAsync("--replicaof", "127.0.0.1", primary.Port);
        await Eventually.UntilAsync(async () => (await primary.ExecuteAsync("INFO", "replication"))!.Contains("state=online", StringComparison.Ordinal));
        await using RedisServer sentinel = await RedisServer.StartSentinelAsync(primary);
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, RateLimitMode.Wait, window: TimeSpan.FromSeconds(10), redis: primary,
            configuration: $"{sentinel.Configuration},serviceName=primary");
        await Task.WhenAll(Enumerable.Range(0, BudgetFleet.Limit).Select(i => fleet.CallAsync(i % 2)));

        await primary.KillAsync();
        await Task.WhenAll(Enumerable.Range(0, BudgetFleet.Limit).Select(i => fleet.CallAsync(i % 2)));

        Assert.That((fleet.M3.Limit.Admitted, fleet.M3.Limit.Refused), Is.EqualTo((2 * BudgetFleet.Limit, 0)));
        Assert.That(await replica.ExecuteAsync("INFO", "replication"), Does.Contain("role:master"));
    }
}
