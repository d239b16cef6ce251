using System.Text.Json;
using DuckDB.NET.Data;

namespace DataPull;

/// <summary>
/// The file that a pull makes, page by page. Whatever moment the program ends at, a later run cuts off what is uncertain and goes on
/// from there.
/// </summary>
internal sealed class PullFile : IDisposable
{
    private readonly string _path;
    private readonly FileFormat _format;
    private readonly FileStream _growing;
    private PullState _state;

    private PullFile(CommandLine what, FileStream growing, PullState state) =>
        (_path, _format, _growing, _state) = (what.Out, what.Format, growing, state);

    /// <summary>How many rows are in it.</summary>
    public long Rows => _state.Rows;

    private string StatePath => StateOf(_path);

    /// <summary>Finds out whether a file could be there at all, before anything is asked of M3.</summary>
    /// <exception cref="UsageException">Its folder is not there, or it is a folder itself.</exception>
    public static void CheckPath(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? path;
        if (!Directory.Exists(folder))
            throw new UsageException($"The folder {folder} does not exist. Make it, or name another file with --out.");
        if (Directory.Exists(path))
            throw new UsageException($"{path} is a folder. Name a file with --out.");
    }

    /// <summary>Begins a file, or goes on with one.</summary>
    /// <exception cref="UsageException">The file is there, and no part of this pull; or it cannot be written.</exception>
    public static PullFile Open(CommandLine what, M3Table table) => OnDisk(() => OpenOrCreate(what, table));

    /// <summary>Adds a page: certain when this returns, and as if it had never been otherwise. Returns <see cref="Rows"/>.</summary>
    /// <exception cref="UsageException">It cannot be written.</exception>
    public long Append(IReadOnlyList<JsonElement> rows)
    {
        string[] names = [.. _state.Columns.Select(column => column.Name)];
        if (!rows.All(row => row.EnumerateObject().Select(value => value.Name).SequenceEqual(names)))
            throw new JsonException("The rows do not have the columns of their table.");
        return OnDisk(() => Write(rows));
    }

    /// <summary>The file is whole.</summary>
    /// <exception cref="UsageException">It cannot be written.</exception>
    public void Complete() => OnDisk(() =>
    {
        // A table without rows has columns all the same.
        if (Rows == 0)
            Write([]);
        _growing.Dispose();
        _format.Finish(_path, _state.Columns);
        // The state goes first: without it nothing here is taken for a pull that can go on.
        File.Delete(StatePath);
        if (_format.GrowingFile(_path) is var rows && rows != _path)
            File.Delete(rows);
        return true;
    });

    public void Dispose() => _growing.Dispose();

    private static string StateOf(string path) => path + ".state";

    private static PullFile OpenOrCreate(CommandLine what, M3Table table)
    {
        string path = what.Out, statePath = StateOf(path), growingPath = what.Format.GrowingFile(path);
        PullState? state = PullState.Read(statePath);
        string begin = $"Name another file with --out, or remove {growingPath} and {statePath}.";
        if (state is not null && (state.Table, state.Query, state.Format) != (what.Table, table.Query, what.Format.Name))
            throw new UsageException($"{path} is part of another pull, of {state.Table} as {state.Format} ({state.Query}). {begin}");
        if (state is not null && state.Total != table.Rows)
            throw new UsageException($"{what.Table} had {state.Total} rows when this pull began, and has {table.Rows} now. {begin}");
        if (state is not null && !state.Columns.SequenceEqual(table.Columns))
            throw new UsageException($"{what.Table} had other columns when this pull began. {begin}");
        if (state is null && new[] { path, growingPath }.FirstOrDefault(File.Exists) is { } existing)
            throw new UsageException($"{existing} exists already. Name another file with --out, or remove it.");

        // The state comes first, so that a file without one is never ours.
        if (state is null)
        {
            state = new PullState(what.Table, table.Query, what.Format.Name, table.Rows, [.. table.Columns], Rows: 0, Bytes: 0);
            state.Write(statePath);
        }

        // Not shared: two pulls into one file end with a clear error. Not buffered: what failed to be written is not tried again later.
        var growing = new FileStream(growingPath, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 0);
        if (growing.Length < state.Bytes)
        {
            growing.Dispose();
            throw new UsageException($"{growingPath} is shorter than {statePath} says. Something else changed it: remove both, and begin anew.");
        }

        growing.SetLength(state.Bytes);
        growing.Position = state.Bytes;
        return new PullFile(what, growing, state);
    }

    private long Write(IReadOnlyList<JsonElement> rows)
    {
        if (_state.Rows == 0)
            _growing.Write(_format.Begin(_state.Columns));
        _growing.Write(_format.Page(rows));
        // To the disk before the state says so: after a power cut, too, the file is never shorter than its state.
        _growing.Flush(flushToDisk: true);
        PullState next = _state with { Rows = _state.Rows + rows.Count, Bytes = _growing.Position };
        next.Write(StatePath);
        _state = next;
        return Rows;
    }

    // A full disk or a wrong path is not M3's fault.
    private static T OnDisk<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or DuckDBException)
        {
            // It names the file. What there is already stays, and is gone on with.
            throw new UsageException($"{e.Message.TrimEnd('.')}. Make room or grant access there, and start the same command again.");
        }
    }
}
