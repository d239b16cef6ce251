using System.Xml.Linq;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>docs/getting-started.md: each of its programs runs, and the one that is to fail does.</summary>
public sealed class GettingStartedTests : LocalM3Fixture
{
    private static readonly MarkdownPage Page = MarkdownPage.Open("docs/getting-started.md");

    [TestCase("A script")]
    [TestCase("A project")]
    public async Task The_program_prints_rows(string section)
    {
        ExampleResult result = await PrintedProgram.RunAsync(Page.Single(section), M3, M3.CreateToken());

        Assert.That(result.Error, Is.Empty);
        Assert.That(result.Output, Does.Contain("first_careunit"));
        Assert.That(result.ExitCode, Is.Zero);
    }

    [Test]
    public async Task The_program_says_what_is_wrong_with_a_token()
    {
        ExampleResult result = await PrintedProgram.RunAsync(Page.Single("A script"), M3, token: null);

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error, Does.StartWith(Page.Single("When it does not work", "text").Text.TrimEnd()));
    }

    [Test]
    public async Task The_program_says_what_is_wrong_with_the_settings()
    {
        ExampleResult result = await PrintedProgram.RunAsync(Page.Single("A script"), M3, M3.CreateToken(), ("M3_OAUTH2_AUDIENCE", ""));

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.Error.Trim(), Is.EqualTo("M3_OAUTH2_AUDIENCE is required when OAuth2 is enabled"));
    }

    [Test]
    public async Task Without_reflection_the_generated_serializer_reads_rows()
    {
        ExampleResult result = await PrintedProgram.RunAsync(Page.In("JSON in a script", "csharp").Last(), M3, M3.CreateToken());

        Assert.That(result.Error, Is.Empty);
        Assert.That(result.Output.Trim().Split('\n'), Has.Length.EqualTo(3).And.All.Contains("days in"));
    }

    [Test]
    public async Task Without_reflection_the_other_one_fails_as_the_page_says()
    {
        ExampleResult result = await PrintedProgram.RunAsync(Page.In("JSON in a script", "csharp").First(), M3, token: null);

        Assert.That(result.Error, Does.Contain(Page.Single("JSON in a script", "text").Text.TrimEnd()));
    }

    [Test]
    public async Task The_F_sharp_script_prints_rows()
    {
        string folder = Directory.CreateTempSubdirectory("m3-docs-").FullName;
        try
        {
            string script = Path.Combine(folder, "pull.fsx");
            // The packages are not published while this runs: their assemblies stand in.
            await File.WriteAllTextAsync(script, Page.Single("F#", "fsharp").Text
                .Replace("#r \"nuget: M3.Client.Auth\"", "#r \"M3.Client.Auth.dll\"", StringComparison.Ordinal)
                .Replace($"#r \"nuget: ModelContextProtocol, {McpVersion()}\"", "#r \"ModelContextProtocol.Core.dll\"", StringComparison.Ordinal));
            string framework = Path.GetDirectoryName(typeof(Microsoft.Extensions.Options.OptionsValidationException).Assembly.Location)!;
            Dictionary<string, string> environment = new(M3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = M3.CreateToken() };

            string[] arguments = ["fsi", "--nologo", $"--lib:{AppContext.BaseDirectory}", $"--lib:{framework}", script];
            await using Example fsi = Example.StartDotnet(arguments, environment, folder);
            ExampleResult result = await fsi.FinishAsync(TimeSpan.FromMinutes(3));

            Assert.That(result.Error, Is.Empty);
            Assert.That(result.Output, Does.Contain("first_careunit"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void The_versions_are_those_that_this_repository_is_tested_with()
    {
        string[] printed = [.. MarkdownPage.Docs().SelectMany(page => page.Blocks).SelectMany(block => block.Text.Split('\n'))
            .Where(line => line.Contains("ModelContextProtocol", StringComparison.Ordinal) && line.StartsWith('#'))];

        Assert.That(printed, Is.Not.Empty.And.All.Contains(McpVersion()));
    }

    private static string McpVersion() => XDocument.Load(Path.Combine(MarkdownPage.Root, "Directory.Packages.props")).Descendants("PackageVersion")
        .Single(package => (string?)package.Attribute("Include") == "ModelContextProtocol").Attribute("Version")!.Value;
}
