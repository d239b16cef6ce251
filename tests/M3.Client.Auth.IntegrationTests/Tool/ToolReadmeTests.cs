using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace M3.Client.Auth.IntegrationTests.Tool;

/// <summary>The tool's own README, as printed.</summary>
public sealed partial class ToolReadmeTests : ToolFixture
{
    public static IEnumerable<string> Commands => Block().Matches(Document()).SelectMany(block => block.Groups[1].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries));

    [Test, Platform(Exclude = "Win", Reason = "No bash there.")]
    [TestCaseSource(nameof(Commands))]
    public async Task Each_command_works(string command)
    {
        ExampleResult result = await RunInBashAsync(command);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        AssertShowsNoToken(result);
    }

    [Test, Platform(Exclude = "Win", Reason = "No bash there.")]
    public async Task The_completions_for_bash_work_and_stand_in_the_help_too()
    {
        string[] lines = [.. Document().Split('\n').SkipWhile(line => !line.StartsWith("    _m3_token()", StringComparison.Ordinal)).Take(2).Select(line => line.Trim())];

        ExampleResult result = await RunInBashAsync(string.Join('\n', [.. lines, "COMP_LINE='m3-token ca' COMP_POINT=11", "_m3_token", "echo \"${COMPREPLY[@]}\""]));
        ExampleResult help = await Example.RunToolAsync(null, "--help");

        Assert.That(result.Output.Trim(), Is.EqualTo("call"), result.All);
        Assert.That(lines[1], Is.EqualTo("complete -F _m3_token m3-token"));
        foreach (string line in lines)
            Assert.That(help.Output, Does.Contain(line));
    }

    [Test]
    public void There_are_commands() => Assert.That(Commands, Has.Exactly(7).Items);

    [Test]
    public async Task The_two_lines_are_those_of_an_expired_token()
    {
        string[] printed = [.. Document().Split('\n').Where(line => line.StartsWith("    FAILED", StringComparison.Ordinal) || line.StartsWith("    What", StringComparison.Ordinal))];

        ExampleResult result = await CheckAsync(M3.CreateToken(TimeSpan.FromMinutes(-12)));

        string[] lines = result.Output.ReplaceLineEndings("\n").Split('\n');
        Assert.That(printed, Has.Exactly(2).Items);
        Assert.That(Date().Replace(lines[0], "2026-11-23 08:00:00Z"), Is.EqualTo(printed[0].Trim()));
        Assert.That(lines[1], Does.StartWith(printed[1].Trim().TrimEnd('.')));
    }

    [Test]
    public async Task The_table_has_every_member_of_the_JSON_and_no_other()
    {
        JsonElement json = ReadJson(await CheckAsync(M3.CreateToken(), "--json"));

        IEnumerable<string> told = Row().Matches(Document()).SelectMany(row => Name().Matches(row.Groups[1].Value).Select(name => name.Groups[1].Value));
        Assert.That(told, Is.EquivalentTo(json.EnumerateObject().Select(member => member.Name)));
    }

    private async Task<ExampleResult> RunInBashAsync(string command)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("m3-token-");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "token.txt"), M3.CreateToken());
        Dictionary<string, string> environment = With(M3, M3.CreateToken());
        foreach ((string name, string value) in environment.ToArray())
            environment[name.Replace("M3_", "M4_", StringComparison.Ordinal)] = value;

        await using Example bash = Example.StartProgram("bash", ["-c", $$"""m3-token() { "{{Example.Dotnet}}" exec "{{Example.ToolProgram}}" "$@"; }; {{command}}"""], environment, folder.FullName);
        ExampleResult result = await bash.FinishAsync();

        folder.Delete(recursive: true);
        return result;
    }

    private static string Document([CallerFilePath] string here = "") =>
        File.ReadAllText(Path.Combine(Path.GetDirectoryName(here)!, "../../../src/M3.Client.Auth.Tool/README.md")).ReplaceLineEndings("\n");

    [GeneratedRegex("```bash\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")]
    private static partial Regex Date();

    // Of the table's first column.
    [GeneratedRegex(@"^\| (`[^|]*) \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`([A-Za-z]+)`")]
    private static partial Regex Name();
}
