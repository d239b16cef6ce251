using System.ComponentModel;
using DuckDB.NET.Data;
using ModelContextProtocol.Server;

namespace LocalM3;

/// <summary>M3's six tools. Names, parameters and answers are M3's, down to the underscores: clients are written against them.</summary>
internal sealed class MimicTools(MimicDatabase database, ServerNames names)
{
    // M3's message promises 10000, its code stops at 1000.
    private const int MaxLimit = 1000;
    private const string InvalidLimit = "Error: Invalid limit. Must be a positive integer between 1 and 10000.";

    private const string Backend =
        """
        🔧 **Current Backend:** DuckDB (in memory)
        📦 **Active Dataset:** LocalM3: made-up rows, no real patient

        """;

    [McpServerTool(Name = "get_database_schema", ReadOnly = true)]
    [Description("Lists the tables of the MIMIC-IV database. Made-up rows, no real patient.")]
    public async Task<string> GetDatabaseSchema(CancellationToken cancellationToken)
    {
        string tables = await RunAsync(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY table_name", cancellationToken);
        return $"{Backend}\n📋 **Available Tables:**\n{tables}";
    }

    [McpServerTool(Name = "get_table_info", ReadOnly = true)]
    [Description("Shows a table's columns and, if wanted, its first three rows.")]
    public async Task<string> GetTableInfo(string table_name, bool show_sample = true, CancellationToken cancellationToken = default)
    {
        try
        {
            string columns = await database.QueryAsync($"PRAGMA table_info('{table_name.Replace("'", "''")}')", cancellationToken);
            string info = $"{Backend}📋 **Table:** {table_name}\n\n**Column Information:**\n{columns}";
            if (!show_sample)
                return info;

            string sample = await database.QueryAsync($"SELECT * FROM \"{table_name.Replace("\"", "\"\"")}\" LIMIT 3", cancellationToken);
            return $"{info}\n\n📊 **Sample Data (first 3 rows):**\n{sample}";
        }
        catch (DuckDBException e)
        {
            return $"{Backend}❌ Error examining table '{table_name}': {e.Message}\n\n💡 Use get_database_schema() to see available tables.";
        }
    }

    /// <summary>The one tool whose name is not the same in M3 and in M4.</summary>
    public static McpServerTool CreateQueryTool(IServiceProvider services)
    {
        var names = services.GetRequiredService<ServerNames>();
        var tools = new MimicTools(services.GetRequiredService<MimicDatabase>(), names);
        return McpServerTool.Create(
            (string sql_query, CancellationToken cancellationToken) => tools.RunAsync(sql_query, cancellationToken),
            new McpServerToolCreateOptions { Name = names.QueryTool, ReadOnly = true, Description = "Runs one SQL SELECT and shows the first 50 rows." });
    }

    [McpServerTool(Name = "get_icu_stays", ReadOnly = true)]
    [Description("Shows ICU stays, of one patient or of the first few.")]
    public Task<string> GetIcuStays(int? patient_id = null, int limit = 10, CancellationToken cancellationToken = default) =>
        RunLimitedAsync(
            limit,
            // As in M3, a patient's stays come all, whatever the limit.
            patient_id is null
                ? $"SELECT * FROM icu_icustays LIMIT {limit}"
                : $"SELECT * FROM icu_icustays WHERE subject_id = {patient_id}",
            cancellationToken);

    [McpServerTool(Name = "get_lab_results", ReadOnly = true)]
    [Description("Shows laboratory results; lab_item is looked for in the value, as M3 does.")]
    public Task<string> GetLabResults(
        int? patient_id = null, string? lab_item = null, int limit = 20, CancellationToken cancellationToken = default)
    {
        List<string> conditions = [];
        if (patient_id is not null)
            conditions.Add($"subject_id = {patient_id}");
        if (!string.IsNullOrEmpty(lab_item))
            conditions.Add($"value LIKE '%{lab_item.Replace("'", "''")}%'");

        string where = conditions is [] ? "" : $" WHERE {string.Join(" AND ", conditions)}";
        return RunLimitedAsync(limit, $"SELECT * FROM hosp_labevents{where} LIMIT {limit}", cancellationToken);
    }

    [McpServerTool(Name = "get_race_distribution", ReadOnly = true)]
    [Description("Counts hospital admissions by race, the most frequent first.")]
    public Task<string> GetRaceDistribution(int limit = 10, CancellationToken cancellationToken = default) =>
        RunLimitedAsync(
            limit,
            $"SELECT race, COUNT(*) AS count FROM hosp_admissions GROUP BY race ORDER BY count DESC, race LIMIT {limit}",
            cancellationToken);

    private async Task<string> RunLimitedAsync(int limit, string query, CancellationToken cancellationToken)
    {
        if (limit is < 1 or > MaxLimit)
            return InvalidLimit;

        string result = await RunAsync(query, cancellationToken);
        return result.StartsWith('❌')
            ? $"❌ **Convenience function failed:** {result}\n\n💡 **For reliable results:** use `{names.QueryTool}('your_sql')`."
            : result;
    }

    private async Task<string> RunAsync(string query, CancellationToken cancellationToken)
    {
        if (SqlGuard.Refusal(query) is { } refusal)
            return $"❌ **Security Error:** {refusal}\n\n💡 **Tip:** Only SELECT statements are allowed for data analysis.";

        try
        {
            return await database.QueryAsync(query, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return $"""
                ❌ **Query Failed:** {e.Message}

                🎯 **Quick Recovery Steps:**
                1. `get_database_schema()` ← See what tables exist
                2. `get_table_info('your_table')` ← Check exact column names
                3. Retry your query with correct names
                """;
        }
    }
}
