using System.Net;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>A script that finds its person's sign-in, and renews it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SignedInTests
{
    private const string Login = "Sign in again: m3-token login --issuer https://issuer.test --audience m3-api --client-id m3-cli";

    [Test]
    public async Task A_kept_token_that_lasts_is_sent_and_nobody_is_asked()
    {
        using var world = new SignedInWorld();
        SignIn signIn = world.SignIn(TimeSpan.FromMinutes(30));

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.Sent, Is.EqualTo([signIn.AccessToken]));
        Assert.That(world.Forms, Is.Empty);
    }

    [TestCase(-10)]
    [TestCase(60)]
    public async Task An_expired_token_or_one_about_to_is_renewed_and_kept_before_it_is_sent(int left)
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromSeconds(left), signIn => signIn with { Resource = "https://m3.test/sse", AccessToken = world.Fixture.NewToken(claims => claims["iat"] = (world.Fixture.Now.AddHours(-1)).ToUnixTimeSeconds()) });
        string? keptWhenSent = null;
        world.Fixture.Server.Answer = request =>
        {
            keptWhenSent = world.Kept.AccessToken;
            return new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request };
        };

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.Forms.Single(), Is.EquivalentTo(new Dictionary<string, string>
        {
            ["grant_type"] = "refresh_token",
            ["refresh_token"] = "first-refresh-token",
            ["client_id"] = "m3-cli",
            ["resource"] = "https://m3.test/sse",
        }));
        Assert.That(world.Authorizations, Is.EqualTo(new string?[] { null }));
        Assert.That(world.Kept.RefreshToken, Is.EqualTo("second-refresh-token"));
        Assert.That(world.Sent, Is.EqualTo([keptWhenSent]));
    }

    [Test]
    public async Task A_client_with_a_secret_proves_itself()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromSeconds(-1));

        (await world.Client(options => (options.ClientId, options.ClientSecret) = ("m3-cli", "a-client-secret")).GetAsync("")).Dispose();

        Assert.That(world.Authorizations.Single(), Is.Not.Null);
        Assert.That(world.Forms.Single().Keys, Is.EquivalentTo(["grant_type", "refresh_token"]));
    }

    [Test]
    public async Task A_refresh_token_that_the_issuer_does_not_replace_is_used_on()
    {
        using var world = new SignedInWorld();
        world.Answer = _ => SignedInWorld.Grant(world.Fixture.NewToken(), refreshToken: null);
        world.SignIn(TimeSpan.FromSeconds(-1));

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.Kept.RefreshToken, Is.EqualTo("first-refresh-token"));
        Assert.That(world.Kept.AccessToken, Is.EqualTo(world.Sent.Single()));
    }

    // The provider asks by what was left when it got the token, and the source must see it the same way.
    [TestCase(3600)]
    [TestCase(600)]
    [TestCase(60)]
    [TestCase(20)]
    public async Task Ahead_of_the_expiry_it_is_renewed_once(int lifetime)
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromSeconds(lifetime));
        world.Answer = _ => SignedInWorld.Grant(world.Fixture.NewToken(claims => claims["exp"] = world.Fixture.Now.AddHours(2).ToUnixTimeSeconds()), "second-refresh-token");
        HttpClient client = world.Client();
        TimeSpan ahead = TimeSpan.FromSeconds(Math.Min(lifetime / 5.0, 60));
        (await client.GetAsync("")).Dispose();

        world.Fixture.Clock.Advance(TimeSpan.FromSeconds(lifetime) - (ahead * 1.11));
        (await client.GetAsync("")).Dispose();
        Assert.That(world.Forms, Is.Empty, "not yet");

        world.Fixture.Clock.Advance(ahead * 0.12);
        (await client.GetAsync("")).Dispose();
        await KeyCacheFixture.UntilAsync(() => world.Kept.RefreshToken == "second-refresh-token", "it is renewed behind the call's back");
        await KeyCacheFixture.UntilAsync(async () =>
        {
            (await client.GetAsync("")).Dispose();
            return world.Sent.Last() == world.Kept.AccessToken;
        }, "the new token is used");
        world.Fixture.Clock.Advance(TimeSpan.FromSeconds(lifetime));
        (await client.GetAsync("")).Dispose();
        Assert.That(world.Forms, Has.Count.EqualTo(1), "and never again");
    }

    [Test]
    public async Task Several_programs_renew_it_once()
    {
        // By the real clock: the one that waits for the lock looks again by itself.
        using var world = new SignedInWorld(new ClientFixture { Clock = new FakeTimeProvider(DateTimeOffset.UtcNow) });
        world.SignIn(TimeSpan.FromSeconds(-1));
        var answer = new TaskCompletionSource();
        world.Before = () => answer.Task;

        Task<HttpResponseMessage>[] calls = [.. Enumerable.Range(0, 4).Select(_ => world.Client(options => options.TimeProvider = TimeProvider.System).GetAsync(""))];
        await KeyCacheFixture.UntilAsync(() => world.Forms.Count == 1, "one of them asks");
        answer.SetResult();
        foreach (Task<HttpResponseMessage> call in calls)
            (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();

        Assert.That(world.Forms, Has.Count.EqualTo(1));
        Assert.That(world.Sent, Is.All.EqualTo(world.Kept.AccessToken));
    }

    [Test]
    public async Task A_token_that_M3_refused_is_renewed()
    {
        using var world = new SignedInWorld();
        SignIn refused = world.SignIn(TimeSpan.FromMinutes(30));
        world.Fixture.Server.Answer = request => request.Headers.Authorization!.Parameter == refused.AccessToken
            ? FakeM3.Refuse(request, "Bearer")
            : new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request };

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.Sent, Is.EqualTo([refused.AccessToken, world.Kept.AccessToken]));
    }

    [Test]
    public async Task A_refused_refresh_token_is_dropped_and_the_error_says_how_to_sign_in_again()
    {
        using var world = new SignedInWorld { Answer = _ => SignedInWorld.Refuse("invalid_grant") };
        world.SignIn(TimeSpan.FromSeconds(-1));

        TokenRequestFailedException error = await SignedInWorld.FailAsync<TokenRequestFailedException>(world.Client());

        Assert.That(error.Message, Does.EndWith("the sign-in kept by m3-token login for 'https://issuer.test' has ended: it cannot be renewed any more"));
        Assert.That(error.Remedy, Does.StartWith(Login));
        Assert.That(error.IsTransient, Is.False);
        Assert.That(world.Kept.RefreshToken, Is.Null);
        Assert.That(error.ToString() + world.Fixture.Log.Everything, Does.Not.Contain("refresh-token"));
        Assert.That((await SignedInWorld.FailAsync<TokenRequestFailedException>(world.Client())).Remedy, Does.StartWith(Login), "the next program is told the same");
        Assert.That(world.Forms, Has.Count.EqualTo(1), "and does not ask for it");
    }

    [Test]
    public async Task Where_it_was_discovered_the_command_names_that_address()
    {
        using var world = new SignedInWorld { Answer = _ => SignedInWorld.Refuse("invalid_grant") };
        world.SignIn(TimeSpan.FromSeconds(-1), signIn => signIn with { OnlyFor = new Uri("https://m3.test"), Resource = "https://m3.test/sse" });

        Assert.That((await SignedInWorld.FailAsync<TokenRequestFailedException>(world.Client())).Remedy, Does.StartWith("Sign in again: m3-token login https://m3.test/sse --audience m3-api --client-id m3-cli See"));
    }

    [Test]
    public async Task The_command_asks_for_the_same_scopes_and_resource()
    {
        using var world = new SignedInWorld { Answer = _ => SignedInWorld.Refuse("invalid_grant") };
        world.SignIn(TimeSpan.FromSeconds(-1), signIn => signIn with { Scopes = ["read:mimic-data", "read:it's"], Resource = "urn:m3" });

        Assert.That((await SignedInWorld.FailAsync<TokenRequestFailedException>(world.Client())).Remedy,
            Does.StartWith($@"{Login} --scope read:mimic-data --scope 'read:it'\''s' --resource urn:m3 See"));
    }

    [Test]
    public async Task Whoever_signed_in_anew_meanwhile_keeps_that()
    {
        using var world = new SignedInWorld();
        SignIn old = world.SignIn(TimeSpan.FromSeconds(-1));
        world.Answer = _ =>
        {
            world.Place.Store.Save(old with { RefreshToken = "of-the-new-sign-in" });
            return SignedInWorld.Refuse("invalid_grant");
        };

        await SignedInWorld.FailAsync<TokenRequestFailedException>(world.Client());

        Assert.That(world.Kept.RefreshToken, Is.EqualTo("of-the-new-sign-in"));
    }

    [Test]
    public async Task An_ended_sign_in_s_access_token_is_used_to_its_end()
    {
        using var world = new SignedInWorld();
        SignIn signIn = world.SignIn(TimeSpan.FromSeconds(30), signIn => signIn with { RefreshToken = null });
        HttpClient client = world.Client();
        (await client.GetAsync("")).Dispose();

        world.Fixture.Clock.Advance(TimeSpan.FromSeconds(30));

        Assert.That((await SignedInWorld.FailAsync<TokenRequestFailedException>(client)).Remedy, Does.StartWith(Login));
        Assert.That(world.Sent, Is.EqualTo([signIn.AccessToken]));
    }

    [Test]
    public async Task While_the_issuer_is_down_the_token_at_hand_is_used_and_the_refresh_token_stays()
    {
        using var world = new SignedInWorld { Answer = _ => new HttpResponseMessage(HttpStatusCode.ServiceUnavailable) };
        world.SignIn(TimeSpan.FromSeconds(60), signIn => signIn with { AccessToken = world.Fixture.NewToken() });

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.Kept.RefreshToken, Is.EqualTo("first-refresh-token"));
        Assert.That(world.Sent.Count(), Is.EqualTo(1));
    }

    [Test]
    public async Task A_refresh_is_sent_once_whatever_comes_of_it()
    {
        using var world = new SignedInWorld { Answer = _ => new HttpResponseMessage(HttpStatusCode.ServiceUnavailable) };
        world.SignIn(TimeSpan.FromSeconds(-1));

        await SignedInWorld.FailAsync<TokenRequestFailedException>(world.Client());

        Assert.That(world.Forms, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task An_access_token_that_will_not_do_costs_no_refresh_token()
    {
        using var world = new SignedInWorld { Answer = _ => SignedInWorld.Grant("opaque", "second-refresh-token") };
        world.SignIn(TimeSpan.FromSeconds(-1));

        await SignedInWorld.FailAsync<InvalidTokenFormatException>(world.Client());

        Assert.That(world.Kept.RefreshToken, Is.EqualTo("second-refresh-token"));
    }

    [Test]
    public async Task A_refresh_token_without_end_is_refused()
    {
        using var world = new SignedInWorld();
        world.Answer = _ => SignedInWorld.Grant(world.Fixture.NewToken(), new string('r', 70_000));
        world.SignIn(TimeSpan.FromSeconds(-1));

        Assert.That((await SignedInWorld.FailAsync<TokenRequestFailedException>(world.Client())).Message, Does.EndWith("a refresh token of more than 64 KiB"));
        Assert.That(world.Kept.RefreshToken, Is.EqualTo("first-refresh-token"));
    }

    [Test]
    public async Task Whoever_is_not_signed_in_is_told_where_was_looked_and_what_to_do()
    {
        using var world = new SignedInWorld();

        MissingTokenException error = await SignedInWorld.FailAsync<MissingTokenException>(world.Client());

        Assert.That(error.Message, Does.EndWith("looked in the sign-in kept by m3-token login"));
    }

    [Test]
    public async Task The_sign_in_of_another_audience_is_another_s()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromMinutes(30), signIn => signIn with { Audience = "others" });

        await SignedInWorld.FailAsync<MissingTokenException>(world.Client());
    }

    [Test]
    public async Task Who_is_signed_in_is_logged_once_and_never_a_token()
    {
        using var world = new SignedInWorld();
        SignIn signIn = world.SignIn(TimeSpan.FromMinutes(30));
        HttpClient client = world.Client(options => options.Debug = true);
        for (int i = 0; i < 3; i++)
        {
            (await client.GetAsync("")).Dispose();
            world.Fixture.Clock.Advance(TimeSpan.FromMinutes(30));
        }

        LogLine line = world.Fixture.Log.Lines.Single(line => line.Text.StartsWith("Signed in", StringComparison.Ordinal));
        Assert.That(line.Text, Does.StartWith("Signed in as 'researcher' at https://issuer.test, kept since 2026-11-23 12:00:00Z"));
        Assert.That(line.Level, Is.EqualTo(LogLevel.Information));
        foreach (string secret in new[] { signIn.AccessToken!, world.Kept.AccessToken!, "first-refresh-token", "second-refresh-token" })
            Assert.That(world.Fixture.Log.Everything, Does.Not.Contain(secret));
    }

    [Test]
    public async Task A_sign_in_that_cannot_be_used_says_what_to_do()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromMinutes(30));
        await File.WriteAllTextAsync(world.Place.File, "{");

        Assert.That((await SignedInWorld.FailAsync<TokenRequestFailedException>(world.Client())).Message, Does.Contain("is damaged: sign in again"));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Where_nothing_can_be_kept_the_issuer_is_not_asked(bool isUsable)
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromSeconds(isUsable ? 30 : -1), signIn => signIn with { AccessToken = world.Fixture.NewToken() });
        HttpClient client = world.Client();
        // No lock can be taken either.
        Directory.CreateDirectory(world.Place.File + ".lock");

        if (isUsable)
            (await client.GetAsync("")).Dispose();
        else
            Assert.That((await SignedInWorld.FailAsync<TokenRequestFailedException>(client)).Message, Does.Contain("cannot be locked").And.Contains("not renewed here"));

        Assert.That(world.Forms, Is.Empty);
    }
}
