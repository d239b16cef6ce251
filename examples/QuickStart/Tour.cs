using LocalM3;
using M3.Client.Auth;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace QuickStart;

/// <summary>What this example shows, from top to bottom.</summary>
internal static class Tour
{
    private const string TokenVariable = "M3_OAUTH2_TOKEN";

    private const string Query =
        """
        SELECT first_careunit, COUNT(*) AS stays, ROUND(AVG(los), 1) AS mean_days
        FROM icu_icustays GROUP BY first_careunit ORDER BY stays DESC, first_careunit
        """;

    /// <summary>One token, checked; one HttpClient that carries it; the MCP client on top.</summary>
    public static async Task OfAsync(Uri m3, CancellationToken cancellationToken)
    {
        M3AuthOptions options = M3AuthOptions.FromEnvironment();

        // Calls need nothing of this: it only shows what each call's token goes through.
        if (options.Enabled)
        {
            using var tokens = new M3TokenProvider(options);
            Screen.Token(await tokens.GetTokenAsync(cancellationToken), options);
        }
        else
        {
            Screen.Note("M3_OAUTH2_ENABLED is not 'true': calls go without a token.");
        }

        using HttpClient http = M3HttpClient.Create(m3, options);
        await using McpClient mcp = await ConnectAsync(http, cancellationToken);
        Screen.Title("get_database_schema");
        Screen.Answer(await CallAsync(mcp, "get_database_schema", [], cancellationToken));
        Screen.Title("execute_mimic_query");
        Screen.Note(Query + "\n");
        Screen.Answer(await CallAsync(mcp, "execute_mimic_query", new() { ["sql_query"] = Query }, cancellationToken));
        Screen.Budget(options, used: 2);
    }

    /// <summary>The same on a stand-in for M3 that is started here, and what happens when something is wrong.</summary>
    public static async Task OfLocalM3Async(CancellationToken cancellationToken)
    {
        await using LocalM3Server local = await LocalM3Server.StartAsync(cancellationToken: cancellationToken);
        Screen.Note($"LocalM3, a stand-in for M3 with made-up rows, runs at {local.Endpoint}");

        LeaveSettingsAside();
        foreach ((string name, string value) in local.ClientEnvironment)
            Environment.SetEnvironmentVariable(name, value);
        Environment.SetEnvironmentVariable(TokenVariable, await local.RequestTokenAsync(cancellationToken: cancellationToken));
        await OfAsync(local.Endpoint, cancellationToken);

        Screen.Title("The same call with");
        await FailAsync<MissingTokenException>(local, "no token", null, cancellationToken);
        await FailAsync<TokenExpiredException>(local, "an expired token", local.CreateToken(TimeSpan.FromMinutes(-5)), cancellationToken);
        await FailAsync<MissingScopesException>(local, "a token for something else", local.CreateToken(scopes: ["read:notes"]), cancellationToken);
    }

    private static async Task FailAsync<TExpected>(LocalM3Server local, string what, string? token, CancellationToken cancellationToken)
        where TExpected : M3AuthException
    {
        Environment.SetEnvironmentVariable(TokenVariable, token);
        int arrived = local.Received.Count;
        try
        {
            using HttpClient http = M3HttpClient.Create(local.Endpoint);
            await using McpClient mcp = await ConnectAsync(http, cancellationToken);
            await CallAsync(mcp, "get_database_schema", [], cancellationToken);
        }
        catch (TExpected e) when (local.Received.Count == arrived)
        {
            Screen.Failure(what, e);
            return;
        }

        throw new McpException($"The call with {what} was to fail, and did not.");
    }

    private static Task<McpClient> ConnectAsync(HttpClient http, CancellationToken cancellationToken)
    {
        var transport = new HttpClientTransport(
            new HttpClientTransportOptions { Endpoint = http.BaseAddress!, TransportMode = HttpTransportMode.StreamableHttp }, http);
        return McpClient.CreateAsync(transport, cancellationToken: cancellationToken);
    }

    private static async Task<string> CallAsync(
        McpClient mcp, string tool, Dictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        CallToolResult result = await mcp.CallToolAsync(tool, arguments, cancellationToken: cancellationToken);
        string text = string.Join('\n', result.Content.OfType<TextContentBlock>().Select(block => block.Text));
        // M3 itself answers everything with a text, refusals and failures too.
        if (M3AuthException.TryParse(text, out M3AuthException? refusal))
            throw refusal;
        bool isError = result.IsError == true || text.StartsWith("Error", StringComparison.Ordinal) || text.StartsWith('❌');
        return isError ? throw new McpException($"{tool}: {text}") : text;
    }

    // Meant for another M3, they would say the wrong things about this one.
    private static void LeaveSettingsAside()
    {
        string[] names = [.. Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(name => name.StartsWith("M3_OAUTH2_", StringComparison.Ordinal) && name != "M3_OAUTH2_DEBUG")];
        foreach (string name in names)
            Environment.SetEnvironmentVariable(name, null);
        if (names is not [])
            Screen.Note($"Left aside, because M3_URL is not set: {string.Join(", ", names.Order())}.");
    }
}
