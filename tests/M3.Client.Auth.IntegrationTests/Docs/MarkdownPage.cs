using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>A page of the documentation, taken apart as its readers see it: sections, code blocks, tables and links.</summary>
internal sealed partial class MarkdownPage
{
    private MarkdownPage(string path)
    {
        Path = path;
        Read(File.ReadAllLines(System.IO.Path.Combine(Root, path)));
    }

    /// <summary>The repository's folder.</summary>
    public static string Root { get; } = System.IO.Path.GetFullPath(System.IO.Path.Combine(Folder(), "../../.."));

    /// <summary>Relative to the repository, with slashes.</summary>
    public string Path { get; }

    public List<CodeBlock> Blocks { get; } = [];

    /// <summary>What <c>#...</c> may name here, by GitHub's rule.</summary>
    public HashSet<string> Anchors { get; } = [];

    /// <summary>The targets of its links, as written.</summary>
    public List<string> Links { get; } = [];

    /// <summary>The cells of each row of a table.</summary>
    public List<string[]> Rows { get; } = [];

    public static MarkdownPage Open(string path) => new(path);

    /// <summary>Every page of the repository.</summary>
    public static IEnumerable<MarkdownPage> All() => Under("").Select(Open);

    /// <summary>The pages of docs/.</summary>
    public static IEnumerable<MarkdownPage> Docs() => Under("docs").Select(Open);

    /// <summary>The blocks of one language within a section and what stands below it.</summary>
    public IEnumerable<CodeBlock> In(string section, string language) =>
        Blocks.Where(block => block.Language == language && block.Sections.Contains(section));

    /// <summary>The one block of a language right under a heading.</summary>
    public CodeBlock Single(string section, string language = "csharp") =>
        Blocks.Single(block => block.Language == language && block.Sections[^1] == section);

    public override string ToString() => Path;

    private static IEnumerable<string> Under(string folder) =>
        from file in Directory.EnumerateFiles(System.IO.Path.Combine(Root, folder), "*.md", SearchOption.AllDirectories)
        let path = System.IO.Path.GetRelativePath(Root, file).Replace('\\', '/')
        where !path.Split('/').Any(part => part is "bin" or "obj" or "node_modules" || part.StartsWith('.'))
        orderby path
        select path;

    private static string Folder([CallerFilePath] string file = "") => System.IO.Path.GetDirectoryName(file)!;

    private void Read(string[] lines)
    {
        List<(int Level, string Title)> open = [];
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i];
            if (line.StartsWith("```", StringComparison.Ordinal))
            {
                int end = Array.FindIndex(lines, i + 1, text => text.StartsWith("```", StringComparison.Ordinal));
                Assert.That(end, Is.Positive, $"{Path}, line {i + 1}: the block has no end");
                string text = string.Join('\n', lines[(i + 1)..end]) + "\n";
                Blocks.Add(new CodeBlock(this, i + 1, line[3..].Split(' '), text, [.. open.Select(section => section.Title)]));
                i = end;
            }
            else if (Heading().Match(line) is { Success: true } heading)
            {
                int level = heading.Groups[1].Length;
                open.RemoveAll(section => section.Level >= level);
                open.Add((level, heading.Groups[2].Value));
                AddAnchor(heading.Groups[2].Value);
            }
            else if (line.StartsWith('|'))
            {
                Rows.Add([.. line.Trim().Trim('|').Split(" | ").Select(cell => cell.Trim())]);
                AddLinks(line);
            }
            else
            {
                AddLinks(line);
            }
        }
    }

    private void AddAnchor(string title)
    {
        string text = LinkText().Replace(title, "$1").Replace("`", "").ToLowerInvariant();
        string anchor = NotInAnchors().Replace(text, "").Replace(' ', '-');
        string unique = anchor;
        for (int n = 1; !Anchors.Add(unique); n++)
            unique = $"{anchor}-{n}";
    }

    private void AddLinks(string line)
    {
        foreach (Match link in Link().Matches(InlineCode().Replace(line, "")))
            Links.Add(link.Groups[1].Value);
    }

    [GeneratedRegex("^(#+) (.+)$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\[([^\]]*)\]\([^)]*\)")]
    private static partial Regex LinkText();

    [GeneratedRegex("`[^`]*`")]
    private static partial Regex InlineCode();

    [GeneratedRegex(@"[^\p{L}\p{N}_\- ]")]
    private static partial Regex NotInAnchors();
}

/// <summary>A block of code on a page.</summary>
/// <param name="Line">Where it begins, from 1.</param>
/// <param name="Info">Its language, and what the tests are to know besides: <c>program</c>, <c>before</c>.</param>
/// <param name="Text">What it holds, to the letter.</param>
/// <param name="Sections">The headings above it, from the page's title down.</param>
internal sealed record CodeBlock(MarkdownPage Page, int Line, string[] Info, string Text, string[] Sections)
{
    public string Language => Info[0];

    /// <summary>Whether it is a whole file, as opposed to some statements.</summary>
    public bool IsProgram => Info.Contains("program");

    /// <summary>Whether it shows another library's use that cannot be compiled here.</summary>
    public bool IsForeign => Info.Contains("foreign");

    public override string ToString() => $"{Page.Path}:{Line}";
}
