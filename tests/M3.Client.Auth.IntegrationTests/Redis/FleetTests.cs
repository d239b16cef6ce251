using System.Globalization;
using System.Text.Json;
using M3.Client.Auth.IntegrationTests.Budget;

namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>
/// Eight worker processes of 64 callers each under one budget of 100 calls in 10 s, in front of a server that counts as M3 does, over a network that takes its time. Not by
/// default, since each takes minutes: <c>dotnet test tests/M3.Client.Auth.IntegrationTests --filter FullyQualifiedName~FleetTests -- TestRunParameters.Parameter\(name=\"seconds\",value=\"600\"\)</c>
/// runs them and prints what they counted.
/// </summary>
[Explicit, NonParallelizable]
[Platform(Include = "Linux", Reason = "Signals by their numbers there.")]
public sealed class FleetTests
{
    private const int Workers = 8;
    private const int Callers = 64;
    private const int Limit = 100;
    private const int IdsOfOne = 10_000_000;

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private int _started;

    private static TimeSpan Duration => TimeSpan.FromSeconds(int.Parse(TestContext.Parameters.Get("seconds", "120")!, CultureInfo.InvariantCulture));

    [TestCase(0)]
    [TestCase(10)]
    public Task Steady(int reserveAhead) => RunAsync([], (_, _, _) => Task.CompletedTask, TimeSpan.FromSeconds(20), reserveAhead);

    [Test]
    public Task Redis_killed_every_20_s_that_writes_each_command_to_disk() =>
        RunAsync(["--appendonly", "yes", "--appendfsync", "always"], KillRedisAsync, TimeSpan.FromSeconds(20));

    [Test]
    public Task Redis_killed_every_20_s_that_keeps_nothing() => RunAsync([], KillRedisAsync, TimeSpan.FromSeconds(20));

    [Test]
    public Task Redis_stopped_for_5_s_every_20_s() => RunAsync([], async (redis, _, cancellationToken) =>
    {
        redis.Stop();
        await Task.Delay(TimeSpan.FromSeconds(5), cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        redis.Continue();
    }, TimeSpan.FromSeconds(20));

    [Test]
    public Task A_worker_killed_every_20_s_and_another_in_its_place() => RunAsync([], (_, replace, _) => replace(), TimeSpan.FromSeconds(20));

    private static async Task KillRedisAsync(RedisServer redis, Func<Task> replace, CancellationToken cancellationToken)
    {
        await redis.KillAsync();
        await redis.StartAgainAsync();
    }

    private static Course Delays(int id)
    {
        var random = new Random(id);
        return new Course { Transit = TimeSpan.FromMilliseconds(random.Next(200)), Work = TimeSpan.FromMilliseconds(random.Next(100)) };
    }

    private async Task RunAsync(string[] redisArguments, Func<RedisServer, Func<Task>, CancellationToken, Task> disturb, TimeSpan pause, int reserveAhead = 0)
    {
        await using RedisServer redis = await RedisServer.StartAsync(redisArguments);
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        await using M3Counter m3 = await M3Counter.StartAsync(Limit, Window, Delays);
        Dictionary<string, string> settings = new()
        {
            ["M3_OAUTH2_ISSUER_URL"] = issuer.IssuerUrl,
            ["M3_OAUTH2_AUDIENCE"] = TestIssuer.Audience,
            ["M3_OAUTH2_TOKEN"] = issuer.CreateToken(lifetime: TimeSpan.FromHours(2)),
        };
        _started = 0;
        List<Example> workers = [];
        for (int i = 0; i < Workers; i++)
            workers.Add(await StartWorkerAsync());
        var random = new Random(16);
        int killed = 0;

        using var end = new CancellationTokenSource(Duration);
        while (!end.IsCancellationRequested)
        {
            await Task.Delay(pause, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!end.IsCancellationRequested)
                await disturb(redis, ReplaceAsync, end.Token);
        }

        List<JsonElement> said = [];
        foreach (Example worker in workers)
        {
            await worker.PipeAsync("\n");
            ExampleResult result = await worker.FinishAsync(TimeSpan.FromMinutes(1));
            said.Add(JsonDocument.Parse(result.Output).RootElement);
            await worker.DisposeAsync();
        }

        int[] answered = [.. said.Select(worker => worker.GetProperty("answered").GetInt32())];
        TestContext.Out.WriteLine($"""
            {TestContext.CurrentContext.Test.Name}, {Duration.TotalSeconds} s: {m3.Limit.Admitted} calls admitted by the server, {m3.Limit.Refused} refused; {m3.Limit.ShareUsed:p1} of the limit used;
            answered per worker that lived {string.Join(", ", answered)}; refused here {Sum("refusedHere")}, failed {Sum("failed")}, longest wait {said.Max(worker => worker.GetProperty("longestMilliseconds").GetInt64())} ms; workers killed {killed}
            {string.Join('\n', said.Select(worker => worker.GetProperty("error").GetString()).Where(error => error is not "").Distinct())}
            """);
        Assert.That(m3.Limit.Refused, Is.Zero);

        int Sum(string name) => said.Sum(worker => worker.GetProperty(name).GetInt32());

        async Task<Example> StartWorkerAsync()
        {
            Example worker = Example.StartHelper("M3.Client.Auth.FleetWorker", settings, [
                m3.Endpoint.AbsoluteUri, redis.Configuration, $"{Limit}", $"{Window.TotalMilliseconds}", $"{Callers}", $"{++_started * IdsOfOne}", $"{reserveAhead}"]);
            await worker.ReadUntilAsync(line => line == "ready");
            await worker.TypeAsync("\n");
            return worker;
        }

        async Task ReplaceAsync()
        {
            int victim = random.Next(workers.Count);
            workers[victim].Kill();
            await workers[victim].DisposeAsync();
            killed++;
            workers[victim] = await StartWorkerAsync();
        }
    }
}
