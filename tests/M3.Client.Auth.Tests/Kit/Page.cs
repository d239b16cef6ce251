using System.Runtime.CompilerServices;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>A file of the repository that a test holds against the code.</summary>
internal static class Page
{
    public static string Read(string path) => File.ReadAllText(Path.GetFullPath($"../../../{path}", Folder())).ReplaceLineEndings("\n");

    /// <summary>The cells of a page's table rows under a heading, until the next heading.</summary>
    public static IEnumerable<string[]> Rows(string path, string heading) =>
        Read(path).Split('\n').SkipWhile(line => line != heading).Skip(1).TakeWhile(line => !line.StartsWith('#'))
            .Where(line => line.StartsWith('|')).Skip(2).Select(line => line.Split('|')[1..^1].Select(cell => cell.Trim()).ToArray());

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
