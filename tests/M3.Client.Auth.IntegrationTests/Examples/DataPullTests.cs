using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>A pull as a process: in one go, and stopped in every way before it is resumed.</summary>
public sealed class DataPullTests : PullFixture
{
    private const int Rows = 450;
    private static readonly string[] Admissions = ["--table", "hosp_admissions", "--order-by", "hadm_id", "--out", "pull.csv"];

    private string Csv => In("pull.csv");

    private string State => Csv + ".state";

    [Test]
    public async Task With_nothing_set_up_it_pulls_a_table_out_of_LocalM3()
    {
        ExampleResult result = await PullAsync([], "--rows", "120");

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Error, Is.Empty);
            Assert.That(result.Output, Does.Contain("made-up rows").And.Contain("rate limit is set to 1000000 calls an hour").And.Contain("Done: 120 rows in hosp_labevents.csv"));
            Assert.That(File.ReadAllLines(In("hosp_labevents.csv")), Has.Length.EqualTo(121));
            Assert.That(result.Output.Contains('\x1b'), Is.False, "piped, it is plain text");
            AssertShowsNoToken(result);
        });
    }

    [Test]
    public async Task In_one_go_every_row_comes_once_and_in_order()
    {
        ExampleResult result = await PullAsync(Environment(), Admissions);

        string[] lines = await File.ReadAllLinesAsync(Csv);
        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Output, Does.Contain("50 of 450 rows, ").And.Contain(" s left").And.Contain("Done: 450 rows in pull.csv"));
            Assert.That(lines[0], Does.StartWith("subject_id,hadm_id,admittime,"));
            Assert.That(lines[1], Does.Contain(",2167-07-04 21:18:00,2167-07-14 06:18:00,,OBSERVATION ADMIT,"));
            Assert.That(lines[1..].Select(line => line.Split(',')[1]), Is.EqualTo(Enumerable.Range(92000001, Rows).Select(id => $"{id}")));
            Assert.That(File.Exists(State), Is.False, "nothing is left to resume");
            AssertShowsNoToken(result);
        });
    }

    [Test]
    public async Task What_is_special_in_CSV_is_quoted_and_text_is_UTF_8()
    {
        ExampleResult diagnoses = await PullAsync(Environment(), "--table", "hosp_d_icd_diagnoses", "--order-by", "icd_version, icd_code", "--rows", "2", "--page", "1");
        ExampleResult items = await PullAsync(Environment(), "--table", "icu_d_items", "--order-by", "itemid", "--page", "2");

        Assert.That((diagnoses.ExitCode, items.ExitCode), Is.EqualTo((0, 0)), diagnoses.All + items.All);
        Assert.That(await File.ReadAllTextAsync(In("hosp_d_icd_diagnoses.csv")), Is.EqualTo(
            "icd_code,icd_version,long_title\nA419,10,\"Sepsis, unspecified organism\"\nE119,10,Type 2 diabetes mellitus without complications\n"));
        Assert.That(await File.ReadAllTextAsync(In("icu_d_items.csv")), Does.EndWith(",°F,Numeric,97.0,100.0\n"));
    }

    [Test]
    public async Task The_single_file_pulls_a_table_too()
    {
        string file = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../../examples/DataPull/pull.cs"));
        await using Example example = Example.StartDotnet(["run", file], Environment());

        ExampleResult result = await example.FinishAsync(TimeSpan.FromMinutes(3));

        Assert.That(result.ExitCode, Is.Zero, result.All);
        string[] lines = result.Output.TrimEnd().Split('\n');
        Assert.That(lines, Has.Length.EqualTo(181), result.Output);
        Assert.That(lines[0], Does.StartWith("subject_id,hadm_id,stay_id,first_careunit,"));
        Assert.That(lines[1..], Is.Unique);
        AssertShowsNoToken(result);

        await using Example wrong = Example.StartDotnet(["run", "--no-build", file], [new("M3_URL", "m3.example.org")]);
        ExampleResult refused = await wrong.FinishAsync(TimeSpan.FromMinutes(1));
        AssertFails(refused, 2, "M3_URL must be an absolute http or https URL, but is 'm3.example.org'.");
    }

    [Test, Platform(Exclude = "Win", Reason = "No SIGINT there.")]
    public async Task Stopped_by_Ctrl_C_then_killed_then_resumed_it_is_the_file_that_one_go_makes()
    {
        byte[] inOneGo = await PullInOneGoAsync("pull.csv", Admissions);

        // Three calls in, the fourth waits for an hour: neither signal depends on how fast anything is.
        ExampleResult first = await StopWhileWaitingAsync(calls: 3, example => example.Interrupt(), Admissions);
        (long Rows, long Bytes) afterInterrupt = Measure();
        Assert.That((first.ExitCode, first.Error), Is.EqualTo((130, Lines("Stopped.", "100 rows are in pull.csv; the same command goes on from there."))), first.All);

        ExampleResult second = await StopWhileWaitingAsync(calls: 4, example => example.Kill(), Admissions);
        (long Rows, long Bytes) afterKill = Measure();
        Assert.That(second.ExitCode, Is.EqualTo(137), second.All);
        Assert.That(second.Output, Does.Contain("goes on after 100"));

        // What a kill in the middle of a write leaves behind: half a row that nobody vouches for, half a state.
        await File.AppendAllTextAsync(Csv, "90000001,9200");
        await File.WriteAllTextAsync(State + ".new", "{\"Table\":");
        ExampleResult last = await PullAsync(Environment(), Admissions);

        Assert.That(last.ExitCode, Is.Zero, last.All);
        Assert.That(last.Output, Does.Contain("goes on after 250"));
        byte[] resumed = await File.ReadAllBytesAsync(Csv);
        TestContext.Out.WriteLine($"rows after Ctrl+C: {afterInterrupt.Rows}, after kill -9: {afterKill.Rows}, resumed to the end: {CountRows(resumed)}, in one go: {CountRows(inOneGo)}; "
            + $"bytes {afterInterrupt.Bytes}, {afterKill.Bytes}, {resumed.Length}, {inOneGo.Length}; the same file: {resumed.SequenceEqual(inOneGo)}");
        Assert.That((afterInterrupt.Rows, afterKill.Rows, CountRows(resumed)), Is.EqualTo((100, 250, Rows)));
        Assert.That(resumed, Is.EqualTo(inOneGo));
        Assert.That(File.Exists(State), Is.False);
    }

    [Test, Platform(Exclude = "Win", Reason = "No SIGTERM there.")]
    public async Task SIGTERM_stops_it_as_Ctrl_C_does()
    {
        ExampleResult result = await StopWhileWaitingAsync(calls: 2, example => example.Terminate(), Admissions);

        Assert.That((result.ExitCode, result.Error), Is.EqualTo((130, Lines("Stopped.", "50 rows are in pull.csv; the same command goes on from there."))));
        Assert.That(result.Output, Does.Contain("50 of 450 rows, waits 60 min for M3's rate limit, until "));
    }

    [Test]
    public async Task It_survives_the_renewal_of_its_token()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync(new() { TokenLifetime = TimeSpan.FromSeconds(2) });
        string[] arguments = ["--table", "hosp_admissions", "--order-by", "hadm_id", "--page", "50", "--out", "pull.csv"];
        // Two calls a second, for five.
        Dictionary<string, string> environment = new(m3.ClientEnvironment)
        {
            ["M3_OAUTH2_CLIENT_ID"] = m3.ClientId,
            ["M3_OAUTH2_CLIENT_SECRET"] = m3.ClientSecret,
            ["M3_OAUTH2_RATE_LIMIT_REQUESTS"] = "2",
            ["M3_OAUTH2_RATE_LIMIT_WINDOW"] = "1",
        };

        ExampleResult result = await PullAsync(environment, arguments);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(m3.Received.Select(request => request.Token).Distinct().Count(), Is.GreaterThan(1), "tokens");
        Assert.That(CountRows(await File.ReadAllBytesAsync(Csv)), Is.EqualTo(Rows));
        Assert.That(result.Output, Does.Contain("waits 1 s for M3's rate limit"));
        AssertShowsNoToken(result);
    }

    [TestCase(Trouble.Unavailable, "waits 1 s and tries again, because M3 did not answer (503)")]
    [TestCase(Trouble.ForgottenSession, "waits 1 s and tries again, because M3 did not answer (404)")]
    [TestCase(Trouble.DroppedConnection, "waits 1 s and tries again, because M3 did not answer (")]
    [TestCase(Trouble.RateLimit, "waits 1 s for M3's rate limit")]
    public async Task It_gets_over_what_passes_by_itself(Trouble trouble, string expected)
    {
        byte[] inOneGo = await PullInOneGoAsync("pull.csv", Admissions);
        // The fourth query, the third page, meets with it.
        int queries = 0;
        await using RecordingServer between = await RecordingServer.StartAsync(async context =>
        {
            using var body = new StreamReader(context.Request.Body);
            string message = await body.ReadToEndAsync();
            if (message.Contains("\"tools/call\"", StringComparison.Ordinal) && Interlocked.Increment(ref queries) == 4)
                await MakeAsync(trouble, context, message);
            else
                await ForwardAsync(context, message);
        });
        Dictionary<string, string> environment = new(Environment())
        {
            ["M3_URL"] = new Uri(between.Address, "sse").AbsoluteUri,
            // The client's own never stops it; M3's is said to be over soon.
            ["M3_OAUTH2_RATE_LIMIT_WINDOW"] = "1",
        };

        ExampleResult result = await PullAsync(environment, Admissions);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("100 of 450 rows, " + expected));
        Assert.That(await File.ReadAllBytesAsync(Csv), Is.EqualTo(inOneGo));
        AssertShowsNoToken(result);
    }

    [Test]
    public async Task A_file_that_is_no_part_of_this_pull_is_left_alone()
    {
        await File.WriteAllTextAsync(Csv, "mine\n");
        AssertFails(await PullAsync(Environment(), Admissions), 2, "pull.csv exists already. Name another file with --out, or remove it.");
        Assert.That(await File.ReadAllTextAsync(Csv), Is.EqualTo("mine\n"));

        File.Delete(Csv);
        await StopWhileWaitingAsync(calls: 2, example => example.Kill(), Admissions);
        byte[] before = await File.ReadAllBytesAsync(Csv);

        AssertFails(await PullAsync(Environment(), "--table", "hosp_patients", "--order-by", "subject_id", "--out", "pull.csv"), 2, "pull.csv is part of another pull, of hosp_admissions");
        AssertFails(await PullAsync(Environment(), "--table", "hosp_admissions", "--order-by", "admittime,hadm_id", "--out", "pull.csv"), 2, "pull.csv is part of another pull");
        Assert.That(await File.ReadAllBytesAsync(Csv), Is.EqualTo(before));

        await File.WriteAllTextAsync(Csv, "short");
        AssertFails(await PullAsync(Environment(), Admissions), 2, "pull.csv is shorter than pull.csv.state says");
        await File.WriteAllTextAsync(State, "{}");
        AssertFails(await PullAsync(Environment(), Admissions), 2, "pull.csv.state is no state of a pull");
    }

    /// <summary>What a long pull may meet with on its way.</summary>
    public enum Trouble
    {
        Unavailable,
        ForgottenSession,
        DroppedConnection,
        RateLimit,
    }

    private static async Task MakeAsync(Trouble trouble, HttpContext context, string message)
    {
        switch (trouble)
        {
            case Trouble.Unavailable:
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                break;
            case Trouble.ForgottenSession:
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                break;
            case Trouble.DroppedConnection:
                context.Abort();
                break;
            default:
                // In M3's own words: 200, and a text as the tool's result.
                using (JsonDocument request = JsonDocument.Parse(message))
                {
                    await context.Response.WriteAsJsonAsync(new
                    {
                        jsonrpc = "2.0",
                        id = request.RootElement.GetProperty("id"),
                        result = new { content = (object[])[new { type = "text", text = "Error: Token validation failed: Rate limit exceeded" }] },
                    });
                }

                break;
        }
    }

    private (long Rows, long Bytes) Measure()
    {
        byte[] bytes = File.ReadAllBytes(Csv);
        return (CountRows(bytes), bytes.Length);
    }

    // Without the line of names. No value here has a line break in it.
    private static int CountRows(byte[] csv) => csv.Count(octet => octet == '\n') - 1;
}
