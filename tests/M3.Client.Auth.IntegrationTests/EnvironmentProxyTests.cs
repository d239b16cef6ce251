using System.Net;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>
/// A proxy that the environment names sees nothing that stays on this machine: neither the token on its way to M3 nor the secret on its
/// way to an issuer on loopback. It serves other addresses, and a proxy that was set explicitly serves all of them.
/// </summary>
[NonParallelizable]
public sealed class EnvironmentProxyTests
{
    private IWebProxy _before = null!;
    private RecordingServer _proxy = null!;
    private RecordingServer _m3 = null!;
    private TestIssuer _issuer = null!;

    private static IEnumerable<TestCaseData> WithoutProxy =>
    [
        Primary("the factory's own", null),
        Primary("SocketsHttpHandler", () => new SocketsHttpHandler()),
        Primary("HttpClientHandler", () => new HttpClientHandler()),
    ];

    private static IEnumerable<TestCaseData> WithProxy =>
    [
        Primary("SocketsHttpHandler", () => new SocketsHttpHandler { Proxy = HttpClient.DefaultProxy }),
        Primary("HttpClientHandler", () => new HttpClientHandler { Proxy = HttpClient.DefaultProxy }),
    ];

    [SetUp]
    public async Task SetUpAsync()
    {
        _proxy = await RecordingServer.StartAsync();
        _m3 = await RecordingServer.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        _before = HttpClient.DefaultProxy;
        HttpClient.DefaultProxy = new WebProxy(_proxy.Address);
    }

    [TearDown]
    public async Task TearDownAsync()
    {
        HttpClient.DefaultProxy = _before;
        await _issuer.DisposeAsync();
        await _m3.DisposeAsync();
        await _proxy.DisposeAsync();
    }

    // As .NET reads them on every system; no_proxy is empty, whatever this machine has.
    [TestCase("http_proxy")]
    [TestCase("all_proxy")]
    public async Task A_process_with_a_proxy_in_its_environment_sends_neither_token_nor_secret_there(string variable)
    {
        // LocalM3 fetches keys, too, and does so in this process.
        HttpClient.DefaultProxy = _before;
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        Dictionary<string, string> environment = new(m3.ClientEnvironment)
        {
            ["M3_OAUTH2_CLIENT_ID"] = m3.ClientId,
            ["M3_OAUTH2_CLIENT_SECRET"] = m3.ClientSecret,
            [variable] = _proxy.Address.AbsoluteUri,
            ["no_proxy"] = "",
        };

        ExampleResult result = await Example.RunAsync("QuickStart", environment);

        Assert.That(_proxy.Arrivals, Is.Empty);
        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("hosp_patients"));
    }

    [Test]
    public async Task A_script_s_client_goes_straight_to_loopback()
    {
        using HttpClient client = M3HttpClient.Create(_m3.Address, _issuer.OptionsWith(_issuer.CreateToken()));

        (await client.GetAsync("")).Dispose();

        AssertStraight();
    }

    [Test]
    public async Task A_handler_given_to_Create_goes_straight_to_loopback()
    {
        using HttpClient client = M3HttpClient.Create(_m3.Address, _issuer.OptionsWith(_issuer.CreateToken()), new SocketsHttpHandler());

        (await client.GetAsync("")).Dispose();

        AssertStraight();
    }

    [TestCaseSource(nameof(WithoutProxy))]
    public async Task A_client_of_the_factory_goes_straight_to_loopback(Func<HttpMessageHandler>? primary)
    {
        await using ServiceProvider services = Factory(primary);

        (await services.GetRequiredService<IHttpClientFactory>().CreateClient("m3").GetAsync("")).Dispose();

        AssertStraight();
    }

    [Test]
    public async Task A_handler_that_is_in_use_already_is_taken_as_it_is()
    {
        using var shared = new SocketsHttpHandler();
        using var other = new HttpClient(shared, disposeHandler: false);
        (await other.GetAsync(_m3.Address)).Dispose();

        Assert.That(() => M3HttpClient.Create(_m3.Address, _issuer.OptionsWith(_issuer.CreateToken()), shared).Dispose(), Throws.Nothing);
    }

    [TestCaseSource(nameof(WithProxy))]
    public async Task A_proxy_that_was_set_explicitly_serves_loopback_too(Func<HttpMessageHandler> primary)
    {
        await using ServiceProvider services = Factory(primary);

        (await services.GetRequiredService<IHttpClientFactory>().CreateClient("m3").GetAsync("")).Dispose();

        Assert.That(_m3.Arrivals, Is.Empty);
        Assert.That(_proxy.Authorizations, Has.Exactly(1).StartsWith("Bearer "));
    }

    [Test]
    public async Task Without_use_of_proxies_none_is_put_in()
    {
        SocketsHttpHandler? sender = null;
        await using ServiceProvider services = Factory(() => sender = new SocketsHttpHandler { UseProxy = false });

        (await services.GetRequiredService<IHttpClientFactory>().CreateClient("m3").GetAsync("")).Dispose();

        Assert.That(sender!.Proxy, Is.Null);
        AssertStraight();
    }

    [Test]
    public async Task Other_addresses_are_reached_through_the_proxy_of_the_environment()
    {
        M3AuthOptions options = _issuer.OptionsWith(_issuer.CreateToken());
        options.RequireHttps = false;
        using HttpClient client = M3HttpClient.Create(new Uri("http://m3.test/sse"), options);

        (await client.GetAsync("")).Dispose();

        Assert.That(_proxy.Authorizations, Has.Exactly(1).StartsWith("Bearer "));
    }

    [Test]
    public async Task Keys_and_tokens_of_an_issuer_on_loopback_are_asked_for_straight()
    {
        await using LocalM3Server issuer = await LocalM3Server.StartAsync();
        using var tokens = new M3TokenProvider(new M3AuthOptions
        {
            IssuerUrl = issuer.IssuerUrl,
            Audience = issuer.ClientEnvironment["M3_OAUTH2_AUDIENCE"],
            ClientId = issuer.ClientId,
            ClientSecret = issuer.ClientSecret,
        });

        await tokens.GetTokenAsync();

        Assert.That(_proxy.Arrivals, Is.Empty);
    }

    private ServiceProvider Factory(Func<HttpMessageHandler>? primary)
    {
        var services = new ServiceCollection();
        IHttpClientBuilder builder = services.AddHttpClient("m3", client => client.BaseAddress = _m3.Address)
            .AddM3Auth((_, options) =>
            {
                M3AuthOptions wanted = _issuer.OptionsWith(_issuer.CreateToken());
                (options.IssuerUrl, options.Audience, options.TokenSource) = (wanted.IssuerUrl, wanted.Audience, wanted.TokenSource);
            });
        // Behind AddM3Auth, as it may well stand.
        if (primary is not null)
            builder.ConfigurePrimaryHttpMessageHandler(primary);
        return services.BuildServiceProvider();
    }

    private void AssertStraight()
    {
        Assert.That(_proxy.Arrivals, Is.Empty);
        Assert.That(_m3.Authorizations, Has.Exactly(1).StartsWith("Bearer "));
    }

    private static TestCaseData Primary(string name, Func<HttpMessageHandler>? create) => new TestCaseData(create).SetArgDisplayNames(name);
}
