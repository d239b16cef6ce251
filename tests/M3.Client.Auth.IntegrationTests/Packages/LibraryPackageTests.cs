using System.IO.Compression;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace M3.Client.Auth.IntegrationTests.Packages;

/// <summary>What a reviewer of NuGet's authoring practices looks for in the library's package.</summary>
public sealed partial class LibraryPackageTests
{
    private const string Package = $"M3.Client.Auth.{PackageFeed.Version}.nupkg";
    private static readonly string[] Platforms = ["linux-x64", "linux-arm64", "win-x64", "osx-x64", "osx-arm64"];

    [Test]
    public void It_has_the_portable_assembly_its_documentation_and_a_compiled_image_for_each_platform()
    {
        using ZipArchive package = PackageFeed.Open(Package);
        Dictionary<string, long> assemblies = package.Entries.Where(entry => entry.Name == "M3.Client.Auth.dll").ToDictionary(entry => entry.FullName, entry => entry.Length);
        foreach ((string path, long bytes) in assemblies)
            TestContext.Out.WriteLine($"{bytes,8} {path}");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(assemblies.Keys, Is.EquivalentTo(Platforms.Select(platform => $"runtimes/{platform}/lib/net10.0/M3.Client.Auth.dll").Append("lib/net10.0/M3.Client.Auth.dll")));
            // The compiled code stands beside the IL.
            Assert.That(assemblies.Where(assembly => assembly.Key.StartsWith("runtimes/", StringComparison.Ordinal)).Select(assembly => assembly.Value),
                Has.All.GreaterThan(3 * assemblies["lib/net10.0/M3.Client.Auth.dll"] / 2));
            Assert.That(package.GetEntry("lib/net10.0/M3.Client.Auth.xml"), Is.Not.Null);
        }
    }

    [Test]
    public void It_says_what_it_is_whose_it_is_and_where_it_comes_from()
    {
        using ZipArchive package = PackageFeed.Open(Package);
        XElement metadata = XDocument.Load(package.GetEntry("M3.Client.Auth.nuspec")!.Open()).Root!.Elements().Single(element => element.Name.LocalName == "metadata");
        string? Value(string name) => metadata.Elements().SingleOrDefault(element => element.Name.LocalName == name)?.Value;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Value("version"), Is.EqualTo(PackageFeed.Version));
            Assert.That(Value("license"), Is.EqualTo("MIT"));
            foreach (string address in (string[])["projectUrl", "releaseNotes"])
                Assert.That(Value(address), Does.StartWith("https://"), address);
            foreach (string text in (string[])["authors", "copyright", "description", "tags"])
                Assert.That(Value(text), Is.Not.Empty, text);
            foreach (string file in (string[])["icon", "readme"])
                Assert.That(package.GetEntry(Value(file)!), Is.Not.Null, file);
            XElement repository = metadata.Elements().Single(element => element.Name.LocalName == "repository");
            Assert.That(repository.Attribute("url")?.Value, Is.EqualTo(Value("projectUrl")));
            Assert.That(metadata.Descendants().Where(element => element.Name.LocalName == "dependency").Select(element => element.Attribute("id")!.Value), Is.EquivalentTo(
                ["Duende.IdentityModel", "Microsoft.Extensions.Configuration.EnvironmentVariables", "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Http", "Microsoft.Extensions.Http.Polly",
                "System.Security.Cryptography.ProtectedData", "System.Threading.RateLimiting"]));
            Assert.That(metadata.Descendants().Single(element => element.Attribute("id")?.Value == "Microsoft.Extensions.Http.Polly").Attribute("exclude")!.Value, Does.Contain("Compile"),
                "Polly 7 stands in the way of Polly 8 in a user's code");
        }
    }

    [Test]
    public void Its_README_leads_to_the_repository_from_wherever_it_is_shown()
    {
        using ZipArchive package = PackageFeed.Open(Package);
        using var reader = new StreamReader(package.GetEntry("README.md")!.Open());
        string[] links = [.. Link().Matches(reader.ReadToEnd()).Select(match => match.Groups[1].Value)];

        Assert.That(links, Has.Length.GreaterThan(10).And.All.Match("^(https://|#)"));
    }

    [Test]
    public void Its_symbols_are_a_package_of_their_own()
    {
        using ZipArchive symbols = PackageFeed.Open(Path.ChangeExtension(Package, ".snupkg"));

        Assert.That(symbols.GetEntry("lib/net10.0/M3.Client.Auth.pdb"), Is.Not.Null);
    }

    [GeneratedRegex(@"\]\(([^)]+)\)")]
    private static partial Regex Link();
}
