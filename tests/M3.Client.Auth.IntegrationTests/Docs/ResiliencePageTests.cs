using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>docs/resilience.md: what its snippets set up does what the page says.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ResiliencePageTests : LocalM3Fixture
{
    private static readonly MarkdownPage Page = MarkdownPage.Open("docs/resilience.md");

    [Test]
    public async Task Retries_bring_a_call_to_M3_that_found_no_connection_at_first([Values(0, 1)] int snippet)
    {
        int sends = 0;
        await using PrintedClient client = await PrintedClient.MakeAsync(Snippet("Retries", snippet), async (request, send, _) =>
            ++sends <= 2 ? throw new HttpRequestException(HttpRequestError.ConnectionError) : await send(request));
        client.Configure(options => Wire(options, M3.CreateToken()));

        await using McpClient mcp = await Mcp.ConnectAsync(client.Http, M3.Endpoint);

        Assert.That(await mcp.CallAsync("get_icu_stays", ("limit", 1)), Does.Contain("stay_id"));
        Assert.That(sends, Is.GreaterThan(2));
        Assert.That(client.Warnings, Is.Empty);
    }

    [TestCase("Retries", false, ExpectedResult = 0)]
    [TestCase("Retries", true, ExpectedResult = 1)]
    [TestCase("Hedging", false, ExpectedResult = 0)]
    [TestCase("Hedging", true, ExpectedResult = 1)]
    [TestCase("Polly policies", false, ExpectedResult = 0)]
    [TestCase("Polly policies", true, ExpectedResult = 1)]
    public async Task<int> An_error_of_this_package_is_never_repeated(string section, bool isM3s)
    {
        int sends = 0;
        await using PrintedClient client = await PrintedClient.MakeAsync(Snippet(section), (request, _, _) =>
        {
            sends++;
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.Unauthorized) { RequestMessage = request });
        });
        client.Configure(options => Wire(options, M3.CreateToken(lifetime: TimeSpan.FromMinutes(isM3s ? 5 : -5))));

        await Assert.ThatAsync(() => client.CallAsync(), Throws.TypeOf(isM3s ? typeof(RejectedException) : typeof(TokenExpiredException)));

        return sends;
    }

    [Test]
    public async Task Each_retry_costs_a_permit_as_it_does_at_M3()
    {
        int sends = 0;
        await using PrintedClient client = await PrintedClient.MakeAsync(Snippet("Retries"), (request, _, _) =>
            Task.FromResult(new HttpResponseMessage(++sends <= 3 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK) { RequestMessage = request }));
        client.UseAnyToken();
        client.Configure(options => options.RateLimitRequests = 4);

        await client.CallAsync();

        Assert.That(sends, Is.EqualTo(4));
        await Assert.ThatAsync(() => client.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
    }

    [Test]
    public async Task A_call_waits_for_longer_than_the_standard_handler_has_patience()
    {
        await using PrintedClient client = await PrintedClient.MakeAsync(Snippet("Waiting for the limit"));
        var waits = new Told();
        client.UseAnyToken();
        client.Configure(options => (options.RateLimitRequests, options.RateLimitProgress, options.TimeProvider) = (1, waits, client.Clock));
        await client.CallAsync();

        Task call = client.CallAsync();
        await waits.AtAll;
        client.PipelineClock.Advance(TimeSpan.FromHours(1));
        Assert.That(call.IsCompleted, Is.False);
        await client.PassAsync(call);

        Assert.That(client.Http.Timeout, Is.EqualTo(Timeout.InfiniteTimeSpan));
    }

    [Test]
    public async Task Hedging_takes_a_permit_for_each_send()
    {
        int sends = 0;
        await using PrintedClient client = await PrintedClient.MakeAsync(Snippet("Hedging"), async (request, _, cancellationToken) =>
        {
            if (++sends == 1)
                await Task.Delay(Timeout.Infinite, cancellationToken);
            return new HttpResponseMessage { RequestMessage = request };
        });
        client.UseAnyToken();
        client.Configure(options => options.RateLimitRequests = 2);

        Task call = client.CallAsync();
        client.PipelineClock.Advance(TimeSpan.FromSeconds(2));
        await call.WaitAsync(Patience.Time);

        Assert.That(sends, Is.EqualTo(2));
        await Assert.ThatAsync(() => client.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
    }

    [Test]
    public async Task Service_discovery_leads_to_the_addresses_that_are_allowed_and_nowhere_else()
    {
        List<string> reached = [];
        await using PrintedClient client = await PrintedClient.MakeAsync(Snippet("Service discovery"), (request, _, _) =>
        {
            reached.Add($"{request.RequestUri} {request.Headers.Authorization?.Scheme}");
            return Task.FromResult(new HttpResponseMessage { RequestMessage = request });
        });
        client.UseAnyToken();
        client.Set("Services:m3:https:0", "https://m3-1.example.org:3000");
        client.Set("Services:m3:https:1", "https://m3-2.example.org:3000");
        client.Set("Services:other:https:0", "https://other.example.org");

        await client.CallAsync("/sse");
        await client.CallAsync("/sse");
        await Assert.ThatAsync(() => client.CallAsync("https+http://other/sse"), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("other.example.org"));

        Assert.That(reached, Is.EquivalentTo(["https://m3-1.example.org:3000/sse Bearer", "https://m3-2.example.org:3000/sse Bearer"]));
        Assert.That(client.Warnings, Is.Empty);
    }

    [Test]
    public async Task Several_clients_have_their_own_prefix_and_are_keyed()
    {
        await using PrintedClient client = await PrintedClient.MakeAsync(Snippet("Several clients"));
        client.UseAnyToken();
        foreach (string name in (string[])["M3_OAUTH2_AUDIENCE", "ARCHIVE_OAUTH2_AUDIENCE", "ARCHIVE_OAUTH2_ISSUER_URL"])
            client.Set(name, $"https://{name.Split('_')[0]}.example.org".ToLowerInvariant());

        IOptionsMonitor<M3AuthOptions> options = client.Provider.GetRequiredService<IOptionsMonitor<M3AuthOptions>>();
        using IServiceScope scope = client.Provider.CreateScope();

        Assert.That(options.Get("m3").Audience, Is.EqualTo("https://m3.example.org"));
        Assert.That(options.Get("archive").Audience, Is.EqualTo("https://archive.example.org"));
        Assert.That(scope.ServiceProvider.GetRequiredKeyedService<HttpClient>("m3").BaseAddress, Is.Not.Null);
    }

    [TestCase("11", RateLimitMode.Reject)]
    [TestCase("12", RateLimitMode.Wait)]
    [TestCase("13", RateLimitMode.Reject)]
    public async Task The_warnings_are_those_on_the_page(string number, RateLimitMode mode)
    {
        var services = new ServiceCollection();
        services.AddServiceDiscovery();
        IHttpClientBuilder builder = services.AddHttpClient("m3");
        if (number == "12")
            builder.AddStandardResilienceHandler();
        builder.AddM3Auth(options => options.RateLimitMode = mode);
        if (number == "11")
            builder.AddStandardResilienceHandler();
        if (number == "13")
            builder.AddServiceDiscovery();
        await using var client = new PrintedClient(services);
        client.UseAnyToken();

        _ = client.Http;

        string printed = Page.Rows.Single(row => row[0] == number)[1].Trim('`');
        Assert.That(client.Warnings.Single(), Does.StartWith($"M3.Client.Auth.m3 Warning: {printed} ["));
    }

    private static CodeBlock Snippet(string section, int index = 0) => Page.In(section, "csharp").ElementAt(index);

    private void Wire(M3AuthOptions options, string token) =>
        (options.IssuerUrl, options.Audience, options.TokenSource) = (M3.IssuerUrl, M3.Audience, TokenSources.FromValue(token));

    private sealed class Told : IProgress<TimeSpan>
    {
        private readonly TaskCompletionSource _told = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task AtAll => _told.Task.WaitAsync(Patience.Time);

        public void Report(TimeSpan value) => _told.TrySetResult();
    }
}
