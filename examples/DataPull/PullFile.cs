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

    private PullFile(string path, FileFormat format, FileStream growing, PullState state) =>
        (_path, _format, _growing, _state) = (path, format, growing, state);

    public PullPlan Plan => _state.Plan;

    public Part Part => _state.Part;

    /// <summary>How many rows are in it.</summary>
    public long Rows => _state.Rows;

    /// <summary>How many rows there are to be in it.</summary>
    public long Wanted => Part.Range(Plan.Wanted) is var (first, end) ? end - first : 0;

    private string StatePath => PullState.PathOf(_path);

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
    public static PullFile Open(CommandLine what, PullPlan plan, Part part) => OnDisk(() => OpenOrCreate(what, plan, part));

    /// <summary>Adds a page: certain when this returns, and as if it had never been otherwise.</summary>
    /// <exception cref="UsageException">It cannot be written.</exception>
    public void Append(IReadOnlyList<JsonElement> rows)
    {
        string[] names = [.. Plan.Columns.Select(column => column.Name)];
        if (!rows.All(row => row.EnumerateObject().Select(value => value.Name).SequenceEqual(names)))
            throw new JsonException("The rows do not have the columns of their table.");
        Append(rows.Count, growing => growing.Write(_format.Page(rows)));
    }

    /// <summary>Adds a part, as it adds a page.</summary>
    /// <exception cref="UsageException">It cannot be read, or this file cannot be written.</exception>
    public void Append(FinishedPart part, CancellationToken cancellationToken) => Append(part.Rows, growing => part.CopyTo(growing, cancellationToken));

    /// <summary>The file is whole. A part's state stays, and says so to whoever joins it with the others.</summary>
    /// <exception cref="UsageException">It cannot be written.</exception>
    public void Complete() => OnDisk(() =>
    {
        // A table without rows has columns all the same.
        if (_state.Bytes == 0)
            Append(0, _ => { });
        _growing.Dispose();
        if (!Part.IsWhole)
            return true;
        _format.Finish(_path, Plan.Columns);
        // The state goes first: without it nothing here is taken for a pull that can go on.
        File.Delete(StatePath);
        if (_format.GrowingFile(_path) is var rows && rows != _path)
            File.Delete(rows);
        return true;
    });

    public void Dispose() => _growing.Dispose();

    // A full disk or a wrong path is not M3's fault.
    public static T OnDisk<T>(Func<T> work)
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

    private static PullFile OpenOrCreate(CommandLine what, PullPlan plan, Part part)
    {
        string path = part.FileOf(what.Out), statePath = PullState.PathOf(path), growingPath = what.Format.GrowingFile(path);
        PullState? state = PullState.Read(statePath);
        state?.CheckIs(plan, part, path, growingPath);
        if (state is null && new[] { path, growingPath }.FirstOrDefault(File.Exists) is { } existing)
            throw new UsageException($"{existing} exists already. Name another file with --out, or remove it.");

        // The state comes first, so that a file without one is never ours.
        if (state is null)
        {
            state = new PullState(plan, part, Rows: 0, Bytes: 0);
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
        return new PullFile(path, what.Format, growing, state);
    }

    private void Append(long rows, Action<Stream> write) => OnDisk(() =>
    {
        if (_state.Bytes == 0)
            _growing.Write(_format.Begin(Plan.Columns));
        write(_growing);
        // To the disk before the state says so: after a power cut, too, the file is never shorter than its state.
        _growing.Flush(flushToDisk: true);
        PullState next = _state with { Rows = Rows + rows, Bytes = _growing.Position };
        next.Write(StatePath);
        _state = next;
        return true;
    });
}
