using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests.Registration;

/// <summary>Where no origins are allowed by name, the client's base address says where the token may go, from the first call on.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class BaseAddressTests
{
    private static readonly Uri Elsewhere = new("https://elsewhere.test/sse");

    [Test]
    public async Task The_first_call_of_all_goes_nowhere_else()
    {
        using var app = new App(builder => builder.ConfigureHttpClient(client => client.BaseAddress = ClientFixture.Address).AddM3Auth());

        await Assert.ThatAsync(() => app.CallAsync(Elsewhere), Throws.TypeOf<UntrustedOriginException>().With.Message.EqualTo(
            "Token withheld from untrusted origin: https://elsewhere.test:443 (no allowed origins are set, so the base address's is the only one: https://m3.test:443)"));
        await app.CallAsync(ClientFixture.Address);

        Assert.That(app.Fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_base_address_that_is_set_behind_AddM3Auth_counts_too()
    {
        using var app = new App(builder => builder.AddM3Auth().ConfigureHttpClient(client => client.BaseAddress = ClientFixture.Address));

        await Assert.ThatAsync(() => app.CallAsync(Elsewhere), Throws.TypeOf<UntrustedOriginException>());
    }

    [Test]
    public async Task Allowed_origins_have_the_last_word()
    {
        using var app = new App(
            builder => builder.ConfigureHttpClient(client => client.BaseAddress = ClientFixture.Address).AddM3Auth(),
            options => options.AllowedOrigins.Add(Elsewhere));

        await app.CallAsync(Elsewhere);
        await Assert.ThatAsync(() => app.CallAsync(ClientFixture.Address), Throws.TypeOf<UntrustedOriginException>());
    }

    [Test]
    public async Task The_base_address_of_a_later_client_widens_nothing()
    {
        Uri[] addresses = [ClientFixture.Address, Elsewhere];
        int made = 0;
        using var app = new App(builder => builder.ConfigureHttpClient(client => client.BaseAddress = addresses[made++]).AddM3Auth());
        await app.CallAsync(ClientFixture.Address);

        await Assert.ThatAsync(() => app.CallAsync(Elsewhere), Throws.TypeOf<UntrustedOriginException>());
    }

    // A handler that somebody took from the factory may be used before the first client is made.
    [Test]
    public async Task A_call_before_the_first_client_decides_and_no_base_address_later_contradicts_it()
    {
        using var app = new App(builder => builder.ConfigureHttpClient(client => client.BaseAddress = ClientFixture.Address).AddM3Auth());
        await app.CallByHandlerAsync(Elsewhere);

        await app.CallAsync(Elsewhere);
        await Assert.ThatAsync(() => app.CallAsync(ClientFixture.Address), Throws.TypeOf<UntrustedOriginException>().With.Message.EqualTo(
            "Token withheld from untrusted origin: https://m3.test:443 (no allowed origins are set, so the first one used is the only one: https://elsewhere.test:443)"));
    }

    // What is refused elsewhere must not make the first address a known one.
    [Test]
    public async Task Plain_http_is_refused_at_the_base_address_as_well_and_stays_so()
    {
        var plain = new Uri("http://m3.test/sse");
        using var app = new App(builder => builder.ConfigureHttpClient(client => client.BaseAddress = plain).AddM3Auth());

        await Assert.ThatAsync(() => app.CallAsync(Elsewhere), Throws.TypeOf<UntrustedOriginException>());
        for (int i = 0; i < 2; i++)
            await Assert.ThatAsync(() => app.CallAsync(plain), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("plain HTTP"));
    }

    private sealed class App : IDisposable
    {
        private readonly ServiceProvider _services;

        public App(Action<IHttpClientBuilder> add, Action<M3AuthOptions>? configure = null)
        {
            var services = new ServiceCollection();
            services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());
            services.PostConfigure<M3AuthOptions>("m3", options =>
            {
                (options.IssuerUrl, options.Audience) = (FakeIssuer.Url, ClientFixture.Audience);
                Fixture.Wire(options);
                configure?.Invoke(options);
            });
            add(services.AddHttpClient("m3").ConfigurePrimaryHttpMessageHandler(() => Fixture.Server));
            _services = services.BuildServiceProvider();
        }

        public ClientFixture Fixture { get; } = new();

        public async Task CallAsync(Uri address) => (await _services.GetRequiredService<IHttpClientFactory>().CreateClient("m3").GetAsync(address)).Dispose();

        public async Task CallByHandlerAsync(Uri address)
        {
            using var invoker = new HttpMessageInvoker(_services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler("m3"), disposeHandler: false);
            (await invoker.SendAsync(new HttpRequestMessage(HttpMethod.Get, address), default)).Dispose();
        }

        public void Dispose()
        {
            _services.Dispose();
            Fixture.Dispose();
        }
    }
}
