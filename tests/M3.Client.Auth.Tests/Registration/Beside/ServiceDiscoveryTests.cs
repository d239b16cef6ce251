using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary><c>AddServiceDiscovery</c>: what it finds is an address like any other, to which the token goes if it is allowed.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ServiceDiscoveryTests
{
    private const string First = "https://10.0.0.1:3000";
    private const string Second = "https://10.0.0.2:3000";

    [TestCase("https://m3/sse")]
    [TestCase("https+http://m3/sse")]
    public async Task Outside_the_token_goes_to_each_address_found_that_is_allowed(string name)
    {
        using BesideFixture app = App(Side.Outside, [First, Second], First, Second);

        await app.CallAsync(name);
        await app.CallAsync(name);

        Assert.That(app.Server.Arrivals.Select(arrival => arrival.Url!.ToString()), Is.EquivalentTo([$"{First}/sse", $"{Second}/sse"]));
        Assert.That(app.Server.Arrivals.Select(arrival => arrival.Token), Is.All.EqualTo(app.ClientFixture.Token));
        Assert.That(app.Warnings, Is.Empty);
    }

    [Test]
    public async Task Outside_an_address_found_that_is_not_allowed_gets_nothing()
    {
        using BesideFixture app = App(Side.Outside, [First], "https://m3");

        await Assert.ThatAsync(() => app.CallAsync("https://m3/sse"), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("https://10.0.0.1:3000 (allowed: https://m3:443)"));

        Assert.That(app.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task Outside_where_none_are_named_the_first_address_found_is_the_only_one()
    {
        using BesideFixture app = App(Side.Outside, [First, Second]);

        await app.CallAsync("https://m3/sse");
        await Assert.ThatAsync(() => app.CallAsync("https://m3/sse"), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("the first one used is the only one"));

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Outside_a_name_that_is_not_found_is_an_address_like_any_other()
    {
        using BesideFixture app = App(Side.Outside, [First], First);

        await Assert.ThatAsync(() => app.CallAsync("https://other/sse"), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("https://other:443"));
    }

    [TestCase(true, ExpectedResult = 0)]
    [TestCase(false, ExpectedResult = 1)]
    public async Task<int> Outside_plain_HTTP_is_refused_unless_it_is_allowed(bool requireHttps)
    {
        using BesideFixture app = App(Side.Outside, ["http://10.0.0.1:3000"], options =>
        {
            options.RequireHttps = requireHttps;
            options.AllowedOrigins.Add(new Uri("http://10.0.0.1:3000"));
        });
        try
        {
            await app.CallAsync("https+http://m3/sse");
        }
        catch (UntrustedOriginException e)
        {
            Assert.That(e.Message, Does.Contain("plain HTTP"));
        }

        return app.Server.Arrivals.Count;
    }

    [Test]
    public async Task Each_address_has_a_limit_of_its_own()
    {
        using BesideFixture app = App(Side.Outside, [First, Second], options =>
        {
            options.RateLimitRequests = 1;
            options.AllowedOrigins.Add(new Uri(First));
            options.AllowedOrigins.Add(new Uri(Second));
        });

        await app.CallAsync("https://m3/sse");
        await app.CallAsync("https://m3/sse");

        await Assert.ThatAsync(() => app.CallAsync("https://m3/sse"), Throws.TypeOf<RateLimitExceededException>());
    }

    // The address changes behind our back and back again: neither is taken for a redirect.
    [Test]
    public async Task A_401_is_M3s_and_answered_with_the_renewed_token([Values] Side side)
    {
        using BesideFixture app = App(side, [First], "https://m3", First);
        app.ClientFixture.RefuseUntilRenewed();

        await app.CallAsync("https://m3/sse");

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(2));
        Assert.That(app.Server.Arrivals[^1].Token, Is.EqualTo(app.ClientFixture.Token));
    }

    [Test]
    public async Task Inside_the_address_found_must_be_allowed_as_well_as_the_name()
    {
        using BesideFixture one = App(Side.Inside, [First], "https://m3");
        using BesideFixture both = App(Side.Inside, [First], "https://m3", First);

        await Assert.ThatAsync(() => one.CallAsync("https://m3/sse"), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("https://10.0.0.1:3000 (allowed: https://m3:443)"));
        await both.CallAsync("https://m3/sse");

        Assert.That(one.Server.Arrivals, Is.Empty);
        Assert.That(both.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(both.ClientFixture.Token));
    }

    // A sign-in that was discovered from one server, and a handler that moves the call to another that is allowed, too.
    [Test]
    public async Task Inside_a_discovered_sign_in_is_not_moved_to_another_address_that_is_allowed()
    {
        using BesideFixture app = App(Side.Inside, [First], options =>
        {
            options.TokenSource = new Confined(options.TokenSource!, new Uri("https://m3"));
            options.AllowedOrigins.Add(new Uri("https://m3"));
            options.AllowedOrigins.Add(new Uri(First));
        });

        await Assert.ThatAsync(() => app.CallAsync("https://m3/sse"), Throws.TypeOf<UntrustedOriginException>().With.Message.EndsWith(
            "https://10.0.0.1:3000 (the sign-in was discovered from https://m3:443, and its token goes there only)"));

        Assert.That(app.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task Inside_where_none_are_named_the_name_is_the_only_one_and_no_address_found()
    {
        using BesideFixture app = App(Side.Inside, [First]);

        await Assert.ThatAsync(() => app.CallAsync("https://m3/sse"), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("https://10.0.0.1:3000"));

        Assert.That(app.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task Inside_a_name_for_either_scheme_is_no_address()
    {
        using BesideFixture app = App(Side.Inside, [First], "https://m3", First);

        await Assert.ThatAsync(() => app.CallAsync("https+http://m3/sse"),
            Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("the request's URI is 'https+http://m3/sse', not an absolute http or https one"));

        Assert.That(app.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task Inside_the_log_says_so_once()
    {
        using BesideFixture app = App(Side.Inside, [First], "https://m3", First);

        await app.CallAsync("https://m3/sse");
        await app.CallAsync("https://m3/sse");

        Assert.That(app.Warnings.Single().Text, Does.StartWith("The client 'm3' has ResolvingHttpDelegatingHandler inside of M3's").And.Contains("Call AddServiceDiscovery before AddM3Auth"));
    }

    private static BesideFixture App(Side side, string[] found, params string[] allowed) => App(side, found, options =>
    {
        foreach (string address in allowed)
            options.AllowedOrigins.Add(new Uri(address));
    });

    private static BesideFixture App(Side side, string[] found, Action<M3AuthOptions> configure)
    {
        var app = new BesideFixture(configure);
        for (int i = 0; i < found.Length; i++)
            app.Set($"Services:m3:{new Uri(found[i]).Scheme}:{i}", found[i]);
        app.Services.AddServiceDiscovery();
        app.AddClient(side, builder => builder.AddServiceDiscovery());
        return app;
    }

    private sealed class Confined(ITokenSource inner, Uri onlyFor) : ITokenSource
    {
        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => inner.ReadAsync(context, cancellationToken);

        public async ValueTask<TokenReading?> ReadWithSourceAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
            new TokenReading((await ReadAsync(context, cancellationToken))!, this) { OnlyFor = onlyFor };
    }
}
