using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tests.Registration;

/// <summary><c>AddM3Auth</c>, on clients of <c>IHttpClientFactory</c>.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class AddM3AuthTests
{
    [Test]
    public async Task The_settings_are_the_configurations_and_then_the_delegates()
    {
        using var app = new App(("M3_OAUTH2_ISSUER_URL", "https://overwritten.test"), ("M3_OAUTH2_AUDIENCE", ClientFixture.Audience), ("M3_OAUTH2_RATE_LIMIT_REQUESTS", "1"));
        string? seen = null;
        app.AddClient("m3").AddM3Auth(options =>
        {
            seen = options.IssuerUrl;
            options.IssuerUrl = FakeIssuer.Url;
            app.Wire(options);
        });

        HttpClient client = app.Client("m3");
        (await client.PostAsync(ClientFixture.Address, null)).Dispose();

        Assert.That(seen, Is.EqualTo("https://overwritten.test"));
        Assert.That(app.ClientFixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(app.ClientFixture.Token));
        await Assert.ThatAsync(() => client.PostAsync(ClientFixture.Address, null), Throws.TypeOf<RateLimitExceededException>());
    }

    [Test]
    public async Task The_delegate_may_take_services_from_the_container()
    {
        using var app = new App(Good);
        app.Services.AddSingleton(app.ClientFixture);
        app.AddClient("m3").AddM3Auth((services, options) => services.GetRequiredService<ClientFixture>().Wire(options));

        (await app.Client("m3").GetAsync(ClientFixture.Address)).Dispose();

        Assert.That(app.ClientFixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(app.ClientFixture.Token));
    }

    // Whoever runs the program says where its token may go, and the program's own list does not widen that unless its delegate does.
    [Test]
    public void Allowed_origins_of_the_configuration_replace_those_that_were_there_and_the_delegate_adds_to_them()
    {
        using var app = new App([.. Good, ("M3_OAUTH2_ALLOWED_ORIGINS", "https://m3.test")]);
        app.Services.Configure<M3AuthOptions>("m3", options => options.AllowedOrigins.Add(new Uri("https://before.test")));
        app.AddClient("m3").AddM3Auth(options => options.AllowedOrigins.Add(new Uri("https://after.test")));
        using IHost host = app.BuildHost();

        Assert.That(host.Services.GetRequiredService<IOptionsMonitor<M3AuthOptions>>().Get("m3").AllowedOrigins,
            Is.EqualTo((Uri[])[new("https://m3.test"), new("https://after.test")]));
    }

    [Test]
    public async Task Without_a_configuration_the_environment_is_read()
    {
        using var fixture = new ClientFixture();
        string prefix = $"T{Guid.NewGuid():N}_";
        var services = new ServiceCollection();
        services.AddHttpClient("m3").AddM3Auth(fixture.Wire, prefix).ConfigurePrimaryHttpMessageHandler(() => fixture.Server);
        Environment.SetEnvironmentVariable(prefix + "ISSUER_URL", FakeIssuer.Url);
        Environment.SetEnvironmentVariable(prefix + "AUDIENCE", ClientFixture.Audience);
        try
        {
            using ServiceProvider provider = services.BuildServiceProvider();
            (await provider.GetRequiredService<IHttpClientFactory>().CreateClient("m3").GetAsync(ClientFixture.Address)).Dispose();
        }
        finally
        {
            Environment.SetEnvironmentVariable(prefix + "ISSUER_URL", null);
            Environment.SetEnvironmentVariable(prefix + "AUDIENCE", null);
        }

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Wrong_settings_stop_the_host_from_starting()
    {
        using var app = new App(("M3_OAUTH2_JWKS_URL", "http://issuer.test/keys"));
        app.AddClient("m3").AddM3Auth();
        using IHost host = app.BuildHost();

        await Assert.ThatAsync(() => host.StartAsync(), Throws.TypeOf<OptionsValidationException>().With.Property("Failures").EqualTo((string[])
        [
            "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled",
            "M3_OAUTH2_AUDIENCE is required when OAuth2 is enabled",
            "M3_OAUTH2_JWKS_URL must use https (http only on loopback), but is 'http://issuer.test/keys'",
        ]));
    }

    [Test]
    public async Task A_value_that_cannot_be_understood_stops_the_host_from_starting_too()
    {
        using var app = new App([.. Good, ("M3_OAUTH2_JWKS_CACHE_TTL", "abc")]);
        app.AddClient("m3").AddM3Auth();
        using IHost host = app.BuildHost();

        await Assert.ThatAsync(() => host.StartAsync(), Throws.TypeOf<OptionsValidationException>()
            .With.Message.EqualTo("M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is 'abc'"));
    }

    [Test]
    public async Task A_host_with_good_settings_starts_without_asking_anybody()
    {
        using var app = new App(Good);
        app.AddClient("m3").AddM3Auth(app.Wire);
        using IHost host = app.BuildHost();

        await host.StartAsync();
        await host.StopAsync();

        Assert.That((app.ClientFixture.Reads, app.ClientFixture.Issuer.DiscoveryRequests), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task The_token_provider_is_a_keyed_service_and_the_clients_own()
    {
        using var app = new App(Good);
        app.AddClient("m3").AddM3Auth(app.Wire);

        M3AccessToken token = await app.Provider.GetRequiredKeyedService<IM3TokenProvider>("m3").GetTokenAsync();
        (await app.Client("m3").GetAsync(ClientFixture.Address)).Dispose();

        Assert.That(app.ClientFixture.Server.Arrivals[0].Token, Is.EqualTo(token.Value));
        Assert.That((app.ClientFixture.Reads, app.ClientFixture.Issuer.JwksRequests), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task An_applications_own_keyed_provider_is_used_instead()
    {
        using var app = new App(Good);
        app.Services.AddKeyedSingleton<IM3TokenProvider>("m3", new FixedTokenProvider());
        app.AddClient("m3").AddM3Auth(app.Wire);

        (await app.Client("m3").GetAsync(ClientFixture.Address)).Dispose();

        Assert.That(app.ClientFixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo("made.up.token"));
    }

    [Test]
    public async Task A_recycled_handler_forgets_neither_token_nor_budget_nor_origin()
    {
        using var app = new App([.. Good, ("M3_OAUTH2_RATE_LIMIT_REQUESTS", "2")]);
        app.AddClient("m3").AddM3Auth(app.Wire);
        HttpMessageHandler[] handlers = [.. Enumerable.Range(0, 2).Select(_ => app.BuildHandler("m3"))];
        Assert.That(handlers, Is.Unique);

        foreach (HttpMessageHandler handler in handlers)
        {
            using var invoker = new HttpMessageInvoker(handler);
            (await invoker.SendAsync(new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address), default)).Dispose();
        }

        using var third = new HttpMessageInvoker(app.BuildHandler("m3"));
        await Assert.ThatAsync(() => third.SendAsync(new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address), default), Throws.TypeOf<RateLimitExceededException>());
        await Assert.ThatAsync(() => third.SendAsync(new HttpRequestMessage(HttpMethod.Post, "https://other.test"), default), Throws.TypeOf<UntrustedOriginException>());
        Assert.That((app.ClientFixture.Reads, app.ClientFixture.Issuer.JwksRequests), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task Two_clients_share_nothing()
    {
        using var app = new App([.. Good, ("OTHER_ISSUER_URL", FakeIssuer.Url), ("OTHER_AUDIENCE", "other-api"), ("M3_OAUTH2_RATE_LIMIT_REQUESTS", "1")]);
        string others = app.ClientFixture.NewToken(claims => claims["aud"] = "other-api");
        app.AddClient("m3").AddM3Auth(app.Wire);
        app.AddClient("other").AddM3Auth(options =>
        {
            app.Wire(options);
            options.TokenSource = TokenSources.FromValue(others);
        }, "OTHER_");

        (await app.Client("m3").GetAsync(new Uri("https://m3.test"))).Dispose();
        (await app.Client("other").GetAsync(new Uri("https://other.test"))).Dispose();
        (await app.Client("other").GetAsync(new Uri("https://other.test"))).Dispose();

        Assert.That(app.ClientFixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([app.ClientFixture.Token, others, others]));
        Assert.That(app.ClientFixture.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public void Twice_on_one_client_is_an_error_and_the_second_client_is_none()
    {
        using var app = new App(Good);
        IHttpClientBuilder builder = app.AddClient("m3").AddM3Auth();

        Assert.That(() => builder.AddM3Auth(), Throws.InvalidOperationException.With.Message.Contains("twice for the client 'm3'"));
        Assert.That(() => app.Services.AddHttpClient("m3").AddM3Auth((_, _) => { }), Throws.InvalidOperationException);
        Assert.That(() => app.AddClient("other").AddM3Auth(), Throws.Nothing);
    }

    [Test]
    public void For_every_client_of_the_application_is_an_error()
    {
        var services = new ServiceCollection();

        Assert.That(() => services.ConfigureHttpClientDefaults(builder => builder.AddM3Auth()),
            Throws.InvalidOperationException.With.Message.StartsWith("AddM3Auth needs a client with a name"));
    }

    [Test]
    public async Task The_backchannel_is_none_of_the_applications_clients()
    {
        using var app = new App(Good);
        int wrapped = 0;
        app.Services.ConfigureHttpClientDefaults(builder => builder.AddHttpMessageHandler(() => new Counting(() => wrapped++)));
        app.AddClient("m3").AddM3Auth(app.Wire);

        (await app.Client("m3").GetAsync(ClientFixture.Address)).Dispose();

        Assert.That(wrapped, Is.EqualTo(1));
    }

    [TestCase(null)]
    [TestCase("none")]
    [TestCase("X-Hidden")]
    public async Task The_factorys_own_log_never_shows_the_header(string? redacted)
    {
        using var app = new App(Good);
        app.Services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(app.ClientFixture.Log));
        IHttpClientBuilder builder = app.AddClient("m3").AddM3Auth(app.Wire);
        if (redacted is not null)
            builder.RedactLoggedHeaders([redacted]);

        using var request = new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address);
        request.Headers.Add("X-Seen", "in-the-log");
        request.Headers.Add("X-Hidden", "not-for-all");
        (await app.Client("m3").SendAsync(request)).Dispose();

        string log = string.Join('\n', app.ClientFixture.Log.Lines.Select(line => line.Text));
        Assert.That(log, Does.Contain("Authorization: *").And.Not.Contain(app.ClientFixture.Token!.Split('.')[1]));
        Assert.That(log.Contains("in-the-log", StringComparison.Ordinal), Is.EqualTo(redacted is not null));
        Assert.That(log.Contains("not-for-all", StringComparison.Ordinal), Is.EqualTo(redacted == "none"));
    }

    // NLog and Serilog do not stop at the text: they read a line's values, and what those hold.
    [TestCase(null)]
    [TestCase("none")]
    public async Task A_structured_sink_of_the_factorys_own_log_never_gets_the_header(string? redacted)
    {
        using var app = new App(Good);
        using var sink = new RecordingLoggerFactory();
        app.Services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(sink));
        IHttpClientBuilder builder = app.AddClient("m3").AddM3Auth(app.Wire);
        if (redacted is not null)
            builder.RedactLoggedHeaders([redacted]);
        // Sent again, it comes in with the header that it went out with.
        builder.AddHttpMessageHandler(() => new Counting(() => { }));

        for (int i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address);
            request.Headers.Add("X-Seen", "in-the-log");
            request.Headers.Authorization = i == 0 ? null : new("Bearer", app.ClientFixture.Token);
            (await app.Client("m3").SendAsync(request)).Dispose();
        }

        string log = sink.Everything;
        Assert.That(sink.Categories, Is.SupersetOf((string[])["System.Net.Http.HttpClient.m3.LogicalHandler", "System.Net.Http.HttpClient.m3.ClientHandler"]));
        // Without the log in the test's own output.
        Assert.That(app.ClientFixture.Token!.Split('.')[1..].Any(log.Contains), Is.False, "the token is in the log");
        Assert.That(log.Contains("Authorization=*", StringComparison.Ordinal) && log.Contains("X-Seen=in-the-log", StringComparison.Ordinal), "the line and its other values are there");
    }

    [Test]
    public async Task The_factory_logs_of_other_clients_and_without_its_loggers_are_as_they_were()
    {
        using var app = new App(Good);
        using var sink = new RecordingLoggerFactory();
        app.Services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(sink));
        app.AddClient("m3").AddM3Auth(app.Wire).RemoveAllLoggers();
        app.AddClient("other");

        (await app.Client("m3").GetAsync(ClientFixture.Address)).Dispose();
        Assert.That(sink.Categories, Has.None.StartsWith("System.Net.Http.HttpClient"));

        using var request = new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address) { Headers = { Authorization = new("Bearer", "somebody-else-s") } };
        (await app.Client("other").SendAsync(request)).Dispose();
        Assert.That(sink.Everything, Does.Contain("Authorization=Bearer somebody-else-s"));
    }

    [Test]
    public void Nothing_is_null_that_must_not_be()
    {
        IHttpClientBuilder builder = new ServiceCollection().AddHttpClient("m3");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => ((IHttpClientBuilder)null!).AddM3Auth(), Throws.ArgumentNullException);
            Assert.That(() => builder.AddM3Auth((Action<IServiceProvider, M3AuthOptions>)null!), Throws.ArgumentNullException);
            Assert.That(() => builder.AddM3Auth(prefix: null!), Throws.ArgumentNullException);
        }
    }

    private static (string Name, string Value)[] Good => [("M3_OAUTH2_ISSUER_URL", FakeIssuer.Url), ("M3_OAUTH2_AUDIENCE", ClientFixture.Audience)];

    /// <summary>An application with a configuration, whose clients end in the fixture's M3.</summary>
    private sealed class App : IDisposable
    {
        private readonly HostApplicationBuilder _builder = Host.CreateEmptyApplicationBuilder(null);
        private ServiceProvider? _provider;

        public App(params (string Name, string Value)[] settings) =>
            _builder.Configuration.AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Name, (string?)setting.Value)));

        public ClientFixture ClientFixture { get; } = new();

        public IServiceCollection Services => _builder.Services;

        public ServiceProvider Provider => _provider ??= Services.BuildServiceProvider();

        public IHttpClientBuilder AddClient(string name) => Services.AddHttpClient(name).ConfigurePrimaryHttpMessageHandler(() => ClientFixture.Server);

        public void Wire(M3AuthOptions options) => ClientFixture.Wire(options);

        public HttpClient Client(string name) => Provider.GetRequiredService<IHttpClientFactory>().CreateClient(name);

        /// <summary>A chain of its own, as the factory makes one when the last has grown old.</summary>
        public HttpMessageHandler BuildHandler(string name)
        {
            HttpMessageHandlerBuilder builder = Provider.GetRequiredService<HttpMessageHandlerBuilder>();
            builder.Name = name;
            foreach (Action<HttpMessageHandlerBuilder> action in Provider.GetRequiredService<IOptionsMonitor<HttpClientFactoryOptions>>().Get(name).HttpMessageHandlerBuilderActions)
                action(builder);
            return builder.Build();
        }

        public IHost BuildHost() => _builder.Build();

        public void Dispose()
        {
            _provider?.Dispose();
            ClientFixture.Dispose();
        }
    }

    private sealed class Counting(Action count) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            count();
            return base.SendAsync(request, cancellationToken);
        }
    }
}
