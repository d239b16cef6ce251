namespace WrappedClient;

/// <summary>
/// Reads the table that a tool of M3 answers with: a line of column names, then a line per row, every cell aligned to the right
/// end of its column's name.
/// </summary>
internal static class TextTable
{
    public static IReadOnlyList<IReadOnlyDictionary<string, string>> Parse(string text)
    {
        // "No results found" is one line; "... (200 total rows, showing first 50)" is no row.
        string[] lines = [.. text.Split('\n').Where(line => !line.StartsWith("... (", StringComparison.Ordinal))];
        (string Name, int End)[] columns = [.. Columns(lines[0])];
        return [.. lines.Skip(1).Select(line => ReadRow(line, columns))];
    }

    private static Dictionary<string, string> ReadRow(string line, (string Name, int End)[] columns)
    {
        Dictionary<string, string> row = [];
        int start = 0;
        foreach ((string name, int end) in columns)
        {
            row[name] = line[Math.Min(start, line.Length)..Math.Min(end, line.Length)].Trim();
            start = end;
        }

        return row;
    }

    private static IEnumerable<(string Name, int End)> Columns(string header)
    {
        int end = 0;
        foreach (string name in header.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            end = header.IndexOf(name, end, StringComparison.Ordinal) + name.Length;
            yield return (name, end);
        }
    }
}
