using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>docs/migrating.md and docs/faq.md: what their snippets do is what the pages say of them.</summary>
[NonParallelizable] // Variables are set.
public sealed class MigratingTests : LocalM3Fixture
{
    private static readonly MarkdownPage Page = MarkdownPage.Open("docs/migrating.md");

    [Test]
    public async Task Both_programs_connect_with_a_good_token([Values(0, 1)] int beforeOrAfter)
    {
        int arrived = M3.Received.Count;

        await RunByHandAsync(beforeOrAfter, M3.CreateToken());

        Assert.That(M3.Received.Skip(arrived).Select(request => request.Scheme), Is.Not.Empty.And.All.EqualTo("Bearer"));
    }

    [Test]
    public void An_expired_token_was_sent_before_and_is_not_after()
    {
        string expired = M3.CreateToken(lifetime: TimeSpan.FromMinutes(-5));
        int arrived = M3.Received.Count;

        Assert.That(() => RunByHandAsync(0, expired), Throws.InstanceOf<HttpRequestException>());
        Assert.That(M3.Received, Has.Count.GreaterThan(arrived));

        arrived = M3.Received.Count;
        Assert.That(() => RunByHandAsync(1, expired), Throws.InstanceOf<TokenExpiredException>());
        Assert.That(M3.Received, Has.Count.EqualTo(arrived));
    }

    [Test]
    public async Task Client_credentials_need_no_address_of_a_token_endpoint()
    {
        var services = new ServiceCollection();
        await SnippetCompiler.RunAsync(Page.In("From Duende.AccessTokenManagement", "csharp").Last(), services);
        services.PostConfigureAll<M3AuthOptions>(options =>
        {
            Assert.That((options.IssuerUrl, options.Audience), Is.EqualTo(("https://your-tenant.auth0.com/", "m3-api")));
            (options.IssuerUrl, options.ClientId, options.ClientSecret) = (M3.IssuerUrl, M3.ClientId, M3.ClientSecret);
        });
        await using ServiceProvider provider = services.BuildServiceProvider();

        M3AccessToken token = await provider.GetRequiredKeyedService<IM3TokenProvider>("m3").GetTokenAsync();

        Assert.That((token.Audiences.Single(), token.Scopes.Single()), Is.EqualTo(("m3-api", "read:mimic-data")));
    }

    [TestCase("The token is fine here. Why does M3 still say that it is missing?")]
    [TestCase("Does it work with M4?")]
    public async Task The_snippet_for_a_child_process_runs(string question) =>
        await SnippetCompiler.RunAsync(MarkdownPage.Open("docs/faq.md").Single(question), options: M3.OptionsWith(M3.CreateToken()));

    private async Task RunByHandAsync(int beforeOrAfter, string token)
    {
        Dictionary<string, string> variables = new(M3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = token };
        try
        {
            foreach ((string name, string value) in variables)
                Environment.SetEnvironmentVariable(name, value);
            await SnippetCompiler.RunAsync(Page.In("From a header set by hand", "csharp").ElementAt(beforeOrAfter), m3: M3.Endpoint);
        }
        finally
        {
            foreach (string name in variables.Keys)
                Environment.SetEnvironmentVariable(name, null);
        }
    }
}
