namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>A table that several commands pull a part of each, as on several machines, and one joins.</summary>
public sealed class PartTests : PullFixture
{
    [TestCase("pull.csv"), TestCase("pull.parquet")]
    public async Task Two_processes_pull_a_part_each_and_joined_they_are_the_file_that_one_makes(string file)
    {
        byte[] inOneGo = await PullInOneGoAsync(file, Admissions(file));

        ExampleResult[] parts = await Task.WhenAll(PullAsync(Environment(), Admissions(file, "--part", "1/2")), PullAsync(Environment(), Admissions(file, "--part", "2/2")));
        // No M3 to call, and none started.
        ExampleResult joined = await PullAsync([], Admissions(file, "--join"));

        Assert.That(parts.Select(part => part.ExitCode), Is.All.Zero, parts[0].All + parts[1].All);
        Assert.That(parts[0].Output, Does.Contain("hosp_admissions, part 1/2, into pull.part-1-of-2").And.Contain("Done: part 1/2, 250 rows in pull.part-1-of-2"));
        Assert.That(parts[1].Output, Does.Contain("Done: part 2/2, 200 rows in pull.part-2-of-2").And.Contain($"--join makes {file} of them"));
        Assert.That((joined.ExitCode, joined.All), Is.EqualTo((0, Lines($"Done: 450 rows in {file}"))));
        Assert.That(await File.ReadAllBytesAsync(In(file)), Is.EqualTo(inOneGo));
        Assert.That(Directory.EnumerateFiles(Folder), Is.EqualTo([In(file)]), "the parts are gone");
    }

    [Test]
    public async Task A_part_that_is_killed_goes_on_and_one_that_is_done_stays()
    {
        byte[] inOneGo = await PullInOneGoAsync("pull.csv", Admissions("pull.csv"));

        ExampleResult killed = await StopWhileWaitingAsync(calls: 3, example => example.Kill(), Admissions("pull.csv", "--part", "1/2"));
        ExampleResult resumed = await PullAsync(Environment(), Admissions("pull.csv", "--part", "1/2"));
        byte[] part = await File.ReadAllBytesAsync(In("pull.part-1-of-2.csv"));
        ExampleResult again = await PullAsync(Environment(), Admissions("pull.csv", "--part", "1/2"));

        Assert.That(killed.Output, Does.Contain("100 of 250 rows, waits 60 min"));
        Assert.That(resumed.Output, Does.Contain("250 rows, goes on after 100").And.Contain("Done: part 1/2, 250 rows"), resumed.All);
        Assert.That(again.Output, Does.Contain("250 rows, goes on after 250").And.Contain("Done: part 1/2, 250 rows"), again.All);
        Assert.That(part, Is.EqualTo(inOneGo[..part.Length]), "the first part is how the file begins");
        Assert.That(await File.ReadAllBytesAsync(In("pull.part-1-of-2.csv")), Is.EqualTo(part));
    }

    [Test]
    public async Task Parts_of_at_most_so_many_rows_are_those_rows_and_the_last_may_be_empty()
    {
        byte[] inOneGo = await PullInOneGoAsync("pull.csv", Admissions("pull.csv", "--rows", "120"));

        List<string> counts = [];
        for (int part = 1; part <= 4; part++)
            counts.Add((await PullAsync(Environment(), Admissions("pull.csv", "--rows", "120", "--part", $"{part}/4"))).Output.Split("Done: ")[1].Split(" in ")[0]);
        ExampleResult joined = await PullAsync([], Admissions("pull.csv", "--rows", "120", "--join"));

        Assert.That(counts, Is.EqualTo(["part 1/4, 50 rows", "part 2/4, 50 rows", "part 3/4, 20 rows", "part 4/4, 0 rows"]));
        Assert.That(joined.Output, Is.EqualTo(Lines("Done: 120 rows in pull.csv")), joined.All);
        Assert.That(await File.ReadAllBytesAsync(In("pull.csv")), Is.EqualTo(inOneGo));
    }

    [Test]
    public async Task Join_names_each_part_that_is_not_there_yet_and_leaves_the_others_alone()
    {
        AssertFails(await PullAsync([], Admissions("pull.csv", "--join")), 2, "There is no part of pull.csv here: a file named like pull.part-1-of-4.csv, with its .state. --part I/N makes them.");

        await PullPartAsync("1/4");
        await StopWhileWaitingAsync(calls: 2, example => example.Kill(), Admissions("pull.csv", "--part", "2/4"));
        await PullPartAsync("4/4");
        await using (FileStream file = File.OpenWrite(In("pull.part-4-of-4.csv")))
            file.SetLength(file.Length - 1);
        string[] before = [.. Directory.EnumerateFiles(Folder).Order()];
        ExampleResult result = await PullAsync([], Admissions("pull.csv", "--join"));

        AssertFails(
            result, 2, "pull.csv is not joined: ", "part 2/4 is unfinished (50 of 100 rows in pull.part-2-of-4.csv)", "part 3/4 is missing (pull.part-3-of-4.csv)",
            "part 4/4 is cut off (pull.part-4-of-4.csv is shorter than pull.part-4-of-4.csv.state says)", "start the same command again");
        Assert.That(result.Error, Does.Not.Contain("1/4"));
        Assert.That(Directory.EnumerateFiles(Folder).Order(), Is.EqualTo(before));

        // A part without its state is as good as none.
        File.Delete(In("pull.part-1-of-4.csv.state"));
        AssertFails(await PullAsync([], Admissions("pull.csv", "--join")), 2, "part 1/4 is missing (pull.part-1-of-4.csv.state)");
    }

