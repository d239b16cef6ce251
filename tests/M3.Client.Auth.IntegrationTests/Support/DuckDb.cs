using DuckDB.NET.Data;

namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>A DuckDB of the tests' own, which reads what the examples wrote.</summary>
internal static class DuckDb
{
    /// <summary>The rows of a query, with tabs between the values.</summary>
    public static string[] Ask(string sql)
    {
        using var connection = new DuckDBConnection("Data Source=:memory:");
        connection.Open();
        using DuckDBCommand command = connection.CreateCommand();
        command.CommandText = sql;
        using DuckDBDataReader reader = command.ExecuteReader();
        List<string> rows = [];
        while (reader.Read())
            rows.Add(string.Join('\t', Enumerable.Range(0, reader.FieldCount).Select(reader.GetValue)));
        return [.. rows];
    }

    /// <summary>Every row of a file, in order, each as JSON: what is in it, whatever its bytes.</summary>
    public static string[] Rows(string file) => Ask($"SELECT to_json(r) FROM '{file}' AS r");
}
