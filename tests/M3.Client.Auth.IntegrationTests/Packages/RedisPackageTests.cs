using System.IO.Compression;
using System.Xml.Linq;
using M3.Client.Auth.IntegrationTests.Docs;
using M3.Client.Auth.IntegrationTests.Redis;

namespace M3.Client.Auth.IntegrationTests.Packages;

/// <summary>The package for many machines, and its README's script on it.</summary>
public sealed class RedisPackageTests
{
    private const string Readme = "src/M3.Client.Auth.Redis/README.md";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Test]
    public void It_brings_the_library_and_what_it_stands_on()
    {
        using ZipArchive package = PackageFeed.Open($"M3.Client.Auth.Redis.{PackageFeed.Version}.nupkg");
        XElement nuspec = XDocument.Load(package.GetEntry("M3.Client.Auth.Redis.nuspec")!.Open()).Root!;

        Assert.That(package.GetEntry("lib/net10.0/M3.Client.Auth.Redis.xml"), Is.Not.Null);
        Assert.That(nuspec.Descendants().Where(element => element.Name.LocalName == "dependency").Select(element => element.Attribute("id")!.Value), Is.SupersetOf(
            (string[])["M3.Client.Auth", "Microsoft.AspNetCore.DataProtection", "Microsoft.Extensions.Http", "StackExchange.Redis"]));
    }

    [Test]
    public void Without_it_nothing_of_Redis_comes_along()
    {
        using ZipArchive package = PackageFeed.Open($"M3.Client.Auth.{PackageFeed.Version}.nupkg");
        using var nuspec = new StreamReader(package.GetEntry("M3.Client.Auth.nuspec")!.Open());

        Assert.That(nuspec.ReadToEnd(), Does.Not.Contain("StackExchange").And.Not.Contain("DataProtection\""));
    }

    [Test]
    public async Task Its_READMEs_script_prints_rows_and_takes_its_permit_from_Redis()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        string folder = PackageFeed.NewFolder("fleet");
        await File.WriteAllTextAsync(Path.Combine(folder, "fleet.cs"), MarkdownPage.Open(Readme).Blocks.Single(block => block.IsProgram).Text);

        await using Example script = PackageFeed.Start(["run", "fleet.cs"], folder,
            [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", m3.CreateToken()), new("M3_URL", m3.Endpoint.AbsoluteUri), new("M3_REDIS", redis.Configuration)]);
        ExampleResult result = await script.FinishAsync(Patience);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("WHITE"));
        Assert.That(await redis.KeysAsync(), Has.Some.Contains(":permits:"));
    }

    [Test]
    public void What_its_README_prints_for_a_service_stands_on_the_page_too() =>
        Assert.That(MarkdownPage.Open("docs/many-machines.md").Blocks.Select(block => block.Text), Does.Contain(MarkdownPage.Open(Readme).Blocks.First(block => !block.IsProgram).Text));
}
