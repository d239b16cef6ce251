using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>The official MCP client over this library, against M3's tools.</summary>
public sealed class McpClientTests : LocalM3Fixture
{
    private static readonly (string Tool, (string, object)[] Arguments, string Expected)[] Tools =
    [
        ("get_database_schema", [], "hosp_patients"),
        ("get_table_info", [("table_name", "icu_icustays")], "first_careunit"),
        ("execute_mimic_query", [("sql_query", "SELECT COUNT(*) AS n FROM hosp_patients")], "300"),
        ("get_icu_stays", [("limit", 3)], "stay_id"),
        ("get_lab_results", [("limit", 3)], "labevent_id"),
        ("get_race_distribution", [], "WHITE"),
    ];

    [Test]
    public async Task Every_tool_answers_over_M3HttpClient([Values("RS256", "ES256")] string algorithm)
    {
        string token = await M3.RequestTokenAsync(algorithm: algorithm);
        int before = M3.Received.Count;
        using HttpClient http = M3HttpClient.Create(M3.Endpoint, M3.OptionsWith(token));
        await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint);

        await CallEveryToolAsync(mcp);
        AssertEveryRequestCarried(token, before);
    }

    [Test]
    public async Task Every_tool_answers_over_a_client_of_the_factory([Values("RS256", "ES256")] string algorithm)
    {
        string token = await M3.RequestTokenAsync(algorithm: algorithm);
        int before = M3.Received.Count;
        await using ServiceProvider services = BuildServices(M3, token);
        HttpClient http = services.GetRequiredService<IHttpClientFactory>().CreateClient("m3");
        await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint);

        await CallEveryToolAsync(mcp);
        AssertEveryRequestCarried(token, before);
    }

    [Test]
    public async Task A_session_of_the_older_protocol_carries_the_token_from_its_first_request_to_its_DELETE()
    {
        string token = M3.CreateToken();
        int before = M3.Received.Count;
        using (HttpClient http = M3HttpClient.Create(M3.Endpoint, M3.OptionsWith(token)))
        {
            await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint, "2025-11-25");
            await CallEveryToolAsync(mcp);
        }

        AssertEveryRequestCarried(token, before);
        Assert.That(M3.Received.Skip(before).Select(request => request.Method), Does.Contain("GET").And.Contain("DELETE"));
    }

    [Test]
    public async Task A_token_with_Bearer_and_white_space_around_it_arrives_as_the_token_alone()
    {
        string token = M3.CreateToken();
        int before = M3.Received.Count;
        using HttpClient http = M3HttpClient.Create(M3.Endpoint, M3.OptionsWith($"  Bearer {token}\n"));
        await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint);

        AssertEveryRequestCarried(token, before);
    }

    [Test]
    public async Task The_factorys_clients_share_one_token_provider_that_is_also_a_keyed_service()
    {
        string token = M3.CreateToken();
        await using ServiceProvider services = BuildServices(M3, token);

        M3AccessToken held = await services.GetRequiredKeyedService<IM3TokenProvider>("m3").GetTokenAsync();

        Assert.That(held.Value == token, "the provider holds another token");
    }

    [Test]
    public async Task The_factorys_own_log_at_its_most_talkative_shows_no_token()
    {
        using var log = new CapturedLog();
        string token = M3.CreateToken();
        await using ServiceProvider services = BuildServices(M3, token, log);
        HttpClient http = services.GetRequiredService<IHttpClientFactory>().CreateClient("m3");
        await using (McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint))
            await CallEveryToolAsync(mcp);

        Assert.That(log.Text, Does.Contain("Authorization: *"));
        Assert.That(log.Text.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the log");
    }

    [Test]
    public async Task A_call_that_M3_refuses_goes_again_with_the_sources_newer_token_and_the_caller_notices_nothing([Values(null, "2025-11-25")] string? protocolVersion)
    {
        // A token that the server refuses, and a client that does not look at what is wrong with it.
        string[] tokens = [M3.CreateToken(audience: "another-api"), M3.CreateToken()];
        int asked = 0;
        M3AuthOptions options = M3.OptionsWith(TokenSources.From(_ => new(tokens[asked++])));
        options.ValidateAudience = false;
        int before = M3.Received.Count;
        using HttpClient http = M3HttpClient.Create(M3.Endpoint, options);
        await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint, protocolVersion);

        Assert.That(await mcp.CallAsync("get_database_schema"), Does.Contain("hosp_patients"));

        ReceivedRequest[] requests = [.. M3.Received.Skip(before)];
        Assert.That(requests[0].Token == tokens[0] && requests.Skip(1).All(request => request.Token == tokens[1]), string.Join('\n', requests.AsEnumerable()));
        Assert.That(requests[1].McpMethod, Is.EqualTo(requests[0].McpMethod), "the same call again");
    }

    private static ServiceProvider BuildServices(LocalM3Server m3, string token, CapturedLog? log = null)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(m3.ClientEnvironment.Select(pair => new KeyValuePair<string, string?>(pair.Key, pair.Value)))
            .AddInMemoryCollection([new("M3_OAUTH2_TOKEN", token)])
            .Build());
        if (log is not null)
            services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(log));
        services.AddHttpClient("m3").AddM3Auth();
        return services.BuildServiceProvider();
    }

    private static async Task CallEveryToolAsync(McpClient mcp)
    {
        foreach ((string tool, (string, object)[] arguments, string expected) in Tools)
            Assert.That(await mcp.CallAsync(tool, arguments), Does.Contain(expected), tool);
    }

    private void AssertEveryRequestCarried(string token, int before)
    {
        ReceivedRequest[] requests = [.. M3.Received.Skip(before)];
        Assert.That(requests, Is.Not.Empty);
        // Compared here, so that a failure shows no token.
        Assert.That(requests.Where(request => request.Scheme != "Bearer" || request.Token != token), Is.Empty);
    }
}
