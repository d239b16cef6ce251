using System.Text.Json;
using DuckDB.NET.Data;

namespace DataPull;

/// <summary>
/// Parquet, by DuckDB. Such a file cannot grow, because its index stands at its end: the rows wait in FILE.rows, one JSON object a line,
/// until all are there.
/// </summary>
internal sealed class ParquetFormat : FileFormat
{
    public override string Name => "parquet";

    public override string GrowingFile(string path) => path + ".rows";

    public override byte[] Begin(IReadOnlyList<Column> columns) => [];

    public override byte[] Page(IReadOnlyList<JsonElement> rows)
    {
        using var page = new MemoryStream();
        using var writer = new Utf8JsonWriter(page);
        foreach (JsonElement row in rows)
        {
            Write(writer, row);
            page.WriteByte((byte)'\n');
        }

        return page.ToArray();
    }

    public override void Finish(string path, IReadOnlyList<Column> columns)
    {
        // M3 writes the bytes of a BLOB as \x00\xFF, which only a cast from a text understands.
        string types = string.Join(", ", columns.Select(column => $"{Literal(column.Name)}: {Literal(IsBlob(column) ? "VARCHAR" : column.Type)}"));
        string values = string.Join(", ", columns.Select(column => IsBlob(column) ? $"CAST({Quote(column.Name)} AS BLOB) AS {Quote(column.Name)}" : Quote(column.Name)));
        string next = path + ".new";
        using (var duckDb = new DuckDBConnection("Data Source=:memory:"))
        {
            duckDb.Open();
            using DuckDBCommand command = duckDb.CreateCommand();
            command.CommandText =
                $"COPY (SELECT {values} FROM read_json({Literal(GrowingFile(path))}, format = 'newline_delimited', columns = {{{types}}})) TO {Literal(next)} (FORMAT parquet)";
            command.ExecuteNonQuery();
        }

        using (var file = new FileStream(next, FileMode.Open, FileAccess.ReadWrite))
            file.Flush(flushToDisk: true);
        File.Move(next, path, overwrite: true);
    }

    private static void Write(Utf8JsonWriter writer, JsonElement row)
    {
        writer.WriteStartObject();
        foreach (JsonProperty value in row.EnumerateObject())
        {
            writer.WritePropertyName(value.Name);
            // DuckDB reads a number in JSON as a DOUBLE, which not every DECIMAL fits into; a text keeps every digit.
            if (value.Value.ValueKind == JsonValueKind.Number)
                writer.WriteStringValue(value.Value.GetRawText());
            else
                value.Value.WriteTo(writer);
        }

        writer.WriteEndObject();
        writer.Flush();
        writer.Reset();
    }

    private static bool IsBlob(Column column) => column.Type == "BLOB";

    private static string Literal(string text) => $"'{text.Replace("'", "''")}'";

    private static string Quote(string name) => $"\"{name.Replace("\"", "\"\"")}\"";
}
