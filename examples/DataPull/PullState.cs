using System.Text.Json;

namespace DataPull;

/// <summary>The small file beside the one that grows: which pull it is, and how much of it is certain.</summary>
/// <param name="Table">The table.</param>
/// <param name="Query">How its rows are asked for.</param>
/// <param name="Format">The file's format.</param>
/// <param name="Total">So many rows had the table when the pull began,</param>
/// <param name="Columns">and these columns.</param>
/// <param name="Rows">So many rows are in the file for certain,</param>
/// <param name="Bytes">in so many bytes.</param>
internal sealed record PullState(string Table, string Query, string Format, long Total, Column[] Columns, long Rows, long Bytes)
{
    /// <summary>The state in a file; null when there is no such file.</summary>
    /// <exception cref="UsageException">The file is something else.</exception>
    public static PullState? Read(string path)
    {
        if (!File.Exists(path))
            return null;
        try
        {
            PullState state = JsonSerializer.Deserialize<PullState>(File.ReadAllText(path))!;
            if (state is { Table: not null, Query: not null, Format: not null, Columns: not null, Rows: >= 0, Bytes: >= 0 })
                return state;
        }
        catch (JsonException)
        {
        }

        throw new UsageException($"{path} is no state of a pull. Name another file with --out, or remove it.");
    }

    /// <summary>Whoever reads the file finds the old state or this one, never a part.</summary>
    public void Write(string path)
    {
        string next = path + ".new";
        using (var file = new FileStream(next, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            file.Write(JsonSerializer.SerializeToUtf8Bytes(this));
            file.Flush(flushToDisk: true);
        }

        File.Move(next, path, overwrite: true);
    }
}
