using System.Globalization;
using System.Text.Json;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace DataPull;

/// <summary>One table of M3's, read through <c>execute_mimic_query</c>.</summary>
internal sealed class M3Table(M3Session m3, CommandLine what)
{
    /// <summary>The query without its page: what a pull is, whatever its pages.</summary>
    // M3 answers with a table drawn in text, in which no value's end can be told for certain. So each row comes as one value, in JSON.
    public string Query { get; } = $"SELECT to_json(t) AS line FROM {what.Table} AS t ORDER BY {what.OrderBy}";

    /// <summary>How many rows there are, once it is clear that they are in an order.</summary>
    /// <exception cref="UsageException">There is no such table or column, or rows share their key.</exception>
    public async Task<long> CountAsync(CancellationToken cancellationToken)
    {
        string sql = $"SELECT to_json([(SELECT COUNT(*) FROM {what.Table}), (SELECT COUNT(*) FROM (SELECT DISTINCT {what.OrderBy} FROM {what.Table}))]) AS line";
        string line = (await AskAsync(sql, cancellationToken)).Single();
        long[] counts = JsonSerializer.Deserialize<long[]>(line)!;
        return counts[0] == counts[1]
            ? counts[0]
            : throw new UsageException($"--order-by {what.OrderBy} is not unique in {what.Table}: {Text(counts[0])} rows, {Text(counts[1])} different values. Rows could come twice, or never.");
    }

    /// <summary>One page, each row a JSON object.</summary>
    public async Task<IReadOnlyList<JsonElement>> ReadAsync(long offset, int count, CancellationToken cancellationToken)
    {
        string[] lines = await AskAsync($"{Query} LIMIT {Text(count)} OFFSET {Text(offset)}", cancellationToken);
        return lines.Length == count
            ? [.. lines.Select(line => JsonSerializer.Deserialize<JsonElement>(line))]
            : throw new McpException($"{lines.Length} rows instead of {count}, from row {offset} on. Does the table change?");
    }

    private async Task<string[]> AskAsync(string sql, CancellationToken cancellationToken)
    {
        CallToolResult result = await m3.CallAsync("execute_mimic_query", new Dictionary<string, object?> { ["sql_query"] = sql }, cancellationToken);
        string text = M3Session.TextOf(result);
        if (text.StartsWith('❌'))
            throw new UsageException(text);

        // The column's name stands above the rows.
        string[] lines = [.. text.Split('\n').Select(line => line.Trim()).Where(line => line != "")];
        return result.IsError != true && lines is ["line", .. string[] rows] ? rows : throw new McpException($"execute_mimic_query: {text}");
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
