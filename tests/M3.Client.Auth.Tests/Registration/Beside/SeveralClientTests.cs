using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary>Several clients in one application: named, typed and keyed ones, of one M3 or of two.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SeveralClientTests
{
    private const string OtherServer = "https://other.test/sse";

    public enum Kind
    {
        Named,
        Typed,
        TypedByName,
        Keyed,
    }

    [Test]
    public async Task A_client_of_any_kind_carries_the_token_and_keeps_the_limit([Values] Kind kind)
    {
        using var app = new BesideFixture(options => options.RateLimitRequests = 1);
        HttpClient client = AddAndGet(app, kind);

        (await client.PostAsync(ClientFixture.Address, null)).Dispose();

        Assert.That(app.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(app.ClientFixture.Token));
        await Assert.ThatAsync(() => client.PostAsync(ClientFixture.Address, null), Throws.TypeOf<RateLimitExceededException>());
    }

    [Test]
    public async Task AddAsKeyed_may_stand_on_either_side([Values] Side side)
    {
        using var app = new BesideFixture();
        app.AddClient(side, builder => builder.AddAsKeyed());
        using IServiceScope scope = app.Provider.CreateScope();

        (await scope.ServiceProvider.GetRequiredKeyedService<HttpClient>("m3").PostAsync(ClientFixture.Address, null)).Dispose();

        Assert.That(app.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(app.ClientFixture.Token));
    }

    [Test]
    public async Task Two_clients_of_one_server_share_its_limit_of_whatever_kind_they_are()
    {
        using var app = new BesideFixture(options => options.RateLimitRequests = 2);
        app.AddM3(app.Services.AddHttpClient("m3"));
        HttpClient typed = AddAndGet(app, Kind.Typed);

        await app.CallAsync();
        (await typed.PostAsync(ClientFixture.Address, null)).Dispose();

        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
        await Assert.ThatAsync(() => typed.PostAsync(ClientFixture.Address, null), Throws.TypeOf<RateLimitExceededException>());
    }

    [Test]
    public async Task Two_servers_have_a_limit_an_audience_and_a_token_each_by_their_own_prefix([Values] bool otherFirst)
    {
        using var app = new BesideFixture();
        string others = app.ClientFixture.NewToken(claims => claims["aud"] = "other-api");
        app.Set("M3_OAUTH2_RATE_LIMIT_REQUESTS", "1");
        app.Set("OTHER_OAUTH2_AUDIENCE", "other-api");
        app.Set("OTHER_OAUTH2_ISSUER_URL", FakeIssuer.Url);
        app.Set("OTHER_OAUTH2_RATE_LIMIT_REQUESTS", "2");
        app.Set("OTHER_OAUTH2_TOKEN", others);
        Action[] adds = [() => app.AddM3(app.Services.AddHttpClient("m3")), () => AddOther(app)];
        foreach (Action add in otherFirst ? adds.Reverse() : adds)
            add();

        await app.CallAsync();
        await app.CallAsync(OtherServer, "other");
        await app.CallAsync(OtherServer, "other");

        Assert.That(app.Server.Arrivals.Select(arrival => (arrival.Url!.Host, arrival.Token)),
            Is.EqualTo([("m3.test", app.ClientFixture.Token), ("other.test", others), ("other.test", others)]));
        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
        await Assert.ThatAsync(() => app.CallAsync(OtherServer, "other"), Throws.TypeOf<RateLimitExceededException>());
    }

    [Test]
    public async Task Neither_of_two_servers_gets_the_others_token()
    {
        using var app = new BesideFixture();
        app.AddM3(app.Services.AddHttpClient("m3"), options => options.AllowedOrigins.Add(ClientFixture.Address));
        app.AddM3(app.Services.AddHttpClient("other"), options => options.AllowedOrigins.Add(new Uri(OtherServer)));

        await Assert.ThatAsync(() => app.CallAsync(OtherServer), Throws.TypeOf<UntrustedOriginException>());
        await Assert.ThatAsync(() => app.CallAsync(client: "other"), Throws.TypeOf<UntrustedOriginException>());

        Assert.That(app.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task What_stands_beside_one_client_is_warned_of_for_that_one()
    {
        using var app = new BesideFixture();
        app.AddClient(Side.Inside, builder => builder.AddStandardResilienceHandler(), "wrong");
        app.AddClient(Side.Outside, builder => builder.AddStandardResilienceHandler(), "right");

        await app.CallAsync(client: "right");
        await app.CallAsync(client: "wrong");

        Assert.That(app.Warnings.Single().Text, Does.StartWith("The client 'wrong' has ResilienceHandler inside of M3's"));
    }

    // As a service template does it for every client: they come first, and so stand outside.
    [Test]
    public async Task Defaults_for_every_client_stand_outside_even_if_they_come_later()
    {
        using var app = new BesideFixture(options => options.RateLimitRequests = 1);
        app.AddM3(app.Services.AddHttpClient("m3"));
        app.Services.ConfigureHttpClientDefaults(builder => builder.AddStandardResilienceHandler(options => options.Retry.Delay = TimeSpan.Zero));
        app.Server.Answer = request => new HttpResponseMessage(System.Net.HttpStatusCode.ServiceUnavailable) { RequestMessage = request };

        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(1));
        Assert.That(app.Warnings, Is.Empty);
    }

    private static void AddOther(BesideFixture app) =>
        app.Services.AddHttpClient("other").ConfigurePrimaryHttpMessageHandler(() => app.Server).AddM3Auth(options =>
        {
            (options.BackchannelHttpHandler, options.TimeProvider) = (app.ClientFixture.Issuer.Backchannel, app.Clock);
        }, "OTHER_OAUTH2_");

    private static HttpClient AddAndGet(BesideFixture app, Kind kind)
    {
        IHttpClientBuilder builder = kind switch
        {
            Kind.Typed => app.Services.AddHttpClient<TypedClient>(),
            Kind.TypedByName => app.Services.AddHttpClient("by-name").AddTypedClient<TypedClient>(),
            _ => app.Services.AddHttpClient("of-its-own"),
        };
        app.AddM3(builder);
        if (kind == Kind.Keyed)
            builder.AddAsKeyed(ServiceLifetime.Singleton);
        return kind switch
        {
            Kind.Named => app.Client(builder.Name),
            Kind.Keyed => app.Provider.GetRequiredKeyedService<HttpClient>(builder.Name),
            _ => app.Provider.GetRequiredService<TypedClient>().Http,
        };
    }

    private sealed class TypedClient(HttpClient http)
    {
        public HttpClient Http => http;
    }
}
