using System.IO.Compression;

namespace M3.Client.Auth.IntegrationTests.Packages;

/// <summary>The tool from its package, installed and run as its README says.</summary>
public sealed class ToolPackageTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Test]
    public async Task It_is_installed_under_the_name_that_it_is_started_by()
    {
        string folder = PackageFeed.NewFolder("tool");
        await PackageFeed.RunAsync(["tool", "install", "m3-token", "--tool-path", folder], folder);
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        string token = m3.CreateToken();

        ExampleResult version = await RunAsync(folder, ["--version"], []);
        ExampleResult check = await RunAsync(folder, [], [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", token)]);
        ExampleResult missing = await RunAsync(folder, ["check"], m3.ClientEnvironment);

        Assert.That(version.Output.Trim(), Does.StartWith(PackageFeed.Version));
        Assert.That(check.ExitCode, Is.Zero, check.All);
        Assert.That(check.All.Contains(token.Split('.')[2], StringComparison.Ordinal), Is.False);
        Assert.That(missing.ExitCode, Is.EqualTo(10), missing.All);
        Assert.That(missing.Output, Does.StartWith("FAILED: Missing OAuth2 access token"));
    }

    [Test]
    public async Task It_runs_without_being_installed()
    {
        await using Example tool = PackageFeed.Start(["tool", "exec", "-y", "m3-token", "--", "--version"], PackageFeed.NewFolder("exec"));

        ExampleResult result = await tool.FinishAsync(Patience);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain(PackageFeed.Version));
    }

    [Test]
    public void Its_package_has_an_icon_a_licence_and_a_README_that_leads_somewhere()
    {
        using ZipArchive package = PackageFeed.Open($"m3-token.{PackageFeed.Version}.nupkg");
        using var readme = new StreamReader(package.GetEntry("README.md")!.Open());

        Assert.That(readme.ReadToEnd(), Does.Contain("](https://").And.Not.Contain("](.."));
        Assert.That(package.GetEntry("icon.png"), Is.Not.Null);
    }

    private static async Task<ExampleResult> RunAsync(string folder, IEnumerable<string> arguments, IEnumerable<KeyValuePair<string, string>> environment)
    {
        await using Example tool = Example.StartProgram(Path.Combine(folder, "m3-token"), arguments, environment);
        return await tool.FinishAsync(Patience);
    }
}
