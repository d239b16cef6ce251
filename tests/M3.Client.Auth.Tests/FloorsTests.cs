using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace M3.Client.Auth.Tests;

/// <summary>The library has floors: a file names types of its own room and of those below, so that no rooms know each other in a ring.</summary>
[Parallelizable(ParallelScope.All)]
public sealed partial class FloorsTests
{
    private const string Top = "(the handler)";

    // From the top down; the rooms of one floor do not know each other.
    private static readonly string[][] Floors =
    [
        ["Registration"],
        [Top],
        ["Answers"],
        ["Tokens"],
        ["Settings"],
        ["Sources"],
        ["Budget", "Origins", "Validation"],
        ["Sharing"],
        ["Keys"],
        ["Issuer"],
        ["Jwt"],
        ["Errors"],
        ["Diagnostics"],
        ["Primitives"],
    ];

    [Test]
    public void A_room_names_only_rooms_below()
    {
        SourceFile[] files = [.. ReadSources()];
        var roomOf = files.SelectMany(file => file.Declares.Select(type => (Type: type, file.Room))).ToDictionary(pair => pair.Type, pair => pair.Room);

        string[] upwards =
        [
            .. from file in files
               from name in file.Names.Distinct()
               where roomOf.TryGetValue(name, out string? room) && room != file.Room && FloorOf(room) <= FloorOf(file.Room)
               select $"{file.Path} (room {file.Room}) names {name} of the room {roomOf[name]}, which is not below",
        ];

        Assert.That(upwards, Is.Empty);
        Assert.That(files, Has.Length.GreaterThan(60), "the sources were read");
        Assert.That(files.Sum(file => file.Names.Count(roomOf.ContainsKey)), Is.GreaterThan(1000), "and understood");
    }

    [Test]
    public void Every_room_has_its_floor() =>
        Assert.That(ReadSources().Select(file => file.Room).Distinct(), Is.EquivalentTo(Floors.SelectMany(floor => floor)));

    [Test]
    public void No_file_is_longer_than_a_reader_takes_in() =>
        Assert.That(ReadSources().Where(file => file.Lines > 280).Select(file => $"{file.Path} has {file.Lines} lines"), Is.Empty);

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;

    private static int FloorOf(string room) => Array.FindIndex(Floors, floor => floor.Contains(room));

    private static IEnumerable<SourceFile> ReadSources()
    {
        string root = Path.GetFullPath("../../src/M3.Client.Auth", Folder());
        foreach (string path in Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(root, path);
            string[] parts = relative.Split(Path.DirectorySeparatorChar);
            if (parts[0] is "obj" or "bin")
                continue;
            string text = File.ReadAllText(path);
            string code = CommentsAndText().Replace(text, " ");
            yield return new SourceFile(relative, parts.Length == 1 ? Top : parts[0], text.Count(c => c == '\n'),
                [.. Declaration().Matches(code).Select(match => match.Groups[1].Value)],
                [.. Word().Matches(code).Select(match => match.Value)]);
        }
    }

    // What an interpolated string holds in braces goes with it: too little is seen there rather than a word that is no type.
    [GeneratedRegex("""//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)'""")]
    private static partial Regex CommentsAndText();

    [GeneratedRegex(@"^(?:public|internal) [a-z ]*?(?:class|record struct|record|struct|interface|enum) (\w+)", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    // A member's name after a dot is no type of ours.
    [GeneratedRegex(@"(?<![\w.])[A-Z]\w*")]
    private static partial Regex Word();

    private sealed record SourceFile(string Path, string Room, int Lines, string[] Declares, string[] Names);
}
