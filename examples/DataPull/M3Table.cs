using System.Globalization;
using System.Text.Json;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace DataPull;

/// <summary>One table of M3's, read through <c>execute_mimic_query</c>.</summary>
internal static class M3Table
{
    /// <summary>M3 shows so many rows of an answer.</summary>
    public const int LongestPage = 50;

    /// <summary>Looks at the table, and makes sure that its rows are in an order.</summary>
    /// <exception cref="UsageException">There is no such table or column, or rows share their key.</exception>
    public static async Task<PullPlan> PlanAsync(M3Session m3, CommandLine what, CancellationToken cancellationToken)
    {
        string sql = $$"""
            SELECT to_json({
                'rows': (SELECT COUNT(*) FROM {{what.Table}}),
                'different': (SELECT COUNT(*) FROM (SELECT DISTINCT {{what.OrderBy}} FROM {{what.Table}})),
                'columns': (SELECT list({'name': column_name, 'type': column_type}) FROM (DESCRIBE SELECT * FROM {{what.Table}}))}) AS line
            """;
        string line = (await AskAsync(m3, sql, "line", cancellationToken)).Single();
        Description description = JsonSerializer.Deserialize<Description>(line, JsonSerializerOptions.Web)!;
        return description.Rows == description.Different
            ? PullPlan.Of(what, description.Rows, description.Columns)
            : throw new UsageException($"--order-by {what.OrderBy} is not unique in {what.Table}: {Text(description.Rows)} rows, "
                + $"{Text(description.Different)} different values. Rows could come twice, or never.");
    }

    /// <summary>One page, each row a JSON object.</summary>
    public static async Task<IReadOnlyList<JsonElement>> ReadAsync(M3Session m3, PullPlan plan, long offset, int count, CancellationToken cancellationToken)
    {
        string[] lines = await AskAsync(m3, $"{plan.Query} LIMIT {Text(count)} OFFSET {Text(offset)}", plan.Line, cancellationToken);
        return lines.Length == count
            ? [.. lines.Select(line => JsonSerializer.Deserialize<JsonElement>(line))]
            : throw new McpException($"{lines.Length} rows instead of {count}, from row {offset} on. Does the table change?");
    }

    private static async Task<string[]> AskAsync(M3Session m3, string sql, string column, CancellationToken cancellationToken)
    {
        CallToolResult result = await m3.CallAsync("execute_mimic_query", new Dictionary<string, object?> { ["sql_query"] = sql }, cancellationToken);
        string text = M3Session.TextOf(result);
        if (text.StartsWith('❌'))
            throw new UsageException(text);

        // The column's name stands above the rows.
        string[] lines = [.. text.Split('\n').Select(line => line.Trim()).Where(line => line != "")];
        return result.IsError != true && lines is [var name, .. string[] rows] && name == column ? rows : throw new McpException($"execute_mimic_query: {text}");
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private sealed record Description(long Rows, long Different, Column[] Columns);
}
