using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>The budget counts what M3 counts: tool calls.</summary>
public sealed class BudgetOverHttpTests
{
    [Test]
    public async Task Only_tool_calls_count_however_the_protocol_keeps_house([Values(null, "2025-11-25")] string? protocolVersion)
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = m3.OptionsWith(m3.CreateToken());
        options.RateLimitRequests = 3;
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, options);

        // Two whole sessions, so that the first one's GET and DELETE would show.
        await using (McpClient first = await Mcp.ConnectAsync(http, m3.Endpoint, protocolVersion))
        {
            await first.ListToolsAsync();
            await first.CallAsync("get_database_schema");
        }

        await using McpClient second = await Mcp.ConnectAsync(http, m3.Endpoint, protocolVersion);
        for (int i = 0; i < 5; i++)
            await second.ListToolsAsync();
        await second.CallAsync("get_database_schema");
        await second.CallAsync("get_database_schema");

        await Assert.ThatAsync(() => second.CallAsync("get_database_schema"), Throws.TypeOf<RateLimitExceededException>());
        Assert.That(m3.Received.Count(request => request.McpMethod == "tools/call"), Is.EqualTo(3));
        Assert.That(await second.ListToolsAsync(), Has.Count.EqualTo(6), "housekeeping goes on");
    }

    [Test]
    public async Task Each_subject_has_a_budget_of_its_own()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        var source = new LiveTokenSource(m3.CreateToken(subject: "ada"));
        M3AuthOptions options = m3.OptionsWith(source);
        options.RateLimitRequests = 1;
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, options);
        await using McpClient mcp = await Mcp.ConnectAsync(http, m3.Endpoint);

        await mcp.CallAsync("get_database_schema");
        source.Token = m3.CreateToken(subject: "ada");
        await Assert.ThatAsync(() => mcp.CallAsync("get_database_schema"), Throws.TypeOf<RateLimitExceededException>(), "a new token, the same subject");

        source.Token = m3.CreateToken(subject: "grace");
        Assert.That(await mcp.CallAsync("get_database_schema"), Does.Contain("hosp_patients"));
    }
}
