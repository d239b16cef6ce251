using System.Globalization;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace DataPull;

/// <summary>One of the ranges that a table's ordered rows are cut into; or, with the number 0, all of them in one file.</summary>
internal sealed partial record Part(int Number, int Of)
{
    public const int Most = 64;

    // A part begins where one of M3's longest pages does, so that the parts together take no more calls than the table in one go.
    private const int Grain = M3Table.LongestPage;

    [JsonIgnore]
    public bool IsWhole => Number == 0;

    /// <summary>The file that so many parts make together.</summary>
    public static Part Whole(int of) => new(0, of);

    public static IEnumerable<Part> All(int of) => Enumerable.Range(1, of).Select(number => new Part(number, of));

    /// <summary>Reads 2/4; null where it is no part.</summary>
    public static Part? Parse(string? text) =>
        Fraction().Match(text ?? "") is { Success: true } match && Create(match) is { Of: <= Most } part && part.Number <= part.Of ? part : null;

    /// <summary>The numbers of parts that a file seems to be cut into, from the names of the states beside it.</summary>
    public static IReadOnlyList<Part> Beside(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return [.. from file in Directory.EnumerateFiles(folder)
                   let match = FileName().Match(file)
                   where match.Success
                   let part = Create(match)
                   where Path.GetFullPath(PullState.PathOf(part.FileOf(path))) == file
                   orderby part.Of, part.Number
                   select part];
    }

    /// <summary>The first of its rows, and the one after its last.</summary>
    /// <param name="rows">How many the parts have together.</param>
    public (long First, long End) Range(long rows) => IsWhole ? (0, rows) : (EndOf(Number - 1, rows), EndOf(Number, rows));

    /// <summary>Its own file, beside the one that the parts make together.</summary>
    public string FileOf(string path) => IsWhole
        ? path
        : Path.Combine(
            Path.GetDirectoryName(path) ?? "",
            string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileNameWithoutExtension(path)}.part-{Number}-of-{Of}{Path.GetExtension(path)}"));

    public override string ToString() => this switch
    {
        { IsWhole: false } => string.Create(CultureInfo.InvariantCulture, $"part {Number}/{Of}"),
        { Of: 1 } => "a pull in one piece",
        _ => string.Create(CultureInfo.InvariantCulture, $"a pull in {Of} parts"),
    };

    // Rounded up: where the rows are too few for all, the first parts have them.
    private long EndOf(int number, long rows)
    {
        long pages = (rows + Grain - 1) / Grain;
        return Math.Min(rows, ((number * pages) + Of - 1) / Of * Grain);
    }

    private static Part Create(Match match) => new(
        int.Parse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture),
        int.Parse(match.Groups[2].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"^([1-9][0-9]?)/([1-9][0-9]?)\z")]
    private static partial Regex Fraction();

    // The last such: the file itself may be named like a part.
    [GeneratedRegex(@"\.part-([1-9][0-9]?)-of-([1-9][0-9]?)[^/\\]*\.state\z", RegexOptions.RightToLeft)]
    private static partial Regex FileName();
}
