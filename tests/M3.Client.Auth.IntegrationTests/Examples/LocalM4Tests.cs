using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>LocalM3 as M4, M3's successor, and the MCP client under M4's prefix.</summary>
public sealed class LocalM4Tests
{
    private static readonly (string, object)[] Query = [("sql_query", "SELECT COUNT(*) AS n FROM hosp_patients")];

    [Test]
    public async Task The_MCP_client_under_M4s_prefix_calls_execute_query()
    {
        await using LocalM3Server m4 = await LocalM3Server.StartAsync(new() { M4 = true });
        await using ServiceProvider services = Services(m4, m4.CreateToken());
        await using McpClient mcp = await Mcp.ConnectAsync(services.GetRequiredService<IHttpClientFactory>().CreateClient("m4"), m4.Endpoint);

        IList<McpClientTool> tools = await mcp.ListToolsAsync();
        Assert.That(tools.Select(tool => tool.Name), Does.Contain("execute_query").And.Not.Contain("execute_mimic_query").And.Contain("get_table_info"));
        Assert.That(await mcp.CallAsync("execute_query", Query), Does.Contain("300"));
        await Assert.ThatAsync(() => mcp.CallAsync("execute_mimic_query", Query), Throws.InstanceOf<McpException>());
        Assert.That(mcp.ServerInstructions, Does.Contain("M4").And.Not.Contain("M3"));
    }

    [Test]
    public async Task What_is_missing_is_told_under_M4s_names()
    {
        await using LocalM3Server m4 = await LocalM3Server.StartAsync(new() { M4 = true });
        await using ServiceProvider services = Services(m4, token: null);

        await Assert.ThatAsync(
            () => Mcp.ConnectAsync(services.GetRequiredService<IHttpClientFactory>().CreateClient("m4"), m4.Endpoint),
            Throws.TypeOf<MissingTokenException>().With.Property("Remedy").Contains("M4_OAUTH2_TOKEN"));
        Assert.That(m4.Received, Is.Empty);
    }

    [TestCase("expired", "Error: Token has expired", M3AuthError.TokenExpired)]
    [TestCase("audience", "Error: Invalid token audience", M3AuthError.InvalidAudience)]
    [TestCase("scope", "Error: Token validation failed: Missing required scopes: {'read:mimic-data'}", M3AuthError.MissingScopes)]
    [TestCase("nothing", "Error: Missing OAuth2 access token", M3AuthError.MissingToken)]
    public async Task It_refuses_in_M4s_sentences_and_each_is_a_typed_error(string wrong, string sentence, M3AuthError expected)
    {
        await using LocalM3Server m4 = await LocalM3Server.StartAsync(new() { M4 = true, Refusals = Refusals.AsToolText });
        string? token = wrong switch
        {
            "expired" => m4.CreateToken(TimeSpan.FromMinutes(-5)),
            "audience" => m4.CreateToken(audience: "another-api"),
            "scope" => m4.CreateToken(scopes: ["read:notes"]),
            _ => null,
        };
        using var http = new HttpClient();
        if (token is not null)
            http.DefaultRequestHeaders.Authorization = new("Bearer", token);
        await using McpClient mcp = await Mcp.ConnectAsync(http, m4.Endpoint);

        string text = await mcp.CallAsync("execute_query", Query);

        Assert.That(text, Is.EqualTo(sentence));
        Assert.That(M3AuthException.TryParse(text, out M3AuthException? error), Is.True);
        Assert.That(error!.Error, Is.EqualTo(expected));
    }

    [Test]
    public async Task As_a_process_it_prints_M4s_variables()
    {
        await using Example process = Example.Start("LocalM3", null, "--m4");
        List<string> lines = await process.ReadUntilAsync(line => line.StartsWith("# Ctrl+C", StringComparison.Ordinal));

        Assert.That(lines.Where(line => line.StartsWith("export ", StringComparison.Ordinal)).Select(line => line.Split(' ', '=')[1]), Is.EqualTo((string[])
        [
            "M4_URL", "M4_OAUTH2_ISSUER_URL", "M4_OAUTH2_AUDIENCE", "M4_OAUTH2_REQUIRED_SCOPES", "M4_OAUTH2_CLIENT_ID", "M4_OAUTH2_CLIENT_SECRET", "M4_OAUTH2_TOKEN",
        ]));
        Assert.That(lines[0], Does.Contain("a stand-in for M4"));
    }

    private static ServiceProvider Services(LocalM3Server m4, string? token)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(m4.ClientEnvironment.Select(pair => new KeyValuePair<string, string?>(pair.Key, pair.Value)))
            .AddInMemoryCollection([new("M4_OAUTH2_TOKEN", token)])
            .Build());
        services.AddHttpClient("m4").AddM3Auth(prefix: "M4_OAUTH2_");
        return services.BuildServiceProvider();
    }
}
