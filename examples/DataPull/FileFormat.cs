using System.Text.Json;

namespace DataPull;

/// <summary>What kind of file a pull makes. Any kind is made of pages that are only ever added at the end.</summary>
internal abstract class FileFormat
{
    public static readonly FileFormat Csv = new CsvFormat();
    public static readonly FileFormat Parquet = new ParquetFormat();
    public static readonly FileFormat[] All = [Csv, Parquet];

    /// <summary>As the command line has it, and as a file's name ends.</summary>
    public abstract string Name { get; }

    /// <summary>The file that grows page by page, until this one is whole.</summary>
    public abstract string GrowingFile(string path);

    /// <summary>What stands before the first row.</summary>
    public abstract byte[] Begin(IReadOnlyList<Column> columns);

    /// <summary>A page, as it is added to the file that grows.</summary>
    public abstract byte[] Page(IReadOnlyList<JsonElement> rows);

    /// <summary>Makes the file out of the one that grew.</summary>
    public abstract void Finish(string path, IReadOnlyList<Column> columns);
}

/// <param name="Name">The column's name.</param>
/// <param name="Type">Its type, in DuckDB's words.</param>
internal sealed record Column(string Name, string Type);
