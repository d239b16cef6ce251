using System.Net;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests.Handler;

/// <summary>A handler whose tokens come from a provider that others may share, or that a user's test fakes.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SharedProviderTests
{
    [Test]
    public async Task A_fake_providers_token_is_attached_unseen([Values] bool synchronous)
    {
        using var server = new FakeM3();
        using HttpClient client = Client(new FixedTokenProvider(), server);
        using var request = new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address);

        using HttpResponseMessage response = synchronous ? client.Send(request) : await client.SendAsync(request);

        Assert.That(server.Arrivals, Is.EqualTo([new Arrival(HttpMethod.Get, ClientFixture.Address, "Bearer", "made.up.token")]));
    }

    [Test]
    public async Task A_fake_provider_is_asked_for_a_newer_token_after_a_401([Values] bool synchronous)
    {
        using var server = new FakeM3();
        var tokens = new FixedTokenProvider { Newer = new M3AccessToken("a.newer.token") };
        server.Answer = request => request.Headers.Authorization!.Parameter == "a.newer.token" ? new HttpResponseMessage() : FakeM3.Refuse(request, null);
        using HttpClient client = Client(tokens, server);
        using var request = new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address);

        using HttpResponseMessage response = synchronous ? client.Send(request) : await client.SendAsync(request);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(tokens.Renewals, Is.EqualTo(1));
    }

    [Test]
    public async Task The_budget_and_the_origin_are_kept_for_a_fake_provider_too()
    {
        using var server = new FakeM3();
        using HttpClient client = Client(new FixedTokenProvider(subject: "me"), server, options => options.RateLimitRequests = 1);
        (await client.PostAsync(ClientFixture.Address, null)).Dispose();

        await Assert.ThatAsync(() => client.PostAsync(ClientFixture.Address, null), Throws.TypeOf<RateLimitExceededException>());
        await Assert.ThatAsync(() => client.GetAsync(new Uri("https://other.test")), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_provider_can_serve_several_handlers_and_outlives_them()
    {
        using var fixture = new ClientFixture();
        using var tokens = new M3TokenProvider(fixture.Options());
        for (int i = 0; i < 3; i++)
        {
            using HttpClient client = Client(tokens, new FakeM3());
            (await client.GetAsync(ClientFixture.Address)).Dispose();
        }

        Assert.That(fixture.Issuer.JwksRequests, Is.EqualTo(1));
        Assert.That(await tokens.GetTokenAsync(), Has.Property("Value").EqualTo(fixture.Token));
    }

    [Test]
    public async Task A_handlers_own_provider_is_disposed_with_it_and_the_backchannel_is_not()
    {
        using var fixture = new ClientFixture();
        var handler = new M3AuthHandler(fixture.Options()) { InnerHandler = fixture.Server };
        using (var invoker = new HttpMessageInvoker(handler, disposeHandler: false))
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address);
            (await invoker.SendAsync(request, default)).Dispose();
        }

        handler.Dispose();
        handler.Dispose();

        using var other = new M3TokenProvider(fixture.Options());
        Assert.That(await other.GetTokenAsync(), Has.Property("Value").EqualTo(fixture.Token));
        Assert.That(fixture.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task A_users_backchannel_is_never_disposed()
    {
        using var fixture = new ClientFixture();
        var backchannel = new Disposable(fixture.Issuer.Backchannel);
        M3AuthOptions Options()
        {
            M3AuthOptions options = fixture.Options();
            options.BackchannelHttpHandler = backchannel;
            return options;
        }

        using (var provider = new M3TokenProvider(Options()))
            await provider.GetTokenAsync();
        using (HttpClient client = M3HttpClient.Create(ClientFixture.Address, Options(), fixture.Server))
            (await client.GetAsync("")).Dispose();
        await using (ServiceProvider container = Container(fixture, options => options.BackchannelHttpHandler = backchannel))
            (await container.GetRequiredService<IHttpClientFactory>().CreateClient("m3").GetAsync("")).Dispose();

        Assert.That((fixture.Issuer.JwksRequests, backchannel.IsDisposed), Is.EqualTo((3, false)));
    }

    [TestCase("a handler", true)]
    [TestCase("a client of Create", true)]
    [TestCase("a container", true)]
    [TestCase("a handler with a provider of others", false)]
    public async Task What_has_a_provider_of_its_own_ends_it_with_itself(string owner, bool isOwn)
    {
        using var fixture = new ClientFixture();
        CancellationToken underWay = default;
        M3AuthOptions options = fixture.Options();
        // The provider's work belongs to no caller, so nothing but its own end cancels it.
        options.TokenSource = TokenSources.From(cancellationToken =>
        {
            underWay = cancellationToken;
            return new(new TaskCompletionSource<string?>().Task);
        });
        using var others = new M3TokenProvider(options);
        (HttpClient client, IDisposable disposed) = Make();
        using (client)
        {
            Task call = client.GetAsync(ClientFixture.Address);
            await KeyCacheFixture.UntilAsync(() => underWay.CanBeCanceled, "the source is asked");

            disposed.Dispose();

            Assert.That(underWay.IsCancellationRequested, Is.EqualTo(isOwn));
            others.Dispose();
            await Assert.ThatAsync(() => call.WaitAsync(KeyCacheFixture.Patience), Throws.InstanceOf<OperationCanceledException>().Or.InstanceOf<ObjectDisposedException>());
        }

        (HttpClient Client, IDisposable Disposed) Make()
        {
            if (owner == "a client of Create")
            {
                HttpClient created = M3HttpClient.Create(ClientFixture.Address, options, fixture.Server);
                return (created, created);
            }

            if (owner == "a container")
            {
                ServiceProvider container = Container(fixture, registered => registered.TokenSource = options.TokenSource);
                return (container.GetRequiredService<IHttpClientFactory>().CreateClient("m3"), container);
            }

            options.AllowedOrigins.Add(ClientFixture.Address);
            M3AuthHandler handler = isOwn ? new(options) { InnerHandler = fixture.Server } : new(others, options) { InnerHandler = fixture.Server };
            return (new HttpClient(handler, disposeHandler: false), handler);
        }
    }

    [Test]
    public async Task Two_handlers_built_directly_share_nothing()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        for (int i = 0; i < 2; i++)
        {
            using var client = new HttpClient(new M3AuthHandler(fixture.Options()) { InnerHandler = new FakeM3() });
            (await client.PostAsync(new Uri($"https://m3-{i}.test/"), null)).Dispose();
        }

        Assert.That(fixture.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public void Nothing_is_null_that_must_not_be()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new M3AuthHandler((M3AuthOptions)null!), Throws.ArgumentNullException);
            Assert.That(() => new M3AuthHandler(null!, new M3AuthOptions()), Throws.ArgumentNullException);
            Assert.That(() => new M3AuthHandler(new FixedTokenProvider(), null!), Throws.ArgumentNullException);
            Assert.That(() => new M3TokenProvider(null!), Throws.ArgumentNullException);
            Assert.That(() => M3HttpClient.Create(null!), Throws.ArgumentNullException);
        }
    }

    private static HttpClient Client(IM3TokenProvider tokens, FakeM3 server, Action<M3AuthOptions>? configure = null)
    {
        var options = new M3AuthOptions();
        configure?.Invoke(options);
        return new HttpClient(new M3AuthHandler(tokens, options) { InnerHandler = server });
    }

    private static ServiceProvider Container(ClientFixture fixture, Action<M3AuthOptions> configure)
    {
        var services = new ServiceCollection();
        services.AddHttpClient("m3", client => client.BaseAddress = ClientFixture.Address).AddM3Auth(options =>
        {
            fixture.Wire(options);
            (options.IssuerUrl, options.Audience) = (FakeIssuer.Url, ClientFixture.Audience);
            configure(options);
        }).ConfigurePrimaryHttpMessageHandler(() => fixture.Server);
        return services.BuildServiceProvider();
    }

    private sealed class Disposable(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        public bool IsDisposed { get; private set; }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            // The one inside is the test's own.
            base.Dispose(disposing: false);
        }
    }
}
