using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Origins;

/// <summary>The token goes to M3's origin, and nowhere else.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class OriginTests
{
    [TestCase("https://m3.test/")]
    [TestCase("https://m3.test/another/path?query=1")]
    [TestCase("https://m3.test:443/sse")]
    [TestCase("https://M3.TEST/sse")]
    [TestCase("HTTPS://m3.test/sse#fragment")]
    public async Task Paths_and_spelling_do_not_make_another_origin(string url)
    {
        using var fixture = new ClientFixture();

        using HttpResponseMessage response = await fixture.Client.GetAsync(new Uri(url));

        Assert.That(fixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(fixture.Token));
    }

    [TestCase("https://other.test/sse", "https://other.test:443")]
    [TestCase("https://m3.test.evil.test/sse", "https://m3.test.evil.test:443")]
    [TestCase("https://sub.m3.test/sse", "https://sub.m3.test:443")]
    [TestCase("https://m3.test:8443/sse", "https://m3.test:8443")]
    [TestCase("https://m3.test@evil.test/sse", "https://evil.test:443")]
    [TestCase("https://issuer.test/sse", "https://issuer.test:443")]
    [TestCase("http://localhost/sse", "http://localhost:80")]
    public async Task Another_host_or_port_is_refused_and_nothing_is_sent(string url, string origin)
    {
        using var fixture = new ClientFixture();

        await Assert.ThatAsync(() => fixture.Client.GetAsync(new Uri(url)), Throws.TypeOf<UntrustedOriginException>()
            .With.Message.EqualTo($"Token withheld from untrusted origin: {origin} (allowed: https://m3.test:443)"));

        Assert.That(fixture.Server.Arrivals, Is.Empty);
        Assert.That(fixture.Reads, Is.Zero, "not even the token is looked for");
    }

    [Test]
    public async Task Every_allowed_origin_gets_the_token_whatever_its_path()
    {
        using var fixture = new ClientFixture(options => options.AllowedOrigins.Add(new Uri("https://second.test:8443/some/path")));

        using HttpResponseMessage first = await fixture.Client.GetAsync(ClientFixture.Address);
        using HttpResponseMessage second = await fixture.Client.GetAsync(new Uri("https://second.test:8443/sse"));

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([fixture.Token, fixture.Token]));
    }

    [Test]
    public async Task Without_allowed_origins_the_first_one_used_is_the_only_one()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Bare(fixture);
        using HttpResponseMessage response = await client.GetAsync(ClientFixture.Address);

        await Assert.ThatAsync(() => client.GetAsync(new Uri("https://other.test/")), Throws.TypeOf<UntrustedOriginException>()
            .With.Message.EndsWith("https://other.test:443 (no allowed origins are set, so the first one used is the only one: https://m3.test:443)"));
        using HttpResponseMessage again = await client.GetAsync(ClientFixture.Address);

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Url), Is.EqualTo([ClientFixture.Address, ClientFixture.Address]));
    }

    [Test]
    public async Task Of_many_first_calls_at_once_to_different_places_one_origin_wins()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Bare(fixture);
        int refused = 0;

        Parallel.For(0, 64, i =>
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, $"https://m3-{i % 8}.test/");
                client.Send(request).Dispose();
            }
            catch (UntrustedOriginException)
            {
                Interlocked.Increment(ref refused);
            }
        });

        Assert.That(refused, Is.EqualTo(56));
        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Url!.Host).Distinct().Count(), Is.EqualTo(1));
        await Assert.ThatAsync(() => client.GetAsync(ClientFixture.Address), Throws.TypeOf<UntrustedOriginException>());
    }

    [TestCase("https://m3.cluster.local/sse", "http://m3.cluster.local/sse")]
    [TestCase("http://m3.cluster.local/sse", "https://m3.cluster.local/sse")]
    [TestCase("http://m3.cluster.local:443/sse", "https://m3.cluster.local/sse")]
    public async Task Another_scheme_is_another_origin_where_both_are_allowed(string own, string other)
    {
        using var fixture = new ClientFixture(options => options.RequireHttps = false);
        using HttpClient client = Bare(fixture);
        (await client.GetAsync(new Uri(own))).Dispose();

        await Assert.ThatAsync(() => client.GetAsync(new Uri(other)), Throws.TypeOf<UntrustedOriginException>());

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Plain_HTTP_is_refused_and_does_not_become_the_first_origin()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Bare(fixture);

        await Assert.ThatAsync(() => client.GetAsync(new Uri("http://m3.test/sse")), Throws.TypeOf<UntrustedOriginException>()
            .With.Message.EqualTo("Token withheld from untrusted origin: http://m3.test:80 is plain HTTP, over which anybody on the way can read the token"));
        using HttpResponseMessage response = await client.GetAsync(ClientFixture.Address);

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Url), Is.EqualTo([ClientFixture.Address]));
    }

    [Test]
    public async Task Plain_HTTP_is_refused_even_where_the_allowed_origins_name_it()
    {
        using var fixture = new ClientFixture(options => options.AllowedOrigins.Add(new Uri("http://m3.test")));

        await Assert.ThatAsync(() => fixture.Client.GetAsync(new Uri("http://m3.test/sse")), Throws.TypeOf<UntrustedOriginException>());

        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [TestCase("http://localhost:3000/sse")]
    [TestCase("http://127.0.0.1:3000/sse")]
    [TestCase("http://127.8.8.8:3000/sse")]
    [TestCase("http://[::1]:3000/sse")]
    public async Task Loopback_needs_no_HTTPS(string url)
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Bare(fixture);

        using HttpResponseMessage response = await client.GetAsync(new Uri(url));

        Assert.That(fixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(fixture.Token));
        Assert.That(fixture.Log.Warnings, Is.Empty);
    }

    [TestCase("http://localhost.evil.test/sse")]
    [TestCase("http://127.0.0.1.evil.test/sse")]
    [TestCase("http://0.0.0.0/sse")]
    [TestCase("http://10.0.0.1/sse")]
    public async Task What_only_looks_like_loopback_needs_HTTPS(string url)
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Bare(fixture);

        await Assert.ThatAsync(() => client.GetAsync(new Uri(url)), Throws.TypeOf<UntrustedOriginException>());

        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task Plain_HTTP_goes_when_RequireHttps_is_off_and_the_log_says_so_once()
    {
        using var fixture = new ClientFixture(options => options.RequireHttps = false);
        using HttpClient client = Bare(fixture);

        for (int i = 0; i < 3; i++)
            (await client.GetAsync(new Uri("http://m3.cluster.local:3000/sse"))).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([fixture.Token, fixture.Token, fixture.Token]));
        Assert.That(fixture.Log.Warnings, Has.Exactly(1).Contains("The token goes to http://m3.cluster.local:3000 over plain HTTP"));
        Assert.That(fixture.Log.Warnings.Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task A_place_that_is_refused_is_not_said_to_get_the_token_over_plain_HTTP()
    {
        using var fixture = new ClientFixture(options =>
        {
            options.RequireHttps = false;
            options.AllowedOrigins.Add(new Uri("http://m3.cluster.local"));
        });

        await Assert.ThatAsync(() => fixture.Client.GetAsync(new Uri("http://other.cluster.local/")), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(fixture.Log.Warnings, Is.Empty);

        using HttpResponseMessage response = await fixture.Client.GetAsync(new Uri("http://m3.cluster.local/sse"));
        Assert.That(fixture.Log.Warnings, Has.Exactly(1).Contains("The token goes to http://m3.cluster.local:80 over plain HTTP"));
    }

    [TestCase("/sse")]
    [TestCase("ftp://m3.test/sse")]
    [TestCase(null)]
    public async Task A_message_without_an_HTTP_address_is_refused(string? url)
    {
        using var fixture = new ClientFixture();
        using var invoker = new HttpMessageInvoker(new M3AuthHandler(fixture.Options()) { InnerHandler = fixture.Server });
        using var request = new HttpRequestMessage { RequestUri = url is null ? null : new Uri(url, UriKind.RelativeOrAbsolute) };

        await Assert.ThatAsync(() => invoker.SendAsync(request, default), Throws.TypeOf<UntrustedOriginException>());

        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task Create_leaves_the_callers_settings_as_they_were()
    {
        using var fixture = new ClientFixture();
        M3AuthOptions options = fixture.Options();

        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, options, fixture.Server);
        using HttpResponseMessage response = await client.GetAsync("");

        Assert.That(options.AllowedOrigins, Is.Empty);
        Assert.That(client.BaseAddress, Is.EqualTo(ClientFixture.Address));
    }

    private static HttpClient Bare(ClientFixture fixture) => new(new M3AuthHandler(fixture.Options(), fixture.Log) { InnerHandler = fixture.Server });
}