    [Test]
    public async Task Parts_of_a_table_that_changed_are_not_joined_and_not_gone_on_with()
    {
        await PullGrowingAsync(120, "1/2");
        ExampleResult other = await PullGrowingAsync(130, "2/2");
        ExampleResult same = await PullGrowingAsync(130, "1/2");
        ExampleResult joined = await PullAsync([], "--table", "growing", "--order-by", "n", "--join");

        Assert.That(other.ExitCode, Is.Zero, other.All);
        AssertFails(same, 2, "growing had 120 rows when growing.part-1-of-2.csv was begun, and 130 now. Name another file with --out, or remove growing.part-1-of-2.csv and growing.part-1-of-2.csv.state.");
        AssertFails(joined, 2, "growing had 130 rows when growing.part-2-of-2.csv was begun, and 120 in growing.part-1-of-2.csv.");

        File.Delete(In("growing.part-2-of-2.csv"));
        File.Delete(In("growing.part-2-of-2.csv.state"));
        await PullGrowingAsync(120, "2/2");
        Assert.That((await PullAsync([], "--table", "growing", "--order-by", "n", "--join")).ExitCode, Is.Zero);
        Assert.That(await File.ReadAllLinesAsync(In("growing.csv")), Is.EqualTo(["n", .. Enumerable.Range(0, 120).Select(n => $"{n}")]));

        async Task<ExampleResult> PullGrowingAsync(int rows, string part)
        {
            await using LocalM3Server m3 = await LocalM3Server.StartAsync(new() { MoreTables = $"CREATE TABLE growing AS SELECT n FROM range({rows}) AS numbers(n)" });
            Dictionary<string, string> environment = new(m3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = m3.CreateToken() };
            return await PullAsync(environment, "--table", "growing", "--order-by", "n", "--part", part);
        }
    }

    [Test]
    public async Task A_file_that_has_another_part_is_an_error()
    {
        await PullPartAsync("1/2");
        File.Copy(In("pull.part-1-of-2.csv"), In("pull.part-2-of-2.csv"));
        File.Copy(In("pull.part-1-of-2.csv.state"), In("pull.part-2-of-2.csv.state"));

        const string Expected = "pull.part-2-of-2.csv is part 1/2, and not part 2/2.";
        AssertFails(await PullAsync(Environment(), Admissions("pull.csv", "--part", "2/2")), 2, Expected);
        AssertFails(await PullAsync(Environment(), Admissions("pull.csv", "--workers", "2")), 2, Expected);
        AssertFails(await PullAsync([], Admissions("pull.csv", "--join")), 2, Expected);
    }

    [TestCase("--part", "1/3"), TestCase("--workers", "3"), TestCase("--workers", "1")]
    public async Task Parts_of_another_number_beside_the_file_are_an_error(params string[] arguments)
    {
        await PullPartAsync("2/2");

        AssertFails(
            await PullAsync(Environment(), Admissions("pull.csv", arguments)), 2,
            $"pull.part-2-of-2.csv is part 2/2 of pull.csv, which was begun in 2 parts and not in {arguments[1][^1]}. Go on with --workers 2 or --part I/2, name another file with --out");
        Assert.That(Directory.EnumerateFiles(Folder).Count(), Is.EqualTo(2), "nothing was begun");
    }

    [Test]
    public async Task Parts_of_two_numbers_or_of_other_rows_are_not_joined()
    {
        await PullPartAsync("1/2");
        await PullPartAsync("2/2");
        AssertFails(await PullAsync([], Admissions("pull.csv", "--rows", "100", "--join")), 2, "pull.part-1-of-2.csv was begun as a pull of 450 rows, and not of 100. Go on with the same --rows");
        AssertFails(await PullAsync(Environment(), Admissions("pull.csv", "--rows", "100", "--part", "1/2")), 2, "pull.part-1-of-2.csv was begun as a pull of 450 rows, and not of 100.");
        AssertFails(await PullAsync([], "--out", "pull.csv", "--join"), 2, "pull.part-1-of-2.csv is part of another pull, of hosp_admissions as csv, ordered by hadm_id.");

        File.Copy(In("pull.part-1-of-2.csv.state"), In("pull.part-1-of-3.csv.state"));
        AssertFails(await PullAsync([], Admissions("pull.csv", "--join")), 2, "pull.part-1-of-3.csv is part 1/3 of pull.csv, which was begun in 3 parts and not in 2.");
    }

    [Test]
    public async Task A_file_that_is_there_already_is_not_joined_over()
    {
        await PullPartAsync("1/1");
        await File.WriteAllTextAsync(In("pull.csv"), "mine\n");

        AssertFails(await PullAsync([], Admissions("pull.csv", "--join")), 2, "pull.csv exists already. Name another file with --out, or remove it.");
        Assert.That(await File.ReadAllTextAsync(In("pull.csv")), Is.EqualTo("mine\n"));
    }

    private static string[] Admissions(string file, params string[] more) => ["--table", "hosp_admissions", "--order-by", "hadm_id", "--out", file, .. more];

    private async Task PullPartAsync(string part)
    {
        ExampleResult result = await PullAsync(Environment(), Admissions("pull.csv", "--part", part));
        Assert.That(result.ExitCode, Is.Zero, result.All);
    }
}
