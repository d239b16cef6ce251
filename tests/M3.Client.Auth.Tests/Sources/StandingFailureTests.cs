using System.Net;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;
using RichardSzalay.MockHttp;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>What an on-demand source fails with, or returns that is no valid token, stands for a moment that grows from 1 to 30 s.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class StandingFailureTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [TestCase("another audience", typeof(InvalidAudienceException))]
    [TestCase("a missing scope", typeof(MissingScopesException))]
    [TestCase("another issuer", typeof(InvalidIssuerException))]
    [TestCase("expired", typeof(TokenExpiredException))]
    [TestCase("of the future", typeof(TokenNotYetValidException))]
    [TestCase("an unknown key", typeof(InvalidTokenSignatureException))]
    [TestCase("opaque", typeof(InvalidTokenFormatException))]
    [TestCase("none", typeof(MissingTokenException))]
    [TestCase("a failure", typeof(TokenRequestFailedException))]
    public async Task Two_hundred_calls_ask_once(string answer, Type error)
    {
        int asked = 0;
        using var fixture = new ClientFixture();
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.From(_ =>
        {
            asked++;
            return new(Answer(fixture, answer));
        }));

        for (int i = 0; i < 200; i++)
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf(error));

        Assert.That(asked, Is.EqualTo(1));
        Assert.That(fixture.Issuer.JwksRequests, Is.LessThanOrEqualTo(2));
    }

    [Test]
    public async Task Two_hundred_calls_with_client_credentials_make_one_token_request([Values("aud", "scope")] string claim)
    {
        using var fixture = new ClientFixture();
        ServeTokens(fixture, () => fixture.NewToken(claims => claims[claim] = "other"), out Func<int> count);
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.ClientCredentials("pull", "secret"));

        for (int i = 0; i < 200; i++)
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.InstanceOf<M3AuthException>());
        int atOnce = count();
        for (int second = 0; second < 600; second++)
        {
            fixture.Clock.Advance(Second);
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.InstanceOf<M3AuthException>());
        }

        TestContext.Out.WriteLine($"200 calls: {atOnce} token request, {fixture.Issuer.DiscoveryRequests} of metadata; ten minutes more, a call a second: {count()} token requests");
        Assert.That((atOnce, fixture.Issuer.DiscoveryRequests), Is.EqualTo((1, 1)));
        Assert.That(count(), Is.InRange(20, 26));
    }

    [Test]
    public async Task The_moment_grows_from_one_second_to_thirty()
    {
        List<DateTimeOffset> asked = [];
        using var fixture = new ClientFixture();
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.From(_ =>
        {
            asked.Add(fixture.Now);
            throw new IOException();
        }));

        for (int i = 0; i < 2000; i++)
        {
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
            fixture.Clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        double[] gaps = [.. asked.Zip(asked.Skip(1), (a, b) => (b - a).TotalSeconds)];
        TestContext.Out.WriteLine("asked again after " + string.Join(", ", gaps) + " s");
        Assert.That(gaps[..5], Is.Ordered);
        Assert.That(gaps[0], Is.InRange(1, 1.3));
        Assert.That(gaps[1], Is.InRange(2, 2.5));
        Assert.That(gaps[5..], Is.All.InRange(25, 30.1));
    }

    [Test]
    public async Task A_source_that_works_again_is_forgiven_at_once()
    {
        bool fails = true;
        int asked = 0;
        using var fixture = new ClientFixture();
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.From(_ => ++asked > 0 && fails ? throw new IOException() : new(fixture.NewToken())));
        for (int i = 0; i < 100; i++)
        {
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
            fixture.Clock.Advance(Second);
        }

        fails = false;
        fixture.Clock.Advance(30 * Second);
        (await client.GetAsync("")).Dispose();
        fails = true;
        fixture.Clock.Advance(TimeSpan.FromHours(1));
        asked = 0;
        for (int i = 0; i < 2; i++)
        {
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
            fixture.Clock.Advance(TimeSpan.FromSeconds(1.3));
        }

        Assert.That(asked, Is.EqualTo(2), "the pauses begin at one second again");
    }

    [Test]
    public async Task Another_source_of_the_chain_that_gets_a_token_meanwhile_is_used_within_a_second()
    {
        using var fixture = new ClientFixture();
        var configuration = new ConfigurationManager();
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FirstOf(
            TokenSources.FromConfiguration(configuration, "token"), TokenSources.From(_ => throw new IOException())));
        for (int i = 0; i < 100; i++)
        {
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
            fixture.Clock.Advance(Second);
        }

        configuration["token"] = fixture.NewToken();
        fixture.Clock.Advance(Second);
        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals.Single().Token, Is.EqualTo(configuration["token"]));
    }

    [Test]
    public async Task A_source_without_a_token_is_asked_once_and_the_next_of_the_chain_has_it()
    {
        int asked = 0;
        using var fixture = new ClientFixture();
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FirstOf(
            TokenSources.From(_ => ++asked > 0 ? new((string?)null) : default),
            TokenSources.From(_ => new(fixture.NewToken(claims => claims["aud"] = "other")))));

        for (int i = 0; i < 50; i++)
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<InvalidAudienceException>());

        Assert.That(asked, Is.EqualTo(1));
    }

    [Test]
    public async Task A_401_that_newer_tokens_do_not_cure_makes_the_source_asked_ever_less_often()
    {
        int asked = 0;
        using var fixture = new ClientFixture(options => options.RateLimitEnabled = false);
        fixture.Server.Answer = request => FakeM3.Refuse(request, null);
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.From(_ => ++asked > 0 ? new(fixture.NewToken()) : default));

        for (int i = 0; i < 200; i++)
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<RejectedException>());
        Assert.That(asked, Is.EqualTo(2), "for the first call, and once more after its 401");
        for (int second = 0; second < 300; second++)
        {
            fixture.Clock.Advance(Second);
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<RejectedException>());
        }

        TestContext.Out.WriteLine($"200 calls at once and 300 within five minutes, each answered 401: asked {asked} times");
        Assert.That(asked, Is.InRange(12, 17));
    }

    [Test]
    public async Task A_source_that_fails_after_a_401_is_asked_again_every_half_minute_at_least()
    {
        var asked = new List<DateTimeOffset>();
        using var fixture = new ClientFixture(options => options.RateLimitEnabled = false);
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.From(_ =>
        {
            asked.Add(fixture.Now);
            return asked.Count == 1
                ? new(fixture.NewToken(claims => claims["exp"] = ClientFixture.Noon.AddHours(9).ToUnixTimeSeconds()))
                : throw new IOException();
        }));
        (await client.GetAsync("")).Dispose();
        fixture.Server.Answer = request => FakeM3.Refuse(request, null);

        for (int second = 0; second < 1800; second++)
        {
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<RejectedException>());
            fixture.Clock.Advance(Second);
        }

        double longest = asked.Skip(1).Zip(asked.Skip(2), (one, next) => (next - one).TotalSeconds).Max();
        Assert.That(longest, Is.InRange(25, 31), "in seconds");
    }

    [Test]
    public async Task A_401_long_after_the_last_one_is_looked_into_at_once()
    {
        int asked = 0;
        using var fixture = new ClientFixture(options => options.RateLimitEnabled = false);
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.From(_ => ++asked > 0
            ? new(fixture.NewToken(claims => claims["exp"] = fixture.Now.AddHours(9).ToUnixTimeSeconds())) : default));
        for (int i = 0; i < 5; i++)
        {
            string? rejected = i == 0 ? null : fixture.Server.Arrivals[^1].Token;
            fixture.Server.Answer = request => request.Headers.Authorization!.Parameter == rejected
                ? FakeM3.Refuse(request, null) : new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request };

            (await client.GetAsync("")).Dispose();
            fixture.Clock.Advance(TimeSpan.FromSeconds(62));
        }

        Assert.That(asked, Is.EqualTo(5));
    }

    [Test]
    public async Task The_metadata_are_kept_for_token_requests_as_long_as_keys()
    {
        using var fixture = new ClientFixture(options => options.JwksCacheTtl = TimeSpan.FromHours(2));
        ServeTokens(fixture, () => fixture.NewToken(claims => claims["exp"] = fixture.Now.AddMinutes(5).ToUnixTimeSeconds()), out Func<int> count);
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.ClientCredentials("pull", "secret"));

        // Each call finds its token expired, and waits for the next: no time passes while a request is under way.
        for (int minute = 0; minute < 60; minute += 5)
        {
            (await client.GetAsync("")).Dispose();
            fixture.Clock.Advance(TimeSpan.FromMinutes(5));
        }

        TestContext.Out.WriteLine($"an hour of 5-minute tokens: {count()} token requests, {fixture.Issuer.DiscoveryRequests} of metadata, {fixture.Issuer.JwksRequests} of keys");
        Assert.That(count(), Is.GreaterThanOrEqualTo(12));
        Assert.That((fixture.Issuer.DiscoveryRequests, fixture.Issuer.JwksRequests), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task A_token_endpoint_that_moved_is_found_after_its_failure()
    {
        using var fixture = new ClientFixture();
        bool isGone = false;
        ServeTokens(fixture, () => isGone ? "" : fixture.NewToken(), out Func<int> count, path: "/old");
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.ClientCredentials("pull", "secret"));
        (await client.GetAsync("")).Dispose();
        ServeTokens(fixture, () => fixture.NewToken(), out Func<int> countMoved, path: "/new");
        isGone = true;

        fixture.Clock.Advance(TimeSpan.FromMinutes(31));
        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
        fixture.Clock.Advance(2 * Second);
        (await client.GetAsync("")).Dispose();

        Assert.That((count(), countMoved()), Is.EqualTo((2, 1)));
    }

    [Test]
    public async Task The_same_token_is_not_judged_twice_by_the_same_keys()
    {
        using var fixture = new ClientFixture(options => options.JwksCacheTtl = TimeSpan.FromMinutes(10));
        fixture.Token = fixture.NewToken(claims => claims["aud"] = "other");

        M3AuthException first = await fixture.FailAsync<InvalidAudienceException>();
        Assert.That(await fixture.FailAsync(), Is.SameAs(first));

        // New keys are another matter.
        using var provider = new M3TokenProvider(fixture.Options());
        first = (await Assert.CatchAsync<InvalidAudienceException>(() => provider.GetTokenAsync().AsTask()))!;
        fixture.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.OtherRsa));
        string bad = fixture.Token!;
        fixture.Token = fixture.NewToken(header: header => header["kid"] = "nobody's");
        await Assert.ThatAsync(() => provider.GetTokenAsync().AsTask(), Throws.TypeOf<InvalidTokenSignatureException>());
        fixture.Token = bad;
        M3AuthException second = (await Assert.CatchAsync<InvalidAudienceException>(() => provider.GetTokenAsync().AsTask()))!;
        Assert.That(second, Is.Not.SameAs(first));
    }

    private static string? Answer(ClientFixture fixture, string answer) => answer switch
    {
        "another audience" => fixture.NewToken(claims => claims["aud"] = "other"),
        "a missing scope" => fixture.NewToken(claims => claims["scope"] = "read:notes"),
        "another issuer" => fixture.NewToken(claims => claims["iss"] = "https://else.test"),
        "expired" => fixture.NewToken(claims => claims["exp"] = 1),
        "of the future" => fixture.NewToken(claims => claims["nbf"] = fixture.Now.AddHours(9).ToUnixTimeSeconds()),
        "an unknown key" => fixture.NewToken(header: header => header["kid"] = Guid.NewGuid().ToString()),
        "opaque" => "opaque",
        "none" => null,
        _ => throw new IOException(),
    };

    private static void ServeTokens(ClientFixture fixture, Func<string> newToken, out Func<int> count, string path = "/token")
    {
        int requests = 0;
        fixture.Issuer.AnswerDiscovery = _ => Task.FromResult(FakeIssuer.Json(new JsonObject
        {
            ["issuer"] = FakeIssuer.Url,
            ["jwks_uri"] = FakeIssuer.Url + "/jwks",
            ["token_endpoint"] = FakeIssuer.Url + path,
        }.ToJsonString()));
        fixture.Issuer.Backchannel.When(HttpMethod.Post, FakeIssuer.Url + path).Respond(_ =>
        {
            requests++;
            return FakeIssuer.Json(new JsonObject { ["access_token"] = newToken(), ["token_type"] = "Bearer" }.ToJsonString());
        });
        count = () => requests;
    }
}
