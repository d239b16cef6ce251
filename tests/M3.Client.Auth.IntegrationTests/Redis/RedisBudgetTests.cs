using M3.Client.Auth.IntegrationTests.Budget;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>Processes that share a budget over Redis, each played by a shared state of its own. M3 itself counts, and is to refuse nothing.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RedisBudgetTests
{
    private const int Limit = BudgetFleet.Limit;

    private static readonly TimeSpan Window = BudgetFleet.Window;

    [Test]
    public async Task Two_machines_have_one_budget()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2);

        for (int i = 0; i < Limit; i++)
            await fleet.CallAsync(i % 2);

        foreach (int machine in (int[])[0, 1])
        {
            var error = await Assert.CatchAsync<RateLimitExceededException>(() => fleet.CallAsync(machine));
            Assert.That(error!.Message, Does.Contain("limit of 10 per 2 s reached"));
            Assert.That(error.RetryAfter, Is.Not.Null.And.LessThanOrEqualTo(Window + TimeSpan.FromSeconds(1)));
        }

        Assert.That((fleet.M3.Limit.Admitted, fleet.M3.Limit.Refused), Is.EqualTo((Limit, 0)));
    }

    [TestCase(0)]
    [TestCase(4)]
    public async Task Whoever_waits_is_let_through_and_M3_refuses_nothing(int reserveAhead)
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 4, RateLimitMode.Wait, options => options.ReserveAhead = reserveAhead);

        await Task.WhenAll(Enumerable.Range(0, 3 * Limit).Select(i => fleet.CallAsync(i % 4)));

        Assert.That((fleet.M3.Limit.Admitted, fleet.M3.Limit.Refused), Is.EqualTo((3 * Limit, 0)));
    }

    [Test]
    public async Task What_is_reserved_ahead_asks_nobody_and_comes_back_when_nobody_needs_it()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, RateLimitMode.Wait, options => options.ReserveAhead = Limit - 1);

        await fleet.CallAsync(0);
        Assert.That(async () => await fleet.CallWithinAsync(1, Window / 4), Throws.InstanceOf<OperationCanceledException>(), "the first one has all");

        await fleet.CallAsync(1);
        Assert.That(fleet.M3.Limit.Refused, Is.Zero);
    }

    [Test]
    public async Task M3s_pause_is_everybodys()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, course: id => new Course { RefusedWith = id == 0 ? 429 : null }, window: TimeSpan.FromMinutes(1));

        await fleet.CallAsync(0);
        await fleet.Redis.AskAsync(async (_, _) =>
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
            while (!(await fleet.Redis.KeysAsync()).Any(key => key.Contains(":pause:", StringComparison.Ordinal)))
                await timer.WaitForNextTickAsync(patience.Token);
            return 0;
        });

        var error = await Assert.CatchAsync<RateLimitExceededException>(() => fleet.CallAsync(1));
        Assert.That(error!.Message, Does.Contain("M3 asked for a pause"));
    }

    [Test]
    public async Task Redis_sees_no_subject_and_all_keys_are_in_one_slot()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 1);
        await fleet.CallAsync(0);

        string[] keys = await fleet.Redis.KeysAsync();

        // The epoch, the budget, and the one that the first start was tried with.
        Assert.That(keys, Has.Length.EqualTo(3).And.All.StartsWith("{m3-test}:"));
        Assert.That(string.Join(' ', keys), Does.Not.Contain(BudgetFleet.Subject));
    }

    [Test]
    public async Task Without_Redis_calls_are_refused_at_once_and_the_error_says_why_and_it_heals()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 1);
        await fleet.CallAsync(0);
        await fleet.Redis.KillAsync();

        var error = await Assert.CatchAsync<RateLimitExceededException>(() => fleet.CallAsync(0));
        Assert.That(error!.Message, Does.Contain("Redis cannot be reached, which has the budget that this process shares with others"));
        Assert.That(fleet.M3.Limit.Admitted, Is.EqualTo(1));

        await fleet.Redis.StartAgainAsync();
        await fleet.CallUntilLetThroughAsync(0);
        Assert.That(fleet.M3.Limit.Refused, Is.Zero);
    }

    [Test]
    public async Task While_Redis_is_away_what_was_reserved_is_spent_and_no_more()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 1, configure: options => options.ReserveAhead = 3);
        await fleet.CallAsync(0);
        await fleet.Redis.KillAsync();

        for (int i = 0; i < 3; i++)
            await fleet.CallAsync(0);

        Assert.That(() => fleet.CallAsync(0), Throws.TypeOf<RateLimitExceededException>());
        Assert.That(fleet.M3.Limit.Admitted, Is.EqualTo(4));
    }

    [Test, Platform(Include = "Linux", Reason = "SIGSTOP by its number there.")]
    public async Task A_Redis_that_hangs_holds_up_no_call_for_longer_than_its_bound()
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 1);
        await fleet.CallAsync(0);
        fleet.Redis.Stop();

        Assert.That(async () => await fleet.CallAsync(0).WaitAsync(TimeSpan.FromSeconds(20)), Throws.TypeOf<RateLimitExceededException>());

        fleet.Redis.Continue();
        await fleet.CallUntilLetThroughAsync(0);
        Assert.That(fleet.M3.Limit.Refused, Is.Zero);
    }

    // A full budget is spent, and then Redis forgets: whoever asks first would be granted another one.
    [TestCase(true)]
    [TestCase(false)]
    public async Task When_Redis_has_lost_its_data_each_machine_writes_its_own_permits_anew(bool isKilled)
    {
        await using BudgetFleet fleet = await BudgetFleet.StartAsync(machines: 2, RateLimitMode.Wait, window: TimeSpan.FromSeconds(6));
        await Task.WhenAll(Enumerable.Range(0, Limit).Select(i => fleet.CallAsync(i % 2)));

        if (isKilled)
        {
            await fleet.Redis.KillAsync();
            await fleet.Redis.StartAgainAsync();
        }
        else
        {
            await fleet.Redis.AskAsync(async (server, _) =>
            {
                await server.FlushDatabaseAsync();
                return 0;
            });
        }

        await Task.WhenAll(Enumerable.Range(0, Limit).Select(i => fleet.CallAsync(i % 2)));
        Assert.That((fleet.M3.Limit.Admitted, fleet.M3.Limit.Refused), Is.EqualTo((2 * Limit, 0)));
    }

    [Test]
    public void What_cannot_be_worked_with_is_named()
    {
        var options = new M3AuthRedisOptions { KeyPrefix = "a{b", Timeout = TimeSpan.Zero, ReserveAhead = -1, LongestHold = TimeSpan.FromSeconds(1), RecoveryTime = TimeSpan.FromHours(1), OnDataLoss = (DataLoss)7 };

        var error = Assert.Throws<OptionsValidationException>(() => RedisSharedState.Connect("password=geheim", options));

        Assert.That(error!.Failures, Is.EqualTo((string[])[
            "KeyPrefix must be a name without braces, but is 'a{b'", "ReserveAhead must be from 0 to 10000, but is -1", "OnDataLoss must be Rewrite or WaitWindow, but is 7",
            "Timeout must be from 0.05 s to 60 s, but is 0 s", "LongestHold must be from 10 s to 3600 s, but is 1 s", "RecoveryTime must be from 1 s to 600 s, but is 3600 s"]));
        Assert.That(() => RedisSharedState.Connect("password=geheim"), Throws.TypeOf<OptionsValidationException>().With.Message.Contains("Configuration names no host").And.Message.Not.Contains("geheim"));
        Assert.That(() => RedisSharedState.Connect("localhost,nosuchthing=geheim"), Throws.TypeOf<OptionsValidationException>().With.Message.Contains("Configuration cannot be read").And.Message.Not.Contains("geheim"));
    }
}
