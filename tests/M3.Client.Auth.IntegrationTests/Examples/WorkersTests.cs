using Microsoft.AspNetCore.Http;

namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>A pull by several workers of one process.</summary>
public sealed class WorkersTests : PullFixture
{
    private const int ManyRows = 3200;

    protected override string MoreTables => $"CREATE TABLE many AS SELECT n, 'row ' || n AS text FROM range({ManyRows}) AS numbers(n); CREATE TABLE no_rows (id INTEGER, note VARCHAR)";

    [Test]
    public async Task So_many_workers_make_the_same_file_as_one_with_as_many_calls([Values("pull.csv", "pull.parquet")] string file, [Values(2, 5, 64)] int workers)
    {
        byte[] inOneGo = await PullInOneGoAsync(file, Admissions(file));
        int before = Calls;

        ExampleResult result = await PullAsync(Environment(), Admissions(file, "--workers", $"{workers}"));

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain($"hosp_admissions into {file}: 450 rows by {workers} workers").And.Contain("50 of 450 rows").And.Contain($"joins {workers} parts").And.Contain($"Done: 450 rows in {file}"));
        Assert.That(await File.ReadAllBytesAsync(In(file)), Is.EqualTo(inOneGo));
        Assert.That(Directory.EnumerateFiles(Folder), Is.EqualTo([In(file)]), "the parts are gone");
        Assert.That(Calls - before, Is.EqualTo(10), "one call for the table, and nine pages");
        AssertShowsNoToken(result);
    }

    [TestCase("hosp_admissions", "hadm_id", 3), TestCase("no_rows", "id", 0)]
    public async Task Fewer_rows_than_workers_are_pulled_too(string table, string key, int rows)
    {
        string[] arguments = ["--table", table, "--order-by", key, "--rows", "3", "--out", "pull.csv"];
        byte[] inOneGo = await PullInOneGoAsync("pull.csv", arguments);

        ExampleResult result = await PullAsync(Environment(), [.. arguments, "--workers", "8"]);

        Assert.That(result.Output, Does.Contain($"Done: {rows} rows in pull.csv"), result.All);
        Assert.That(await File.ReadAllBytesAsync(In("pull.csv")), Is.EqualTo(inOneGo));
        Assert.That(Directory.EnumerateFiles(Folder).Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task They_call_at_the_same_time_with_one_token()
    {
        // Nobody is answered a page before all four have asked for one.
        int pages = 0;
        TaskCompletionSource all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using RecordingServer between = await ForwardAsync(async query =>
        {
            if (query.Contains("OFFSET", StringComparison.Ordinal) && Interlocked.Increment(ref pages) == 4)
                all.TrySetResult();
            if (query.Contains("OFFSET", StringComparison.Ordinal))
                await all.Task.WaitAsync(TimeSpan.FromSeconds(20));
            return true;
        });
        Dictionary<string, string> environment = new(Environment())
        {
            ["M3_URL"] = new Uri(between.Address, "sse").AbsoluteUri,
            ["M3_OAUTH2_TOKEN"] = "",
            ["M3_OAUTH2_CLIENT_ID"] = M3.ClientId,
            ["M3_OAUTH2_CLIENT_SECRET"] = M3.ClientSecret,
        };

        ExampleResult result = await PullAsync(environment, Admissions("pull.csv", "--workers", "4"));

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(between.Authorizations.Distinct().Count(), Is.EqualTo(1), "tokens");
    }

    [Test, Platform(Exclude = "Win", Reason = "No SIGINT there.")]
    public async Task They_share_one_budget_stop_by_Ctrl_C_and_go_on()
    {
        byte[] inOneGo = await PullInOneGoAsync("pull.csv", Admissions("pull.csv"));

        // One call looks at the table, the fifth page waits for an hour: whoever waits first, some of the four may still be on their way.
        int before = Calls;
        ExampleResult stopped = await StopWhileWaitingAsync(calls: 5, example => example.Interrupt(), Admissions("pull.csv", "--workers", "4"));
        Assert.That(stopped.ExitCode, Is.EqualTo(130), stopped.All);
        Assert.That(stopped.Output.Split("waits 60 min for M3's rate limit"), Has.Length.EqualTo(2), "one line for all");
        Assert.That(Calls - before, Is.AtMost(5));
        Assert.That(stopped.Error, Does.Match(@"^Stopped\.\s+(50|100|150|200) rows are in the parts of pull\.csv; the same command goes on from there\.\s+$"));

        AssertFails(await PullAsync(Environment(), Admissions("pull.csv")), 2, "which was begun in 4 parts and not in 1. Go on with --workers 4");
        ExampleResult resumed = await PullAsync(Environment(), Admissions("pull.csv", "--workers", "4"));

        Assert.That(resumed.Output, Does.Match("450 rows by 4 workers, goes on after (50|100|150|200)").And.Contain("Done: 450 rows"), resumed.All);
        Assert.That(await File.ReadAllBytesAsync(In("pull.csv")), Is.EqualTo(inOneGo));
    }

    [Test]
    public async Task One_that_M3_refuses_stops_the_others_and_nothing_is_lost()
    {
        byte[] inOneGo = await PullInOneGoAsync("pull.csv", Admissions("pull.csv"));
        await using RecordingServer between = await ForwardAsync(query => Task.FromResult(!query.Contains("OFFSET 300", StringComparison.Ordinal)));
        Dictionary<string, string> environment = new(Environment()) { ["M3_URL"] = new Uri(between.Address, "sse").AbsoluteUri };

        AssertFails(await PullAsync(environment, Admissions("pull.csv", "--workers", "3")), 1, "M3 answered 401", "rows are in the parts of pull.csv; the same command goes on from there.");
        ExampleResult resumed = await PullAsync(Environment(), Admissions("pull.csv", "--workers", "3"));

        Assert.That(resumed.ExitCode, Is.Zero, resumed.All);
        Assert.That(await File.ReadAllBytesAsync(In("pull.csv")), Is.EqualTo(inOneGo));
    }

    [TestCase("pull.csv"), TestCase("pull.parquet"), Platform(Exclude = "Win", Reason = "Its kill is another.")]
    public async Task Killed_while_it_joins_the_parts_again_and_again_it_makes_the_same_file(string file)
    {
        string[] arguments = ["--table", "many", "--order-by", "n", "--out", file];
        byte[] inOneGo = await PullInOneGoAsync(file, arguments);
        arguments = [.. arguments, "--workers", "64"];

        // All parts are there, the first is copied, and its state cannot be written: what that leaves is what a kill there leaves.
        await StopWhileWaitingAsync(calls: 5, example => example.Kill(), arguments);
        Directory.CreateDirectory(In($"{file}.state.new"));
        AssertFails(await PullAsync(Environment(), arguments), 2, $"{file}.state.new", $"3,200 rows are in the parts of {file}; the same command goes on from there.");
        Directory.Delete(In($"{file}.state.new"));
        Assert.That(Parts(), Has.Length.EqualTo(64));

        // A part that goes says where the joining is.
        List<int> left = [];
        var random = new Random(6);
        while (File.Exists(In($"{file}.state")))
        {
            await using Example example = Start(Environment(), arguments);
            Task<ExampleResult> end = example.FinishAsync();
            int before = Parts().Length, enough = Math.Max(0, before - random.Next(5, 25));
            // When all are joined, what is left is its own.
            while (!end.IsCompleted && (before == 0 || Parts().Length > enough))
                Thread.Yield();
            if (left.Count % 2 == 1 && Parts() is not [])
                example.Interrupt();
            else if (!end.IsCompleted)
                example.Kill();
            ExampleResult result = await end;
            Assert.That(result.ExitCode, Is.AnyOf(0, 130, 137), result.All);
            left.Add(Parts().Length);
        }

        TestContext.Out.WriteLine($"parts left: {string.Join(", ", left)}");
        Assert.That(left, Has.Some.InRange(1, 63), "it was stopped in the middle");
        Assert.That(await File.ReadAllBytesAsync(In(file)), Is.EqualTo(inOneGo));
        Assert.That(Directory.EnumerateFiles(Folder), Is.EqualTo([In(file)]));

        string[] Parts() => Directory.GetFiles(Folder, "*.part-*.state");
    }

    private static string[] Admissions(string file, params string[] more) => ["--table", "hosp_admissions", "--order-by", "hadm_id", "--out", file, .. more];

    /// <summary>Stands before LocalM3. A query that is not passed on is refused.</summary>
    private Task<RecordingServer> ForwardAsync(Func<string, Task<bool>> isPassedOn) => RecordingServer.StartAsync(async context =>
    {
        using var body = new StreamReader(context.Request.Body);
        string message = await body.ReadToEndAsync();
        if (await isPassedOn(message))
            await ForwardAsync(context, message);
        else
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
    });
}
