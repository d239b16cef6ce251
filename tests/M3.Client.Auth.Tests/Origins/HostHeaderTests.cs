using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Origins;

/// <summary>
/// .NET takes the name that TLS checks, and the host that a gateway routes by, from a <c>Host</c> header: one that differs from the
/// address is another origin.
/// </summary>
[Parallelizable(ParallelScope.All)]
public sealed class HostHeaderTests
{
    [TestCase("evil.test")]
    [TestCase("m3.test:8443")]
    [TestCase("m3.test:80")]
    [TestCase("m3.test.")]
    [TestCase("sub.m3.test")]
    [TestCase("m3.test.evil.test")]
    [TestCase("m3.test@evil.test")]
    [TestCase("evil.test@m3.test")]
    [TestCase("m3.test/evil")]
    [TestCase("m3.test/")]
    [TestCase("m3.test\\")]
    [TestCase("m3.test?x")]
    [TestCase("m3.test#x")]
    [TestCase("m3.test:443:443")]
    [TestCase("m3.test, evil.test")]
    [TestCase("m3.test evil.test")]
    [TestCase("")]
    [TestCase(" ")]
    public async Task A_host_other_than_the_address_is_refused_and_nothing_is_sent(string host)
    {
        using var fixture = new ClientFixture();
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        Assert.That(request.Headers.TryAddWithoutValidation("Host", host));

        UntrustedOriginException error = (await Assert.ThrowsAsync<UntrustedOriginException>(() => fixture.Client.SendAsync(request)))!;

        Assert.That(error.Message, Does.Contain("Host header").And.Contain("https://m3.test:443"));
        Assert.That(fixture.Server.Arrivals, Is.Empty);
        Assert.That(fixture.Reads, Is.Zero, "not even the token is looked for");
    }

    [Test]
    public async Task Two_hosts_are_refused_even_where_one_is_the_address()
    {
        using var fixture = new ClientFixture();
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        request.Headers.TryAddWithoutValidation("Host", "m3.test");
        request.Headers.TryAddWithoutValidation("Host", "evil.test");

        await Assert.ThatAsync(() => fixture.Client.SendAsync(request), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public void A_synchronous_call_is_refused_as_well()
    {
        using var fixture = new ClientFixture();
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Headers = { Host = "evil.test" } };

        Assert.That(() => fixture.Client.Send(request), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task A_cached_token_makes_no_difference()
    {
        using var fixture = new ClientFixture();
        (await fixture.CallAsync()).Dispose();
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Headers = { Host = "evil.test" } };

        await Assert.ThatAsync(() => fixture.Client.SendAsync(request), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [TestCase("m3.test", "https://m3.test/sse")]
    [TestCase("m3.test:443", "https://m3.test/sse")]
    [TestCase("M3.Test", "https://m3.test/sse")]
    [TestCase("localhost:3000", "http://localhost:3000/sse")]
    [TestCase("localhost:80", "http://localhost/sse")]
    [TestCase("[::1]:3000", "http://[::1]:3000/sse")]
    [TestCase("xn--bcher-kva.test", "https://b\u00fccher.test/sse")]
    public async Task The_address_itself_in_any_spelling_is_fine(string host, string address)
    {
        using var fixture = new ClientFixture();
        using HttpClient client = new(new M3AuthHandler(fixture.Options(), fixture.Log) { InnerHandler = fixture.Server });
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Headers = { Host = host } };

        (await client.SendAsync(request)).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(fixture.Token));
    }

    [TestCase("https://gateway.test", "gateway.test", true)]
    [TestCase("https://gateway.test", "gateway.test:443", true)]
    [TestCase("https://gateway.test:8443", "gateway.test:8443", true)]
    [TestCase("https://gateway.test:8443", "gateway.test", false)]
    [TestCase("http://gateway.test:443", "gateway.test", false)]
    [TestCase("http://gateway.test", "gateway.test", false)]
    public async Task An_allowed_origin_may_be_the_host(string allowed, string host, bool isSent)
    {
        using var fixture = new ClientFixture(options => options.AllowedOrigins.Add(new Uri(allowed)));
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Headers = { Host = host } };

        if (isSent)
            (await fixture.Client.SendAsync(request)).Dispose();
        else
            await Assert.ThatAsync(() => fixture.Client.SendAsync(request), Throws.TypeOf<UntrustedOriginException>());

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(isSent ? 1 : 0));
    }

    [Test]
    public async Task What_is_refused_does_not_become_the_first_origin()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = new(new M3AuthHandler(fixture.Options(), fixture.Log) { InnerHandler = fixture.Server });
        using var request = new HttpRequestMessage(HttpMethod.Post, "https://other.test/") { Headers = { Host = "m3.test" } };

        await Assert.ThatAsync(() => client.SendAsync(request), Throws.TypeOf<UntrustedOriginException>());
        (await client.GetAsync(ClientFixture.Address)).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Url), Is.EqualTo([ClientFixture.Address]));
    }

    [Test]
    public async Task A_request_that_its_caller_authenticates_is_left_alone()
    {
        using var fixture = new ClientFixture();
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Headers = { Host = "other.test", Authorization = new("Basic", "eDp5") } };

        (await fixture.Client.SendAsync(request)).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Exactly(1).With.Property("Scheme").EqualTo("Basic"));
    }
}
