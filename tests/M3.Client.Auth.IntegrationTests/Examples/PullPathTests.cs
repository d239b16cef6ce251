using System.Diagnostics;

namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>Where a pull cannot write: a full disk, a folder that is not there.</summary>
public sealed class PullPathTests : PullFixture
{
    private static readonly string[] Admissions = ["--table", "hosp_admissions", "--order-by", "hadm_id", "--out"];

    // 50 rows of the table have about 9 KB of CSV and 22 of JSON, and a tmpfs gives whole pages of 4: each size is used up by another file.
    [TestCase("pull.csv", "28k", "pull.csv", "100 rows are in ", TestName = "A_full_disk_is_told_of_the_CSV_file")]
    [TestCase("pull.csv", "40k", "pull.csv.state.new", "150 rows are in ", TestName = "A_full_disk_is_told_of_the_state")]
    [TestCase("pull.parquet", "40k", "pull.parquet.rows", "50 rows are in ", TestName = "A_full_disk_is_told_of_the_rows_of_a_Parquet_file")]
    [TestCase("pull.parquet", "208k", "pull.parquet.new", "450 rows are in ", TestName = "A_full_disk_is_told_of_the_Parquet_file")]
    public async Task A_full_disk_is_told_of_the_file_that_met_with_it(string file, string size, string culprit, string kept)
    {
        string disk = Directory.CreateDirectory(In("disk")).FullName;
        if (!Mount("-t", "tmpfs", "-o", $"size={size}", "tmpfs", disk))
            Assert.Ignore("No small disk can be mounted here: that takes Linux and its root.");
        try
        {
            ExampleResult full = await PullAsync(Environment(), [.. Admissions, $"disk/{file}"]);
            AssertFails(full, 2, "No space left on device", $"disk/{culprit}", kept);
            Assert.That(full.Error.Split('\n')[0], Does.Match($"disk/{culprit}['\"]").And.Contains("Make room or grant access there, and start the same command again."));

            Mount("-o", "remount,size=4m", disk);
            ExampleResult resumed = await PullAsync(Environment(), [.. Admissions, $"disk/{file}"]);
            ExampleResult inOneGo = await PullAsync(Environment(), [.. Admissions, file]);
            Assert.That((resumed.ExitCode, inOneGo.ExitCode), Is.EqualTo((0, 0)), resumed.All + inOneGo.All);
            Assert.That(DuckDb.Rows(Path.Combine(disk, file)), Is.EqualTo(DuckDb.Rows(In(file))));
            Assert.That(Directory.EnumerateFiles(disk).Count(), Is.EqualTo(1));
        }
        finally
        {
            Run("umount", disk);
        }
    }

    [TestCase("pull.csv"), TestCase("pull.parquet")]
    public async Task A_folder_that_is_not_there_is_named_before_anything_is_asked(string file)
    {
        int before = M3.Received.Count;

        ExampleResult result = await PullAsync(Environment(), [.. Admissions, $"results/2150/{file}"]);

        AssertFails(result, 2, $"The folder {In("results/2150")} does not exist. Make it, or name another file with --out.");
        Assert.That(M3.Received, Has.Count.EqualTo(before));
    }

    [Test]
    public async Task A_folder_where_a_file_should_be_is_named()
    {
        Directory.CreateDirectory(In("results"));

        AssertFails(await PullAsync(Environment(), [.. Admissions, "results"]), 2, "results is a folder. Name a file with --out.");
    }

    private static bool Mount(params string[] arguments) => OperatingSystem.IsLinux() && Run("mount", arguments);

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
