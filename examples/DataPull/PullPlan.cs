using System.Text.Json.Serialization;

namespace DataPull;

/// <summary>What is pulled, whatever its pages and its parts: two pulls that differ in any of this cannot make one file.</summary>
/// <param name="Table">The table.</param>
/// <param name="OrderBy">What its rows are ordered by.</param>
/// <param name="Format">The file's format.</param>
/// <param name="Total">So many rows has the table,</param>
/// <param name="Wanted">so many of them are pulled,</param>
/// <param name="Columns">and these are its columns.</param>
internal sealed record PullPlan(string Table, string OrderBy, string Format, long Total, long Wanted, Column[] Columns)
{
    /// <summary>The name under which a row comes.</summary>
    // DuckDB takes a name for a column's first: neither may be one.
    [JsonIgnore]
    public string Line => Free("line");

    /// <summary>The query without its page.</summary>
    // M3 answers with a table drawn in text, in which no value's end can be told for certain. So each row comes as one value, in JSON.
    [JsonIgnore]
    public string Query => $"SELECT to_json({Free("t")}) AS {Line} FROM {Table} AS {Free("t")} ORDER BY {OrderBy}";

    public static PullPlan Of(CommandLine what, long total, Column[] columns) =>
        new(what.Table, what.OrderBy, what.Format.Name, total, Math.Min(total, what.Rows), columns);

    private string Free(string name)
    {
        while (Columns.Any(column => column.Name.Equals(name, StringComparison.OrdinalIgnoreCase)))
            name += "_";
        return name;
    }
}
