using M3.Client.Auth.IntegrationTests.Examples;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>The page on pulling a table: its commands, as printed, one after the other.</summary>
public sealed class DataPullPageTests : PullFixture
{
    /// <summary>How each of its commands begins.</summary>
    public const string Command = "dotnet run --project examples/DataPull -- ";

    private static readonly MarkdownPage Page = MarkdownPage.Open("docs/data-pull.md");

    [Test]
    public async Task Its_commands_make_the_same_file_by_one_worker_by_several_and_on_several_machines()
    {
        byte[] byOne = await RunAsync(Page.Blocks[..1]);
        byte[] byWorkers = await RunAsync(Page.In("Several workers", "sh"));
        byte[] onMachines = await RunAsync(Page.In("Several machines", "sh"));

        Assert.That(byOne.Count(octet => octet == '\n'), Is.EqualTo(451));
        Assert.That(byWorkers, Is.EqualTo(byOne));
        Assert.That(onMachines, Is.EqualTo(byOne));
        Assert.That(Page.Blocks, Has.Count.EqualTo(5), "every command is run here");
    }

    private async Task<byte[]> RunAsync(IEnumerable<CodeBlock> blocks)
    {
        foreach (CodeBlock block in blocks)
        {
            Assert.That(block.Text.Trim(), Does.StartWith(Command));
            ExampleResult result = await PullAsync(Environment(), block.Text.Trim()[Command.Length..].Split(' '));
            Assert.That(result.ExitCode, Is.Zero, result.All);
        }

        byte[] bytes = await File.ReadAllBytesAsync(In("admissions.csv"));
        Assert.That(Directory.EnumerateFiles(Folder), Is.EqualTo([In("admissions.csv")]));
        File.Delete(In("admissions.csv"));
        return bytes;
    }
}
