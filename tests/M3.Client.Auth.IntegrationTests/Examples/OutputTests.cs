namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>What all examples print alike.</summary>
public sealed class OutputTests : PullFixture
{
    [TestCase("QuickStart"), TestCase("WrappedClient"), TestCase("LocalM3"), TestCase("LocalM3", "--m4"), TestCase("HttpClientFactory", "--urls", "http://127.0.0.1:0"), TestCase("DataPull", "--rows", "120")]
    [TestCase("QuickStart", "--help"), TestCase("WrappedClient", "--help"), TestCase("LocalM3", "--help"), TestCase("HttpClientFactory", "--help"), TestCase("DataPull", "--help")]
    public async Task No_line_ends_in_padding(string example, params string[] arguments)
    {
        await using Example process = Example.StartIn(Folder, example, null, arguments);
        List<string> lines = [];
        if (example is "LocalM3" or "HttpClientFactory" && arguments is not ["--help"])
        {
            string last = example == "LocalM3" ? "# Ctrl+C stops it." : "M3 is LocalM3";
            lines = await process.ReadUntilAsync(line => line.StartsWith(last, StringComparison.Ordinal));
            if (!OperatingSystem.IsWindows())
                process.Interrupt();
            else
                process.Kill();
        }

        ExampleResult result = await process.FinishAsync();
        lines.AddRange(result.All.ReplaceLineEndings("\n").Split('\n'));

        Assert.That(lines, Has.Count.GreaterThan(5));
        Assert.That(lines.Where(line => line != line.TrimEnd()).Select(line => $"{line}|"), Is.Empty);
        Assert.That(result.All.Contains('\x1b'), Is.False, "piped, it is plain text");
    }

    [Test]
    public async Task Every_example_tells_its_version([Values("QuickStart", "WrappedClient", "LocalM3", "HttpClientFactory", "DataPull")] string example)
    {
        ExampleResult result = await Example.RunAsync(example, null, "--version");

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Match(@"^\d+\.\d+\.\d+\S*\r?\n$"));
    }

    [Test]
    public async Task In_a_pipe_a_pull_of_150_pages_tells_where_it_stands_now_and_then()
    {
        ExampleResult result = await PullAsync(Environment(), "--table", "hosp_admissions", "--order-by", "hadm_id", "--page", "3");

        string[] lines = result.Output.TrimEnd().Split('\n');
        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(lines[1], Does.StartWith("3 of 450 rows, "));
        Assert.That(lines[^1], Does.StartWith("Done: 450 rows in hosp_admissions.csv"));
        // Once a minute at most: even a slow machine has not had 20.
        Assert.That(lines, Has.Length.LessThan(20));
    }
}
