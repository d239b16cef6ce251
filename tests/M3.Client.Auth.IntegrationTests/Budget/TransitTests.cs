namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>
/// Real time, real HTTP, and calls that come to their tools some time after they were sent: M3 is to refuse none that the budget let
/// through. Each test prints what it counted: <c>dotnet test tests/M3.Client.Auth.IntegrationTests --filter FullyQualifiedName~TransitTests
/// --logger "console;verbosity=detailed"</c>.
/// </summary>
[NonParallelizable]
public sealed class TransitTests
{
    private const int Limit = 20;
    private const int Calls = 6 * Limit;
    private const int Seed = 20260;
    private const int Patience = 120_000;

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);

    [TestCase(1)]
    [TestCase(8)]
    [TestCase(32)]
    [TestCase(64)]
    [CancelAfter(Patience)]
    public Task Short_calls(int callers, CancellationToken cancellationToken) =>
        KeepsInsideAsync(callers, Limit, Calls, _ => Course.Straight, cancellationToken);

    // One caller's delays are short, so that it still comes up to the limit.
    [TestCase(1, 40)]
    [TestCase(8, 200)]
    [TestCase(32, 200)]
    [TestCase(64, 200)]
    [CancelAfter(Patience)]
    public Task Json_answers_of_calls_that_arrive_late(int callers, int longest, CancellationToken cancellationToken) =>
        KeepsInsideAsync(callers, Limit, Calls, Course.Seeded(Seed, random => new() { Transit = Delay(random, longest) }), cancellationToken);

    [TestCase(1, 40)]
    [TestCase(8, 200)]
    [TestCase(32, 200)]
    [TestCase(64, 200)]
    [CancelAfter(Patience)]
    public Task Event_streams_whose_tools_begin_after_the_headers(int callers, int longest, CancellationToken cancellationToken) =>
        KeepsInsideAsync(callers, Limit, Calls, Course.Seeded(Seed, random => new()
        {
            Answer = AnswerKind.EventStream,
            AfterHeaders = Delay(random, longest),
        }), cancellationToken);

    [TestCase(1)]
    [TestCase(8)]
    [TestCase(32)]
    [TestCase(64)]
    [CancelAfter(Patience)]
    public Task Legacy_calls_whose_tools_begin_after_their_202(int callers, CancellationToken cancellationToken) =>
        KeepsInsideAsync(callers, Limit, Calls, Course.Seeded(Seed, random => new()
        {
            Answer = AnswerKind.Accepted,
            AfterHeaders = Delay(random, 200),
        }), cancellationToken);

    [Test]
    [CancelAfter(Patience)]
    public Task One_caller_whose_first_call_arrives_late(CancellationToken cancellationToken) =>
        KeepsInsideAsync(1, Limit, Calls, id => new() { Transit = TimeSpan.FromMilliseconds(id == 0 ? 200 : 0) }, cancellationToken);

    [TestCase(1)]
    [TestCase(8)]
    [TestCase(32)]
    [TestCase(64)]
    [CancelAfter(Patience)]
    public Task Many_calls_of_which_some_arrive_late(int callers, CancellationToken cancellationToken)
    {
        const int ManyLimit = 250;
        return KeepsInsideAsync(callers, ManyLimit, 6 * ManyLimit, Course.Seeded(Seed, random => new()
        {
            Answer = random.Next(4) == 0 ? AnswerKind.EventStream : AnswerKind.Json,
            Transit = random.Next(100) == 0 ? Delay(random, 200) : default,
            AfterHeaders = random.Next(25) == 0 ? Delay(random, 200) : default,
        }), cancellationToken);
    }

    // What was sent arrives, whether or not its caller still waits; a tool that hangs has begun all the same.
    [TestCase(8)]
    [TestCase(64)]
    [CancelAfter(Patience)]
    public async Task Calls_that_hang_or_are_cancelled_on_their_way(int callers, CancellationToken cancellationToken)
    {
        await using M3Counter m3 = await M3Counter.StartAsync(Limit, Window, Course.Seeded(Seed, random => new()
        {
            Answer = random.Next(2) == 0 ? AnswerKind.EventStream : AnswerKind.Json,
            Transit = Delay(random, 100),
            AfterHeaders = Delay(random, 100),
            Hangs = random.Next(20) == 0,
        }));
        await using BudgetedClient client = await BudgetedClient.StartAsync(m3, RateLimitMode.Wait);
        int givenUp = 0;

        await Callers.RunAsync(callers, Calls, async id =>
        {
            // Each tenth gives up on its way, and whoever waits for a tool that hangs does so, too.
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task<HttpResponseMessage> sending = client.Http.SendToolCallAsync(id, patience.Token);
            _ = m3.ReceivedAsync(id).ContinueWith(_ => patience.CancelAfter(id % 10 == 0 ? 50 : 1500), cancellationToken, TaskContinuationOptions.None, TaskScheduler.Default);
            try
            {
                using HttpResponseMessage response = await sending;
                await response.ReadTextAsync(patience.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                Interlocked.Increment(ref givenUp);
            }
        });
        await m3.SettledAsync();

        TestContext.Out.WriteLine($"callers: {callers}; {givenUp} given up; {m3.Limit}");
        Assert.That(givenUp, Is.GreaterThan(Calls / 20));
        Assert.That((m3.Limit.Admitted, m3.Limit.Refused), Is.EqualTo((Calls, 0)), "each call came to its tool, and M3 refused none");
    }

    private static async Task KeepsInsideAsync(int callers, int limit, int calls, Func<int, Course> course, CancellationToken cancellationToken)
    {
        await using M3Counter m3 = await M3Counter.StartAsync(limit, Window, course);
        await using BudgetedClient client = await BudgetedClient.StartAsync(m3, RateLimitMode.Wait);

        await Callers.RunAsync(callers, calls, id => client.Http.CallToolAsync(id, cancellationToken));
        await m3.SettledAsync();

        TestContext.Out.WriteLine($"callers: {callers}; {m3.Limit}");
        Assert.That(m3.Limit.Admitted + m3.Limit.Refused, Is.EqualTo(calls), "each call came to its tool");
        Assert.That(m3.Limit.Refused, Is.Zero);
    }

    private static TimeSpan Delay(Random random, int longest) => TimeSpan.FromMilliseconds(random.NextDouble() * longest);
}
