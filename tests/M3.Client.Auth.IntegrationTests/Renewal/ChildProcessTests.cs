using System.Security.Cryptography;
using System.Text;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests.Renewal;

/// <summary>M3 over stdio: the child gets the token in its environment, and starts only with a good one.</summary>
public sealed class ChildProcessTests
{
    private LocalM3Server _issuer = null!;
    private string _started = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _issuer = await LocalM3Server.StartAsync();

    [OneTimeTearDown]
    public async Task StopAsync() => await _issuer.DisposeAsync();

    [SetUp]
    public void NameFile() => _started = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    [TearDown]
    public void RemoveFile() => File.Delete(_started);

    [Test]
    public async Task An_MCP_server_over_stdio_gets_the_token_and_the_settings_it_was_checked_by()
    {
        string token = _issuer.CreateToken();
        using var tokens = new M3TokenProvider(_issuer.OptionsWith($"Bearer {token}\n"));

        await using McpClient mcp = await StartChildAsync(tokens);

        await Assert.MultipleAsync(async () =>
        {
            Assert.That(File.Exists(_started), Is.True);
            Assert.That(await mcp.CallAsync("tell_variable", ("name", "M3_OAUTH2_TOKEN")), Is.EqualTo(Fingerprint(token)));
            Assert.That(await mcp.CallAsync("tell_variable", ("name", "M3_OAUTH2_ENABLED")), Is.EqualTo("true"));
            Assert.That(await mcp.CallAsync("tell_variable", ("name", "M3_OAUTH2_ISSUER_URL")), Is.EqualTo(_issuer.IssuerUrl));
            Assert.That(await mcp.CallAsync("tell_variable", ("name", "M3_OAUTH2_AUDIENCE")), Is.EqualTo(_issuer.Audience));
            Assert.That(await mcp.CallAsync("tell_variable", ("name", "M3_OAUTH2_REQUIRED_SCOPES")), Is.EqualTo("read:mimic-data"));
        });
    }

    [Test]
    public async Task A_fork_of_M3s_is_told_under_M3s_own_names()
    {
        string token = _issuer.CreateToken();
        M3AuthOptions options = M3AuthOptions.FromEnvironment("M4_OAUTH2_");
        (options.IssuerUrl, options.Audience, options.TokenSource) = (_issuer.IssuerUrl, _issuer.Audience, TokenSources.FromValue(token));
        using var tokens = new M3TokenProvider(options);

        await using McpClient mcp = await StartChildAsync(tokens);

        Assert.That(await mcp.CallAsync("tell_variable", ("name", "M3_OAUTH2_TOKEN")), Is.EqualTo(Fingerprint(token)));
    }

    [Test]
    public async Task A_token_that_is_no_good_never_starts_it()
    {
        using var expired = new M3TokenProvider(_issuer.OptionsWith(_issuer.CreateToken(TimeSpan.FromMinutes(-5))));
        using var withoutScope = new M3TokenProvider(_issuer.OptionsWith(_issuer.CreateToken(scopes: ["read:notes"])));
        using var none = new M3TokenProvider(_issuer.OptionsWith((string?)null));

        await Assert.ThatAsync(() => StartChildAsync(expired), Throws.TypeOf<TokenExpiredException>());
        await Assert.ThatAsync(() => StartChildAsync(withoutScope), Throws.TypeOf<MissingScopesException>());
        await Assert.ThatAsync(() => StartChildAsync(none), Throws.TypeOf<MissingTokenException>());
        Assert.That(File.Exists(_started), Is.False);
    }

    private async Task<McpClient> StartChildAsync(M3TokenProvider tokens)
    {
        // Both are built to bin/CONFIGURATION/FRAMEWORK of their project.
        string here = AppContext.BaseDirectory;
        string bin = Path.GetRelativePath(Path.Combine(here, "../../.."), here);
        string program = Path.GetFullPath(Path.Combine(here, "../../../../M3.Client.Auth.StdioServer", bin, "M3.Client.Auth.StdioServer.dll"));
        return await McpClient.CreateAsync(new StdioClientTransport(new StdioClientTransportOptions
        {
            Command = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            Arguments = ["exec", program, _started],
            EnvironmentVariables = await tokens.GetEnvironmentAsync(),
        }));
    }

    private static string Fingerprint(string token) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
}
