using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>docs/scopes-and-limits.md: what its snippets set does what the page says.</summary>
[NonParallelizable] // One listens to standard output.
public sealed class ScopesAndLimitsTests : LocalM3Fixture
{
    private static readonly MarkdownPage Page = MarkdownPage.Open("docs/scopes-and-limits.md");

    [Test]
    public async Task A_scope_that_was_added_is_required_and_the_exception_says_which()
    {
        CodeBlock[] snippets = [.. Page.In("Scopes", "csharp")];
        M3AuthOptions options = M3.OptionsWith(M3.CreateToken());
        await SnippetCompiler.RunAsync(snippets[0], options: options);
        TextWriter output = Console.Out;
        using var said = new StringWriter();
        try
        {
            Console.SetOut(said);
            await SnippetCompiler.RunAsync(snippets[1], options: options);
        }
        finally
        {
            Console.SetOut(output);
        }

        Assert.That(said.ToString().Trim(), Is.EqualTo("ask for write:mimic-data as well"));
    }

    [Test]
    public async Task Two_clients_have_scopes_of_their_own()
    {
        var services = new ServiceCollection();
        await SnippetCompiler.RunAsync(Page.In("Scopes", "csharp").Last(), services);
        await using ServiceProvider provider = Ready(services);
        IOptionsMonitor<M3AuthOptions> options = provider.GetRequiredService<IOptionsMonitor<M3AuthOptions>>();

        Assert.That(options.Get("m3").RequiredScopes, Is.EqualTo(["read:mimic-data"]));
        Assert.That(options.Get("m3-writer").RequiredScopes, Is.EquivalentTo(["read:mimic-data", "write:mimic-data"]));
    }

    [Test]
    public async Task A_third_query_at_once_is_refused_and_another_tool_is_not()
    {
        M3AuthOptions options = M3.OptionsWith(M3.CreateToken());
        await SnippetCompiler.RunAsync(Page.In("A limit for each tool", "csharp").First(), options: options);
        var held = new HeldHandler { InnerHandler = new SocketsHttpHandler() };
        using HttpClient http = M3HttpClient.Create(M3.Endpoint, options, held);
        await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint);
        held.Tool = "execute_mimic_query";

        Task<string>[] running = [Query(mcp), Query(mcp)];
        await held.Holds(2);

        Assert.That(() => Query(mcp).WaitAsync(TimeSpan.FromSeconds(30)),
            Throws.InstanceOf<RateLimitExceededException>().With.Message.Contains("the application's own limiter"));
        Assert.That(await mcp.CallAsync("get_icu_stays", ("limit", 1)), Does.Contain("stay_id"));
        held.Release();
        Assert.That(await Task.WhenAll(running), Is.All.Contains("300"));
        Assert.That(await Query(mcp), Does.Contain("300"), "the answered ones gave their permits back");
    }

    [Test]
    public async Task A_query_waits_for_another_with_RateLimitMode_Wait()
    {
        M3AuthOptions options = M3.OptionsWith(M3.CreateToken());
        options.RateLimitMode = RateLimitMode.Wait;
        await SnippetCompiler.RunAsync(Page.In("A limit for each tool", "csharp").First(), options: options);
        using HttpClient http = M3HttpClient.Create(M3.Endpoint, options);
        await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint);

        string[] answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Query(mcp)));

        Assert.That(answers, Is.All.Contains("300"));
    }

    [Test]
    public async Task A_tool_that_used_up_its_hour_leaves_the_others_theirs()
    {
        M3AuthOptions options = M3.OptionsWith(M3.CreateToken());
        await SnippetCompiler.RunAsync(Page.In("A limit for each tool", "csharp").Last(), options: options);
        using HttpClient http = M3HttpClient.Create(M3.Endpoint, options);
        await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint);

        for (int i = 0; i < 20; i++)
            await Query(mcp);

        Assert.That(() => Query(mcp), Throws.InstanceOf<RateLimitExceededException>().With.Property("RetryAfter").GreaterThan(TimeSpan.Zero));
        Assert.That(await mcp.CallAsync("get_icu_stays", ("limit", 1)), Does.Contain("stay_id"));
    }

    [Test]
    public async Task The_tool_is_named_in_a_session_of_either_kind([Values(null, "2025-11-25")] string? protocolVersion)
    {
        List<string> named = [];
        using HttpClient http = M3HttpClient.Create(M3.Endpoint, M3.OptionsWith(M3.CreateToken()),
            new HeldHandler { InnerHandler = new SocketsHttpHandler(), Seen = named.Add });
        await using McpClient mcp = await Mcp.ConnectAsync(http, M3.Endpoint, protocolVersion);

        await Query(mcp);

        Assert.That(named, Does.Contain("execute_mimic_query"));
    }

    private static ServiceProvider Ready(ServiceCollection services)
    {
        services.PostConfigureAll<M3AuthOptions>(options => (options.IssuerUrl, options.Audience) = ("https://issuer.example", "m3-api"));
        return services.BuildServiceProvider();
    }

    private static Task<string> Query(McpClient mcp) =>
        mcp.CallAsync("execute_mimic_query", ("sql_query", "SELECT COUNT(*) AS n FROM hosp_patients"));

    /// <summary>Holds the calls of one tool back until they are released.</summary>
    private sealed class HeldHandler : DelegatingHandler
    {
        private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim _held = new(0);

        public string? Tool { get; set; }

        public Action<string>? Seen { get; init; }

        public async Task Holds(int count)
        {
            for (int i = 0; i < count; i++)
                Assert.That(await _held.WaitAsync(TimeSpan.FromSeconds(30)), Is.True);
        }

        public void Release() => _release.SetResult();

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            string name = request.Headers.TryGetValues("Mcp-Name", out IEnumerable<string>? names) ? names.First() : "";
            Seen?.Invoke(name);
            if (name == Tool)
            {
                _held.Release();
                await _release.Task.WaitAsync(cancellationToken);
            }

            return await base.SendAsync(request, cancellationToken);
        }

        protected override void Dispose(bool disposing)
        {
            _held.Dispose();
            base.Dispose(disposing);
        }
    }
}
