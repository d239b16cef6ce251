using System.Collections;
using System.Data.Common;
using System.Globalization;
using DuckDB.NET.Data;

namespace LocalM3;

/// <summary>MIMIC-IV's tables and columns as M3 names them, in memory. Made-up rows, no real patient.</summary>
internal sealed class MimicDatabase : IDisposable
{
    private const int ShownRows = 50;

    private readonly DuckDBConnection _connection = new("Data Source=:memory:");

    /// <param name="moreTables">SQL that adds tables to its own, or null.</param>
    public MimicDatabase(string? moreTables)
    {
        using Stream script = typeof(MimicDatabase).Assembly.GetManifestResourceStream("MimicDatabase.sql")!;
        using var reader = new StreamReader(script);

        _connection.Open();
        using DuckDBCommand command = _connection.CreateCommand();
        command.CommandText = reader.ReadToEnd() + moreTables;
        command.ExecuteNonQuery();
    }

    /// <summary>Runs one query and shows its answer as M3 does: a text table of the first 50 rows.</summary>
    public async Task<string> QueryAsync(string sql, CancellationToken cancellationToken)
    {
        // A connection runs one query at a time; a duplicate sees the same tables.
        using DuckDBConnection connection = _connection.Duplicate();
        await connection.OpenAsync(cancellationToken);
        using DuckDBCommand command = connection.CreateCommand();
        command.CommandText = sql;
        using DbDataReader reader = await command.ExecuteReaderAsync(cancellationToken);

        int columns = reader.FieldCount;
        List<string[]> lines = [[.. Enumerable.Range(0, columns).Select(reader.GetName)]];
        long rows = 0;
        while (await reader.ReadAsync(cancellationToken))
        {
            if (++rows <= ShownRows)
                lines.Add([.. Enumerable.Range(0, columns).Select(column => Show(reader.GetValue(column)))]);
        }

        if (rows == 0)
            return "No results found";

        string table = Align(lines);
        return rows <= ShownRows ? table : $"{table}\n... ({rows} total rows, showing first {ShownRows})";
    }

    public void Dispose() => _connection.Dispose();

    private static string Align(List<string[]> lines)
    {
        int[] widths = [.. lines[0].Select((_, column) => lines.Max(line => line[column].Length))];
        return string.Join('\n', lines.Select(line => string.Join("  ", line.Select((cell, column) => cell.PadLeft(widths[column])))));
    }

    private static string Show(object? value) => value switch
    {
        null or DBNull => "None",
        DateTime time => time.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
        DateOnly date => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        IDictionary map => $"{{{string.Join(", ", map.Keys.Cast<object>().Select(key => $"{key}: {Show(map[key])}"))}}}",
        IList list => $"[{string.Join(", ", list.Cast<object?>().Select(Show))}]",
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
