using System.Text.RegularExpressions;

namespace M3.Client.Auth.IntegrationTests.Packages;

/// <summary>The README's programs, exactly as printed, each under the file name that stands before it.</summary>
internal static partial class ReadmeProgram
{
    private static readonly string Readme = File.ReadAllText(PackageFeed.Repository("README.md")).ReplaceLineEndings("\n");

    private static readonly Dictionary<string, string> All = Program().Matches(Readme)
        .ToDictionary(match => match.Groups["file"].Value, match => match.Groups["code"].Value);

    /// <summary>Writes a program to a folder, and returns the file's path.</summary>
    public static string Save(string file, string folder)
    {
        string path = Path.Combine(folder, file);
        File.WriteAllText(path, All[file]);
        return path;
    }

    /// <summary>The <c>dotnet</c> commands that are printed before the service's program, without <c>dotnet</c>.</summary>
    public static IEnumerable<string[]> ServiceCommands =>
        Command().Matches(Service().Match(Readme).Value).Select(match => match.Groups["arguments"].Value.Split(' '));

    /// <summary>What is printed for whoever has no token.</summary>
    public static string[] SignInCommands => [.. Readme[Readme.IndexOf("No token? ", StringComparison.Ordinal)..].Split('\n').SkipWhile(line => !line.StartsWith("    ", StringComparison.Ordinal))
        .TakeWhile(line => line.StartsWith("    ", StringComparison.Ordinal)).Select(line => line.Trim())];

    public static bool Is(string code) => All.ContainsValue(code);

    [GeneratedRegex(@"`(?<file>\w+\.cs)`[^\n]*:\n\n```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Program();

    [GeneratedRegex(@"\*\*In a service\.\*\*.*?`Program\.cs`", RegexOptions.Singleline)]
    private static partial Regex Service();

    [GeneratedRegex("`dotnet (?<arguments>[^`]+)`")]
    private static partial Regex Command();
}
