using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>A verdict is kept until something that it rests on may have changed.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class CachedTokenTests
{
    [Test]
    public async Task A_polled_source_is_read_at_most_once_a_second()
    {
        using var fixture = new ClientFixture();
        for (int i = 0; i < 50; i++)
        {
            (await fixture.CallAsync()).Dispose();
            fixture.Clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.That((fixture.Reads, fixture.Issuer.JwksRequests), Is.EqualTo((5, 1)));
    }

    [Test]
    public async Task A_token_replaced_at_its_source_is_used_a_second_later()
    {
        using var fixture = new ClientFixture();
        string first = fixture.Token!;
        (await fixture.CallAsync()).Dispose();
        string second = fixture.Token = fixture.NewToken();

        fixture.Clock.Advance(TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));
        (await fixture.CallAsync()).Dispose();
        fixture.Clock.Advance(TimeSpan.FromTicks(1));
        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([first, first, second]));
    }

    [Test]
    public async Task A_token_that_is_the_same_again_is_the_same_object()
    {
        using var fixture = new ClientFixture();
        using var provider = new M3TokenProvider(fixture.Options());
        M3AccessToken first = await provider.GetTokenAsync();

        fixture.Clock.Advance(TimeSpan.FromSeconds(5));

        Assert.That(await provider.GetTokenAsync(), Is.SameAs(first));
        Assert.That(fixture.Reads, Is.EqualTo(2));
    }

    [TestCase(null, typeof(MissingTokenException))]
    [TestCase("not a token", typeof(InvalidTokenFormatException))]
    public async Task A_polled_source_is_followed_to_something_worse_too(string? worse, Type error)
    {
        using var fixture = new ClientFixture();
        (await fixture.CallAsync()).Dispose();

        fixture.Token = worse;
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));

        Assert.That(await fixture.FailAsync(), Is.TypeOf(error));
        Assert.That(await fixture.FailAsync(), Is.TypeOf(error));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_token_is_never_sent_from_its_expiry_on()
    {
        using var fixture = new ClientFixture();
        fixture.Token = fixture.NewToken(claims => claims["exp"] = fixture.Now.AddSeconds(10).ToUnixTimeSeconds());
        (await fixture.CallAsync()).Dispose();

        fixture.Clock.Advance(TimeSpan.FromSeconds(10) - TimeSpan.FromTicks(1));
        (await fixture.CallAsync()).Dispose();
        fixture.Clock.Advance(TimeSpan.FromTicks(1));

        TokenExpiredException error = await fixture.FailAsync<TokenExpiredException>();
        Assert.That(error.Message, Does.StartWith("Token has expired: at 2026-11-23 12:00:10Z"));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task At_its_expiry_the_source_is_looked_at_at_once()
    {
        using var fixture = new ClientFixture();
        fixture.Token = fixture.NewToken(claims => claims["exp"] = fixture.Now.AddSeconds(10).ToUnixTimeSeconds());
        fixture.Clock.Advance(TimeSpan.FromMilliseconds(9_900));
        (await fixture.CallAsync()).Dispose();

        string next = fixture.Token = fixture.NewToken();
        fixture.Clock.Advance(TimeSpan.FromMilliseconds(100));
        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Server.Arrivals[^1].Token, Is.EqualTo(next));
    }

    [Test]
    public async Task A_source_that_is_not_polled_is_asked_only_near_the_expiry_and_nobody_waits_for_it()
    {
        int asked = 0;
        using var fixture = new ClientFixture();
        var renewal = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var renewing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        string first = fixture.Token!;
        M3AuthOptions options = fixture.Options();
        options.TokenSource = TokenSources.From(_ =>
        {
            if (++asked == 1)
                return new(first);
            renewing.TrySetResult();
            return new(renewal.Task);
        });
        using var provider = new M3TokenProvider(options);

        // It lasts half an hour, and is renewed a minute (and up to a tenth more) before.
        Assert.That((await provider.GetTokenAsync()).Value, Is.EqualTo(first));
        fixture.Clock.Advance(TimeSpan.FromSeconds((29 * 60) - 7));
        Assert.That((await provider.GetTokenAsync()).Value, Is.EqualTo(first));
        Assert.That(asked, Is.EqualTo(1));

        fixture.Clock.Advance(TimeSpan.FromSeconds(7));
        Assert.That((await provider.GetTokenAsync()).Value, Is.EqualTo(first));
        await renewing.Task.WaitAsync(KeyCacheFixture.Patience);
        string second = fixture.NewToken();
        renewal.SetResult(second);

        Assert.That((await NextAsync(provider, first, fixture)).Value, Is.EqualTo(second));
        Assert.That(asked, Is.EqualTo(2));
    }

    [Test]
    public async Task A_token_whose_key_the_issuer_withdrew_is_no_longer_sent()
    {
        using var fixture = new ClientFixture(options => options.JwksCacheTtl = TimeSpan.FromMinutes(10));
        (await fixture.CallAsync()).Dispose();
        fixture.Issuer.Keys.RemoveAll(key => key["kid"]!.GetValue<string>() == FakeIssuer.RsaKeyId);

        fixture.Clock.Advance(TimeSpan.FromMinutes(10));

        await fixture.FailAsync<InvalidTokenSignatureException>();
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Keys_more_than_24_hours_past_their_lifetime_serve_nobody()
    {
        using var fixture = new ClientFixture();
        fixture.Token = fixture.NewToken(claims => claims["exp"] = fixture.Now.AddDays(3).ToUnixTimeSeconds());
        (await fixture.CallAsync()).Dispose();
        fixture.Issuer.GoDown();

        for (int hour = 1; hour < 25; hour++)
        {
            fixture.Clock.Advance(TimeSpan.FromHours(1));
            (await fixture.CallAsync()).Dispose();
        }

        for (int hour = 25; hour < 28; hour++)
        {
            fixture.Clock.Advance(TimeSpan.FromHours(1));
            await fixture.FailAsync<JwksUnavailableException>();
        }

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(25));
    }

    [Test]
    public async Task New_keys_that_still_have_the_tokens_one_do_not_disturb_it()
    {
        using var fixture = new ClientFixture(options => options.JwksCacheTtl = TimeSpan.FromMinutes(10));
        (await fixture.CallAsync()).Dispose();
        fixture.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.OtherRsa));

        fixture.Clock.Advance(TimeSpan.FromMinutes(10));
        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2).And.All.Property("Token").EqualTo(fixture.Token));
        Assert.That(fixture.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task A_refused_token_is_checked_again_at_every_call_without_asking_the_issuer_again()
    {
        using var fixture = new ClientFixture();
        fixture.Token = fixture.NewToken(claims => claims["aud"] = "other");

        for (int i = 0; i < 5; i++)
            await fixture.FailAsync<InvalidAudienceException>();

        Assert.That(fixture.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public async Task What_the_token_says_is_there_to_read()
    {
        using var fixture = new ClientFixture();
        fixture.Token = "Bearer " + fixture.NewToken(claims => (claims["aud"], claims["scp"]) = (new System.Text.Json.Nodes.JsonArray("a", ClientFixture.Audience), "b c"), algorithm: "ES256") + "\n";
        using var provider = new M3TokenProvider(fixture.Options());

        M3AccessToken token = await provider.GetTokenAsync();

        using (Assert.EnterMultipleScope())
        {
            Assert.That($"Bearer {token.Value}\n", Is.EqualTo(fixture.Token));
            Assert.That(token.Issuer, Is.EqualTo(FakeIssuer.Url));
            Assert.That(token.Subject, Is.EqualTo("researcher"));
            Assert.That(token.Audiences, Is.EqualTo(["a", ClientFixture.Audience]));
            Assert.That(token.Scopes, Is.EqualTo(["read:mimic-data", "b", "c"]));
            Assert.That(token.IssuedAt, Is.EqualTo(ClientFixture.Noon));
            Assert.That(token.ExpiresAt, Is.EqualTo(ClientFixture.Noon.AddMinutes(30)));
            Assert.That(token.KeyId, Is.EqualTo(FakeIssuer.EcKeyId));
            Assert.That(token.Algorithm, Is.EqualTo("ES256"));
        }
    }

    // The renewal ends in the background; every call until then has the old token, without waiting.
    private static async Task<M3AccessToken> NextAsync(M3TokenProvider provider, string old, ClientFixture fixture)
    {
        M3AccessToken? token = null;
        await KeyCacheFixture.UntilAsync(async () => (token = await provider.GetTokenAsync()).Value != old || fixture.Now >= token.ExpiresAt, "the token is renewed");
        return token!;
    }
}
