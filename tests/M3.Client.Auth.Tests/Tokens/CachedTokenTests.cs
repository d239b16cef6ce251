using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>A verdict is kept until something that it rests on may have changed.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class CachedTokenTests
{
    [Test]
    public async Task A_polled_source_is_read_at_most_once_a_second()
    {
        using var scene = new Scene();
        for (int i = 0; i < 50; i++)
        {
            (await scene.CallAsync()).Dispose();
            scene.Clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.That((scene.Reads, scene.Issuer.JwksRequests), Is.EqualTo((5, 1)));
    }

    [Test]
    public async Task A_token_replaced_at_its_source_is_used_a_second_later()
    {
        using var scene = new Scene();
        string first = scene.Token!;
        (await scene.CallAsync()).Dispose();
        string second = scene.Token = scene.NewToken();

        scene.Clock.Advance(TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));
        (await scene.CallAsync()).Dispose();
        scene.Clock.Advance(TimeSpan.FromTicks(1));
        (await scene.CallAsync()).Dispose();

        Assert.That(scene.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([first, first, second]));
    }

    [Test]
    public async Task A_token_that_is_the_same_again_is_the_same_object()
    {
        using var scene = new Scene();
        using var provider = new M3TokenProvider(scene.Options());
        M3AccessToken first = await provider.GetTokenAsync();

        scene.Clock.Advance(TimeSpan.FromSeconds(5));

        Assert.That(await provider.GetTokenAsync(), Is.SameAs(first));
        Assert.That(scene.Reads, Is.EqualTo(2));
    }

    [TestCase(null, typeof(MissingTokenException))]
    [TestCase("not a token", typeof(InvalidTokenFormatException))]
    public async Task A_polled_source_is_followed_to_something_worse_too(string? worse, Type error)
    {
        using var scene = new Scene();
        (await scene.CallAsync()).Dispose();

        scene.Token = worse;
        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        Assert.That(await scene.FailAsync(), Is.TypeOf(error));
        Assert.That(await scene.FailAsync(), Is.TypeOf(error));
        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_token_is_never_sent_from_its_expiry_on()
    {
        using var scene = new Scene();
        scene.Token = scene.NewToken(claims => claims["exp"] = scene.Now.AddSeconds(10).ToUnixTimeSeconds());
        (await scene.CallAsync()).Dispose();

        scene.Clock.Advance(TimeSpan.FromSeconds(10) - TimeSpan.FromTicks(1));
        (await scene.CallAsync()).Dispose();
        scene.Clock.Advance(TimeSpan.FromTicks(1));

        TokenExpiredException error = await scene.FailAsync<TokenExpiredException>();
        Assert.That(error.Message, Does.StartWith("Token has expired: at 2026-11-23 12:00:10Z"));
        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task At_its_expiry_the_source_is_looked_at_at_once()
    {
        using var scene = new Scene();
        scene.Token = scene.NewToken(claims => claims["exp"] = scene.Now.AddSeconds(10).ToUnixTimeSeconds());
        scene.Clock.Advance(TimeSpan.FromMilliseconds(9_900));
        (await scene.CallAsync()).Dispose();

        string next = scene.Token = scene.NewToken();
        scene.Clock.Advance(TimeSpan.FromMilliseconds(100));
        (await scene.CallAsync()).Dispose();

        Assert.That(scene.Server.Arrivals[^1].Token, Is.EqualTo(next));
    }

    [Test]
    public async Task A_source_that_is_not_polled_is_asked_only_near_the_expiry_and_nobody_waits_for_it()
    {
        int asked = 0;
        using var scene = new Scene();
        var renewal = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var renewing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        string first = scene.Token!;
        M3AuthOptions options = scene.Options();
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
        scene.Clock.Advance(TimeSpan.FromSeconds((29 * 60) - 7));
        Assert.That((await provider.GetTokenAsync()).Value, Is.EqualTo(first));
        Assert.That(asked, Is.EqualTo(1));

        scene.Clock.Advance(TimeSpan.FromSeconds(7));
        Assert.That((await provider.GetTokenAsync()).Value, Is.EqualTo(first));
        await renewing.Task.WaitAsync(KeyRoom.Patience);
        string second = scene.NewToken();
        renewal.SetResult(second);

        Assert.That((await NextAsync(provider, first, scene)).Value, Is.EqualTo(second));
        Assert.That(asked, Is.EqualTo(2));
    }

    [Test]
    public async Task A_token_whose_key_the_issuer_withdrew_is_no_longer_sent()
    {
        using var scene = new Scene(options => options.JwksCacheTtl = TimeSpan.FromMinutes(10));
        (await scene.CallAsync()).Dispose();
        scene.Issuer.Keys.RemoveAll(key => key["kid"]!.GetValue<string>() == FakeIssuer.RsaKeyId);

        scene.Clock.Advance(TimeSpan.FromMinutes(10));

        await scene.FailAsync<InvalidTokenSignatureException>();
        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Keys_more_than_24_hours_past_their_lifetime_serve_nobody()
    {
        using var scene = new Scene();
        scene.Token = scene.NewToken(claims => claims["exp"] = scene.Now.AddDays(3).ToUnixTimeSeconds());
        (await scene.CallAsync()).Dispose();
        scene.Issuer.GoDown();

        for (int hour = 1; hour < 25; hour++)
        {
            scene.Clock.Advance(TimeSpan.FromHours(1));
            (await scene.CallAsync()).Dispose();
        }

        for (int hour = 25; hour < 28; hour++)
        {
            scene.Clock.Advance(TimeSpan.FromHours(1));
            await scene.FailAsync<JwksUnavailableException>();
        }

        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(25));
    }

    [Test]
    public async Task New_keys_that_still_have_the_tokens_one_do_not_disturb_it()
    {
        using var scene = new Scene(options => options.JwksCacheTtl = TimeSpan.FromMinutes(10));
        (await scene.CallAsync()).Dispose();
        scene.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.OtherRsa));

        scene.Clock.Advance(TimeSpan.FromMinutes(10));
        (await scene.CallAsync()).Dispose();

        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(2).And.All.Property("Token").EqualTo(scene.Token));
        Assert.That(scene.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task A_refused_token_is_checked_again_at_every_call_without_asking_the_issuer_again()
    {
        using var scene = new Scene();
        scene.Token = scene.NewToken(claims => claims["aud"] = "other");

        for (int i = 0; i < 5; i++)
            await scene.FailAsync<InvalidAudienceException>();

        Assert.That(scene.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public async Task What_the_token_says_is_there_to_read()
    {
        using var scene = new Scene();
        scene.Token = "Bearer " + scene.NewToken(claims => (claims["aud"], claims["scp"]) = (new System.Text.Json.Nodes.JsonArray("a", Scene.Audience), "b c"), algorithm: "ES256") + "\n";
        using var provider = new M3TokenProvider(scene.Options());

        M3AccessToken token = await provider.GetTokenAsync();

        using (Assert.EnterMultipleScope())
        {
            Assert.That($"Bearer {token.Value}\n", Is.EqualTo(scene.Token));
            Assert.That(token.Issuer, Is.EqualTo(FakeIssuer.Url));
            Assert.That(token.Subject, Is.EqualTo("researcher"));
            Assert.That(token.Audiences, Is.EqualTo(["a", Scene.Audience]));
            Assert.That(token.Scopes, Is.EqualTo(["read:mimic-data", "b", "c"]));
            Assert.That(token.IssuedAt, Is.EqualTo(Scene.Noon));
            Assert.That(token.ExpiresAt, Is.EqualTo(Scene.Noon.AddMinutes(30)));
            Assert.That(token.KeyId, Is.EqualTo(FakeIssuer.EcKeyId));
            Assert.That(token.Algorithm, Is.EqualTo("ES256"));
        }
    }

    // The renewal ends in the background; every call until then has the old token, without waiting.
    private static async Task<M3AccessToken> NextAsync(M3TokenProvider provider, string old, Scene scene)
    {
        M3AccessToken? token = null;
        await KeyRoom.UntilAsync(async () => (token = await provider.GetTokenAsync()).Value != old || scene.Now >= token.ExpiresAt, "the token is renewed");
        return token!;
    }
}
