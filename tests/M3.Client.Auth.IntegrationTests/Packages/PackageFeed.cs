using System.IO.Compression;
using System.Runtime.CompilerServices;

namespace M3.Client.Auth.IntegrationTests.Packages;

/// <summary>
/// The packages as they are published, made once from a copy of the sources, in a folder that new projects restore from. Beside it those
/// projects find what this machine has already, and nothing else of the repository.
/// </summary>
[SetUpFixture]
public sealed class PackageFeed
{
    public const string Version = "0.1.0";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);
    private static readonly string Root = Directory.CreateTempSubdirectory("m3-packages-").FullName;

    public static string Folder { get; } = Path.Combine(Root, "feed");

    [OneTimeSetUp]
    public async Task PackAsync()
    {
        string sources = Path.Combine(Root, "sources");
        foreach (string file in (string[])["README.md", "Directory.Build.props", "Directory.Packages.props", "global.json", ".editorconfig"])
            Copy(file, sources);
        foreach (string file in Directory.EnumerateFiles(Repository("src"), "*", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(Repository(""), file);
            if (!relative.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
                Copy(relative, sources);
        }

        foreach (string project in Directory.EnumerateFiles(Path.Combine(sources, "src"), "*.csproj", SearchOption.AllDirectories))
            await RunAsync(["pack", project, "-c", "Release", $"-p:MinVerVersionOverride={Version}", "-o", Folder, "--nologo"], NewFolder("pack"));

        await File.WriteAllTextAsync(Path.Combine(Root, "nuget.config"), $"""
            <configuration>
              <packageSources>
                <add key="packed" value="{Folder}" />
              </packageSources>
            </configuration>
            """);
    }

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(Root, recursive: true);

    /// <summary>An empty folder whose programs restore from the feed.</summary>
    public static string NewFolder(string name)
    {
        string folder = Path.Combine(Root, "users", $"{name}-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        return folder;
    }

    public static ZipArchive Open(string package) => ZipFile.OpenRead(Path.Combine(Folder, package));

    /// <summary>Runs <c>dotnet</c> as a user does, who has never seen these packages.</summary>
    internal static Example Start(IEnumerable<string> arguments, string folder, IEnumerable<KeyValuePair<string, string>>? environment = null)
    {
        // What the machine has of others' packages may be read; ours come from the feed, and go where no other run finds them.
        string cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        return Example.StartDotnet(arguments, [.. environment ?? [],
            new("NUGET_PACKAGES", Path.Combine(Root, "packages")), new("NUGET_FALLBACK_PACKAGES", cache),
            new("DOTNET_NOLOGO", "1"), new("DOTNET_CLI_TELEMETRY_OPTOUT", "1"), new("MSBUILDDISABLENODEREUSE", "1")], folder);
    }

    /// <summary>Runs it to its end, which must be a good one.</summary>
    internal static async Task<ExampleResult> RunAsync(IEnumerable<string> arguments, string folder)
    {
        await using Example dotnet = Start(arguments, folder);
        ExampleResult result = await dotnet.FinishAsync(Patience);
        Assert.That(result.ExitCode, Is.Zero, $"dotnet {string.Join(' ', arguments)}\n{result.All}");
        return result;
    }

    public static string Repository(string path, [CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../..", path));

    private static void Copy(string file, string to)
    {
        string target = Path.Combine(to, file);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        File.Copy(Repository(file), target);
    }
}
