using System.Buffers;
using System.Text;
using System.Text.Json;

namespace DataPull;

/// <summary>
/// The CSV file that grows page by page, and beside it a small file that says how much of it is certain. Whatever moment the program
/// ends at, a later run cuts off what is uncertain and goes on from there.
/// </summary>
internal sealed class CsvFile : IDisposable
{
    private static readonly SearchValues<char> Special = SearchValues.Create(",\"\r\n");

    private readonly string _statePath;
    private readonly FileStream _file;
    private State _state;

    private CsvFile(string statePath, FileStream file, State state) => (_statePath, _file, _state) = (statePath, file, state);

    /// <summary>How many rows are in it.</summary>
    public long Rows => _state.Rows;

    /// <summary>Begins a file, or goes on with one.</summary>
    /// <exception cref="UsageException">The file is there, and no part of this pull; or it cannot be written.</exception>
    public static CsvFile Open(string path, string table, string query, long total) => OnDisk(() => OpenOrCreate(path, table, query, total));

    /// <summary>Adds a page: certain when this returns, and as if it had never been otherwise. Returns <see cref="Rows"/>.</summary>
    /// <exception cref="UsageException">It cannot be written.</exception>
    public long Append(IReadOnlyList<JsonElement> rows) => OnDisk(() => Write(rows));

    /// <summary>The file is whole.</summary>
    public void Complete() => File.Delete(_statePath);

    public void Dispose() => _file.Dispose();

    private static CsvFile OpenOrCreate(string path, string table, string query, long total)
    {
        string statePath = path + ".state";
        State? state = ReadState(statePath);
        if (state is not null && (state.Table, state.Query) != (table, query))
            throw new UsageException($"{path} is part of another pull, of {state.Table} ({state.Query}). Name another file with --out, or remove {path} and {statePath}.");
        if (state is not null && state.Total != total)
            throw new UsageException($"{table} had {state.Total} rows when this pull began, and has {total} now. Name another file with --out, or remove {path} and {statePath}.");
        if (state is null && File.Exists(path))
            throw new UsageException($"{path} exists already. Name another file with --out, or remove it.");

        // The state comes first, so that a file without one is never ours.
        if (state is null)
            WriteState(statePath, state = new State(table, query, total, Rows: 0, Bytes: 0, Columns: []));

        // Not shared: two pulls into one file end with a clear error.
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        if (file.Length < state.Bytes)
        {
            file.Dispose();
            throw new UsageException($"{path} is shorter than {statePath} says. Something else changed it: remove both, and begin anew.");
        }

        file.SetLength(state.Bytes);
        file.Position = state.Bytes;
        return new CsvFile(statePath, file, state);
    }

    private long Write(IReadOnlyList<JsonElement> rows)
    {
        var text = new StringBuilder();
        string[] columns = _state.Columns;
        if (columns is [])
        {
            columns = [.. rows[0].EnumerateObject().Select(value => value.Name)];
            AppendLine(text, columns.Select(Quote));
        }

        foreach (JsonElement row in rows)
        {
            if (!row.EnumerateObject().Select(value => value.Name).SequenceEqual(columns))
                throw new JsonException("The rows do not have the same columns.");
            AppendLine(text, row.EnumerateObject().Select(value => Show(value.Value)));
        }

        _file.Write(Encoding.UTF8.GetBytes(text.ToString()));
        // To the disk before the state says so: after a power cut, too, the file is never shorter than its state.
        _file.Flush(flushToDisk: true);
        _state = _state with { Rows = _state.Rows + rows.Count, Bytes = _file.Position, Columns = columns };
        WriteState(_statePath, _state);
        return Rows;
    }

    // A full disk or a wrong path is not M3's fault.
    private static T OnDisk<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException(e.Message);
        }
    }

    private static void AppendLine(StringBuilder text, IEnumerable<string> values) => text.AppendJoin(',', values).Append('\n');

    private static string Show(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => "",
        JsonValueKind.String => Quote(value.GetString()!),
        _ => Quote(value.GetRawText()),
    };

    // RFC 4180, section 2; and an empty text is told from nothing.
    private static string Quote(string text) =>
        text == "" || text.AsSpan().ContainsAny(Special) || char.IsWhiteSpace(text[0]) || char.IsWhiteSpace(text[^1])
            ? $"\"{text.Replace("\"", "\"\"")}\""
            : text;

    private static State? ReadState(string path)
    {
        if (!File.Exists(path))
            return null;
        try
        {
            State state = JsonSerializer.Deserialize<State>(File.ReadAllText(path))!;
            if (state is { Table: not null, Query: not null, Columns: not null, Rows: >= 0, Bytes: >= 0 })
                return state;
        }
        catch (JsonException)
        {
        }

        throw new UsageException($"{path} is no state of a pull. Name another file with --out, or remove it.");
    }

    // Whoever reads it finds the old one or the new one, never a part.
    private static void WriteState(string path, State state)
    {
        string next = path + ".new";
        using (var file = new FileStream(next, FileMode.Create, FileAccess.Write))
        {
            JsonSerializer.Serialize(file, state);
            file.Flush(flushToDisk: true);
        }

        File.Move(next, path, overwrite: true);
    }

    /// <param name="Rows">So many rows are in the file for certain,</param>
    /// <param name="Bytes">with its first line in so many bytes.</param>
    private sealed record State(string Table, string Query, long Total, long Rows, long Bytes, string[] Columns);
}
