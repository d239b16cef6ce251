using M3.Client.Auth.IntegrationTests.Budget;

namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>What Redis has lost, or was never told, comes to nobody's profit.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RedisLossTests
{
    private const int Limit = BudgetFleet.Limit;

    [Test]
    public async Task Permits_that_could_not_be_written_anew_at_once_are_written_later()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, window: TimeSpan.FromMinutes(1));
        for (int i = 0; i < Limit; i++)
            await fleet.CallAsync(0);
        await fleet.Redis.ExecuteAsync("ACL", "SETUSER", "default", "-zadd");
        await fleet.Redis.ExecuteAsync("FLUSHALL");
        await Eventually.UntilAsync(async () => await fleet.Redis.KeysAsync() is { Length: > 0 });
        await fleet.Redis.ExecuteAsync("ACL", "SETUSER", "default", "+zadd");
        await Eventually.UntilAsync(async () => (await fleet.Redis.KeysAsync()).Any(key => key.Contains(":permits:", StringComparison.Ordinal)));

        await Eventually.UntilAsync(async () => (await RefusalOfAsync(fleet, 1)).Contains("limit of 10 per 60 s reached", StringComparison.Ordinal));
        Assert.That((fleet.M3.Limit.Admitted, fleet.M3.Limit.Refused), Is.EqualTo((Limit, 0)));
    }

    [Test]
    public async Task Calls_that_were_never_asked_for_leave_nothing_to_take_back()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 1, configure: options => options.ReserveAhead = 10);
        await fleet.Redis.KillAsync();
        for (int i = 0; i < 200; i++)
            Assert.That(await RefusalOfAsync(fleet, 0), Does.Contain("Redis cannot be reached"));

        await fleet.Redis.StartAgainAsync();
        await fleet.CallUntilLetThroughAsync(0);

        string removals = (await fleet.Redis.ExecuteAsync("INFO", "commandstats"))!.Split('\n').FirstOrDefault(line => line.StartsWith("cmdstat_zrem:", StringComparison.Ordinal)) ?? "calls=0,";
        Assert.That(int.Parse(removals.Split("calls=")[1].Split(',')[0], System.Globalization.CultureInfo.InvariantCulture), Is.LessThan(100));
    }

    [Test]
    public async Task M3s_pause_is_told_again()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, course: id => new Course { RefusedWith = id == 0 ? 429 : null }, window: TimeSpan.FromMinutes(1));
        await fleet.CallAsync(0);
        await PausedAsync(fleet);

        await fleet.Redis.ExecuteAsync("FLUSHALL");

        await PausedAsync(fleet);
        await Eventually.UntilAsync(async () => (await RefusalOfAsync(fleet, 1)).Contains("M3 asked for a pause", StringComparison.Ordinal));
        Assert.That(fleet.M3.Limit.Admitted, Is.Zero);
    }

    [Test]
    public async Task M3s_pause_reaches_a_Redis_that_is_full()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, course: id => new Course { RefusedWith = id == 0 ? 429 : null }, window: TimeSpan.FromMinutes(1));
        await fleet.Redis.ExecuteAsync("CONFIG", "SET", "maxmemory", "1");

        await fleet.CallAsync(0);
        await PausedAsync(fleet);

        Assert.That(await RefusalOfAsync(fleet, 1), Does.Contain("M3 asked for a pause"));
    }

    [Test]
    public async Task Permits_that_were_reserved_and_not_used_come_back_even_while_others_are_used()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, RateLimitMode.Wait, options => options.ReserveAhead = Limit - 1, window: TimeSpan.FromMinutes(1));
        await fleet.CallAsync(0);

        Task waiting = fleet.CallAsync(1);
        while (!waiting.IsCompleted)
        {
            await Task.WhenAny(waiting, Task.Delay(TimeSpan.FromSeconds(2)));
            if (!waiting.IsCompleted && fleet.M3.Limit.Admitted < Limit - 1)
                await fleet.CallAsync(0);
        }

        await waiting;
        Assert.That(fleet.M3.Limit.Refused, Is.Zero);
    }

    [Test]
    public async Task A_machine_with_a_shorter_window_takes_nothing_from_the_others()
    {
        RedisServer redis = await RedisServer.StartAsync();
        await using BudgetFleet longer = await BudgetFleet.StartAsync(machines: 1, window: TimeSpan.FromMinutes(30), redis: redis);
        await longer.CallAsync(0);
        string budget = await FindBudgetAsync(redis);

        await longer.AddAsync(RateLimitMode.Reject, configure: null, window: TimeSpan.FromSeconds(1));
        await longer.CallAsync(1);

        Assert.That(await redis.AskAsync((_, database) => database.KeyTimeToLiveAsync(budget)), Is.GreaterThan(TimeSpan.FromMinutes(29)));
    }

    [Test]
    public async Task A_Redis_without_scripts_is_a_typed_error_and_ends_in_peace()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        RedisSharedState state = await RedisSharedState.ConnectAsync($"{redis.Configuration},$EVAL=,$EVALSHA=");
        M3AuthOptions options = issuer.OptionsWith(issuer.CreateToken());
        options.SharedState = state;
        using HttpClient client = M3HttpClient.Create(new Uri("http://127.0.0.1:1/"), options);

        Assert.That(() => client.PostAsync("", new StringContent("{}")), Throws.TypeOf<RateLimitExceededException>().With.Message.Contains("Redis cannot be reached"));
        await state.DisposeAsync();
    }

    [Test]
    public async Task A_call_that_waits_for_a_state_that_was_disposed_ends()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 1, RateLimitMode.Wait, window: TimeSpan.FromMinutes(10));
        for (int i = 0; i < Limit; i++)
            await fleet.CallAsync(0);
        Task waiting = fleet.CallWithinAsync(0, TimeSpan.FromSeconds(60));

        await fleet.DisposeStatesAsync();

        Assert.That(() => waiting, Throws.TypeOf<RateLimitExceededException>().With.Message.Contains("the shared state has been disposed"));
    }

    private static async Task<string> RefusalOfAsync(BudgetFleet fleet, int machine) =>
        (await Assert.CatchAsync<RateLimitExceededException>(() => fleet.CallAsync(machine)))!.Message;

    private static Task PausedAsync(BudgetFleet fleet) =>
        Eventually.UntilAsync(async () => (await fleet.Redis.KeysAsync()).Any(key => key.Contains(":pause:", StringComparison.Ordinal)));

    // Not the one that the first start was tried with.
    private static async Task<string> FindBudgetAsync(RedisServer redis)
    {
        List<(string Key, TimeSpan? Life)> budgets = [];
        foreach (string key in (await redis.KeysAsync()).Where(key => key.Contains(":permits:", StringComparison.Ordinal)))
            budgets.Add((key, await redis.AskAsync((_, database) => database.KeyTimeToLiveAsync(key))));
        return budgets.Single(budget => budget.Life < TimeSpan.FromMinutes(40)).Key;
    }
}
