using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>The budget and M3 on one clock that both sides count on.</summary>
public sealed class CountedCallsTests
{
    private const int Limit = 10;

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(50);

    [Test]
    public async Task Calls_that_reach_their_tools_at_once_use_the_whole_limit_and_M3_refuses_none()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using M3Counter m3 = await M3Counter.StartAsync(Limit, Window, clock: clock);
        await using BudgetedClient client = await BudgetedClient.StartAsync(m3, RateLimitMode.Reject, clock);

        int id = 0;
        for (int window = 0; window < 3; window++)
        {
            for (int i = 0; i < Limit; i++)
                Assert.That(await client.Http.CallToolAsync(id++), Is.EqualTo(M3Counter.Answer));

            for (TimeSpan left = Window; left > TimeSpan.Zero; left -= Step)
            {
                RateLimitExceededException? told = await Assert.ThrowsAsync<RateLimitExceededException>(() => client.Http.CallToolAsync(id));
                Assert.That(told!.RetryAfter, Is.EqualTo(left));
                clock.Advance(Step);
            }
        }

        TestContext.Out.WriteLine(m3.Limit);
        Assert.That((m3.Limit.Admitted, m3.Limit.Refused, m3.Limit.ShareUsed), Is.EqualTo((3 * Limit, 0, 1.0)));
    }

    [Test]
    public async Task With_its_first_call_on_its_way_for_a_while_M3_refuses_none_that_the_budget_lets_through()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using M3Counter m3 = await M3Counter.StartAsync(Limit, Window, id => new Course { Transit = id == 0 ? 4 * Step : default }, clock);
        await using BudgetedClient client = await BudgetedClient.StartAsync(m3, RateLimitMode.Reject, clock);

        Task<string?> first = client.Http.CallToolAsync(0);
        await m3.ReceivedAsync(0);
        int id = 1;
        for (TimeSpan past = TimeSpan.Zero; past < 3 * Window; past += Step)
        {
            if (past == 4 * Step)
                await first;
            try
            {
                while (true)
                    await client.Http.CallToolAsync(id++);
            }
            catch (RateLimitExceededException)
            {
                clock.Advance(Step);
            }
        }

        TestContext.Out.WriteLine(m3.Limit);
        Assert.That(m3.Limit.Refused, Is.Zero);
    }
}
