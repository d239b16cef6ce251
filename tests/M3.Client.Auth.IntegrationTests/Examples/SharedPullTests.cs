using M3.Client.Auth.IntegrationTests.Redis;

namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>Pulls that share one budget over Redis.</summary>
public sealed class SharedPullTests : PullFixture
{
    private const string Password = "swordfish";

    [Test]
    public async Task Two_processes_that_name_one_Redis_make_no_more_calls_together_than_the_limit()
    {
        await using RedisServer redis = await RedisServer.StartAsync("--requirepass", Password);
        string configuration = $"{redis.Configuration},password={Password}";
        // By itself, either part takes five calls or more.
        Dictionary<string, string> environment = new(Environment()) { ["M3_OAUTH2_RATE_LIMIT_REQUESTS"] = "4" };
        int before = Calls;

        await using Example first = Start(environment, Admissions("--part", "1/2", "--redis", configuration));
        await using Example second = Start([.. environment, new("M3_REDIS", configuration)], Admissions("--part", "2/2"));
        List<string>[] lines = await Task.WhenAll(first.ReadUntilAsync(WaitsLong), second.ReadUntilAsync(WaitsLong));
        first.Kill();
        second.Kill();
        ExampleResult[] ends = await Task.WhenAll(first.FinishAsync(), second.FinishAsync());

        Assert.That(Calls - before, Is.EqualTo(4));
        Assert.That(string.Join('\n', lines[0].Concat(lines[1])) + ends[0].All + ends[1].All, Does.Not.Contain(Password));

        static bool WaitsLong(string line) => line.Contains(" min for M3's rate limit", StringComparison.Ordinal);
    }

    [Test, Platform(Exclude = "Win", Reason = "No SIGINT there.")]
    public async Task A_Redis_that_is_away_is_warned_of_and_waited_for()
    {
        int before = Calls;

        // Nobody listens on the discard port.
        await using Example pull = Start(Environment(), Admissions("--redis", $"127.0.0.1:9,password={Password}"));
        List<string> lines = await pull.ReadUntilAsync(line => line.Contains("waits", StringComparison.Ordinal));
        pull.Interrupt();
        ExampleResult end = await pull.FinishAsync();

        Assert.That(string.Join('\n', lines), Does.StartWith("Warning: Redis cannot be reached (").And.Not.Contain(Password));
        Assert.That((end.ExitCode, end.Error), Is.EqualTo((130, Lines("Stopped."))));
        Assert.That(Calls, Is.EqualTo(before));
    }

    [TestCase($",password={Password}", "--redis or M3_REDIS: Configuration names no host")]
    [TestCase($"127.0.0.1,bogus={Password}", "--redis or M3_REDIS: Configuration cannot be read as StackExchange.Redis's: it is like 'redis.example.org:6380,ssl=true,password=...'.")]
    public async Task What_names_no_Redis_is_an_error_that_repeats_no_password(string configuration, string expected)
    {
        ExampleResult option = await PullAsync(Environment(), Admissions("--redis", configuration));
        ExampleResult variable = await PullAsync([.. Environment(), new("M3_REDIS", configuration)], Admissions());

        AssertFails(option, 2, expected);
        AssertFails(variable, 2, expected);
        Assert.That(option.All + variable.All, Does.Not.Contain(Password));
    }

    private static string[] Admissions(params string[] more) => ["--table", "hosp_admissions", "--order-by", "hadm_id", "--out", "pull.csv", .. more];
}
