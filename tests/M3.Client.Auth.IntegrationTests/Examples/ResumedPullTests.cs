using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>A pull that is killed wherever it stands, again and again, in either format, by one worker or several.</summary>
public sealed class ResumedPullTests : PullFixture
{
    [TestCase("pull.csv", 1), TestCase("pull.parquet", 1), TestCase("pull.csv", 4), TestCase("pull.parquet", 4), Platform(Exclude = "Win", Reason = "Its kill is another.")]
    public async Task Killed_at_any_moment_again_and_again_it_loses_no_row_and_repeats_none(string file, int workers)
    {
        string[] arguments = ["--table", "hosp_admissions", "--order-by", "hadm_id", "--page", "3", "--out", file];
        byte[] inOneGo = await PullInOneGoAsync(file, arguments);
        arguments = [.. arguments, "--workers", $"{workers}"];

        // A pull tells too seldom where it stands: its queries tell it better.
        int queriesLeft = 0;
        TaskCompletionSource arrived = new();
        await using RecordingServer between = await RecordingServer.StartAsync(async context =>
        {
            using var body = new StreamReader(context.Request.Body);
            string message = await body.ReadToEndAsync();
            if (message.Contains("\"tools/call\"", StringComparison.Ordinal) && Interlocked.Decrement(ref queriesLeft) == 0)
                arrived.TrySetResult();
            await ForwardAsync(context, message);
        });
        Dictionary<string, string> environment = new(Environment()) { ["M3_URL"] = new Uri(between.Address, "sse").AbsoluteUri };

        List<long> rows = [];
        var random = new Random(4);
        bool isDone = false;
        while (!isDone)
        {
            (queriesLeft, arrived) = (random.Next(3, 60), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            await using Example example = Start(environment, arguments);
            Task<ExampleResult> end = example.FinishAsync();
            if (await Task.WhenAny(arrived.Task, end) == arrived.Task)
            {
                // A part of a page later, so that a kill meets every step of one.
                Thread.SpinWait(random.Next(2_000_000));
                example.Kill();
            }

            ExampleResult result = await end;
            Assert.That(result.ExitCode, Is.EqualTo(0).Or.EqualTo(137), result.All);
            // It may have come to its end before the kill.
            isDone = !File.Exists(In(file + ".state"));
            if (!isDone)
                rows.Add(CertainRows());
        }

        TestContext.Out.WriteLine($"killed {rows.Count} times, with {string.Join(", ", rows)} rows in the file");
        Assert.That(rows, Has.Count.GreaterThan(2));
        Assert.That(rows, Is.Ordered.Ascending);
        Assert.That(await File.ReadAllBytesAsync(In(file)), Is.EqualTo(inOneGo));
        Assert.That(Directory.EnumerateFiles(Folder), Is.EquivalentTo([In(file)]), "nothing is left to resume");
    }

    [Test]
    public async Task Killed_while_it_made_the_Parquet_file_of_its_rows_it_makes_it_again()
    {
        string[] arguments = ["--table", "hosp_patients", "--order-by", "subject_id", "--out", "pull.parquet"];
        byte[] inOneGo = await PullInOneGoAsync("pull.parquet", arguments);

        // All rows are there, and the last step fails: what it leaves is what a kill there leaves.
        Directory.CreateDirectory(In("pull.parquet.new"));
        AssertFails(await PullAsync(Environment(), arguments), 2, "pull.parquet.new", "300 rows are in pull.parquet.rows; the same command goes on from there.");
        Directory.Delete(In("pull.parquet.new"));
        await File.WriteAllTextAsync(In("pull.parquet.new"), "PAR1 and no more");
        await File.WriteAllTextAsync(In("pull.parquet"), "moved here, and the rest not yet removed");
        ExampleResult result = await PullAsync(Environment(), arguments);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(await File.ReadAllBytesAsync(In("pull.parquet")), Is.EqualTo(inOneGo));
        Assert.That(Directory.EnumerateFiles(Folder), Is.EquivalentTo([In("pull.parquet")]));
    }

    // In the file, and in the parts beside it.
    private long CertainRows() => Directory.EnumerateFiles(Folder, "*.state").Sum(state =>
    {
        using JsonDocument content = JsonDocument.Parse(File.ReadAllText(state));
        return content.RootElement.GetProperty("Rows").GetInt64();
    });
}
