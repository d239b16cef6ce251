using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Logging;

namespace M3.Client.Auth.Tests.Keys;

/// <summary>The issuer's keys over time: their lifetime, the cool-down, the outage.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class JwksCacheTests
{
    private const double Lifetime = 3600;
    private const double Cooldown = 30;
    private const double Day = 24 * 3600;

    // One fetch at a time

    [Test]
    public async Task A_hundred_callers_share_one_fetch_and_one_set()
    {
        using var keyCache = new KeyCacheFixture();
        HeldAnswer held = keyCache.HoldKeys();

        Task<KeySet>[] callers = [.. Enumerable.Range(0, 100).Select(_ => keyCache.GetAsync())];
        await held.Arrived;
        Assert.That(callers.Any(caller => caller.IsCompleted), Is.False);
        held.Release();
        KeySet[] sets = await Task.WhenAll(callers);

        Assert.That(sets.Distinct().Count(), Is.EqualTo(1));
        Assert.That((keyCache.Issuer.DiscoveryRequests, keyCache.Issuer.JwksRequests), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task A_hit_is_answered_on_the_spot()
    {
        using var keyCache = new KeyCacheFixture();
        KeySet keys = await keyCache.GetAsync();

        Task<KeySet> hit = keyCache.GetAsync();

        Assert.That(hit.IsCompletedSuccessfully);
        Assert.That(await hit, Is.SameAs(keys));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public async Task A_caller_that_gives_up_ends_only_its_own_wait()
    {
        using var keyCache = new KeyCacheFixture();
        using var impatient = new CancellationTokenSource();
        HeldAnswer held = keyCache.HoldKeys();

        // The one that started the fetch is the one that leaves.
        Task<KeySet> leaving = keyCache.GetAsync(impatient.Token);
        Task<KeySet> staying = keyCache.GetAsync();
        await held.Arrived;
        await impatient.CancelAsync();

        await Assert.ThatAsync(() => leaving, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(staying.IsCompleted, Is.False);
        held.Release();
        Assert.That((await staying).Count, Is.EqualTo(2));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public async Task A_caller_with_an_unknown_kid_that_gives_up_ends_only_its_own_wait()
    {
        using var keyCache = new KeyCacheFixture();
        using var impatient = new CancellationTokenSource();
        await keyCache.GetAsync();
        keyCache.Advance(Cooldown);
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.SharedRsa));
        HeldAnswer held = keyCache.HoldKeys();
        string token = keyCache.TokenUnder("rsa-2");

        Task<M3AccessToken> leaving = keyCache.ValidateAsync(token, impatient.Token);
        Task<M3AccessToken> staying = keyCache.ValidateAsync(token);
        await held.Arrived;
        await impatient.CancelAsync();

        await Assert.ThatAsync(() => leaving, Throws.InstanceOf<OperationCanceledException>());
        held.Release();
        Assert.That((await staying).KeyId, Is.EqualTo("rsa-2"));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task A_caller_that_has_given_up_already_still_lets_the_keys_be_fetched_for_others()
    {
        using var keyCache = new KeyCacheFixture();

        await Assert.ThatAsync(() => keyCache.GetAsync(new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());

        Assert.That((await keyCache.GetAsync()).Count, Is.EqualTo(2));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(1));
    }

    // The lifetime

    [Test]
    public async Task Nobody_asks_the_issuer_before_75_percent_of_the_lifetime()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();

        keyCache.Advance((Lifetime * 0.75) - 1);

        Assert.That(keyCache.GetAsync().IsCompletedSuccessfully);
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public async Task From_85_percent_of_the_lifetime_a_background_refresh_is_under_way_that_nobody_waits_for()
    {
        using var keyCache = new KeyCacheFixture();
        KeySet old = await keyCache.GetAsync();
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.OtherRsa));
        HeldAnswer held = keyCache.HoldKeys();

        keyCache.Advance(Lifetime * 0.85);
        Task<KeySet> first = keyCache.GetAsync();
        Assert.That(first.IsCompletedSuccessfully);
        Assert.That(await first, Is.SameAs(old));
        await held.Arrived;
        Task<KeySet> during = keyCache.GetAsync();
        Assert.That(during.IsCompletedSuccessfully);
        Assert.That(await during, Is.SameAs(old));

        held.Release();
        await KeyCacheFixture.UntilAsync(() => keyCache.Cache.Current != old, "the new keys are in use");
        Assert.That(keyCache.Cache.Current!.KeyIds, Does.Contain("rsa-2"));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task The_refresh_is_due_at_80_percent_with_5_percent_of_jitter()
    {
        List<double> due = [];
        for (int i = 0; i < 100; i++)
        {
            using var keyCache = new KeyCacheFixture();
            await keyCache.GetAsync();
            due.Add((keyCache.Cache.NextCheck.UtcTicks - ClientFixture.Noon.UtcTicks) / (double)TimeSpan.TicksPerSecond / Lifetime);
        }

        await TestContext.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"due from {due.Min():p1} to {due.Max():p1} of the lifetime"));
        Assert.That(due, Is.All.InRange(0.75, 0.85));
        Assert.That(due.Max() - due.Min(), Is.GreaterThan(0.03), "processes that started together must not ask together");
    }

    [Test]
    public async Task Keys_past_their_lifetime_are_waited_for_once_and_served_while_the_issuer_is_down()
    {
        using var keyCache = new KeyCacheFixture();
        KeySet keys = await keyCache.GetAsync();
        keyCache.Advance(Lifetime + 1);
        keyCache.Issuer.GoDown();

        Assert.That(await keyCache.GetAsync(), Is.SameAs(keys));
        Task<KeySet> next = keyCache.GetAsync();
        Assert.That(next.IsCompletedSuccessfully, "the outage is known by now");
    }

    [Test]
    public async Task The_same_document_again_keeps_the_same_set_and_a_new_lifetime()
    {
        using var keyCache = new KeyCacheFixture();
        KeySet keys = await keyCache.GetAsync();
        keyCache.Advance(Lifetime * 2);

        Assert.That(await keyCache.GetAsync(), Is.SameAs(keys));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
        Assert.That(keyCache.Cache.GetStatus(), Has.Property("FetchedAt").EqualTo(keyCache.Now).And.Property("State").EqualTo(JwksState.Fresh));
    }

    [Test]
    public async Task The_lifetime_is_the_one_configured()
    {
        using var keyCache = new KeyCacheFixture(options => options.JwksCacheTtl = TimeSpan.FromSeconds(100));
        await keyCache.GetAsync();

        keyCache.Advance(74);
        await keyCache.GetAsync();
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(1));
        keyCache.Advance(27);
        await keyCache.GetAsync();
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    // An unknown kid

    [Test]
    public async Task An_unknown_kid_is_refetched_within_the_same_call()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.ValidateAsync(keyCache.Issuer.Token(keyCache.Now));
        keyCache.Advance(Cooldown);
        keyCache.Issuer.Keys.Clear();
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.SharedRsa));

        M3AccessToken token = await keyCache.ValidateAsync(keyCache.TokenUnder("rsa-2"));

        Assert.That(token.KeyId, Is.EqualTo("rsa-2"));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task A_reused_kid_with_a_new_key_is_refetched_within_the_same_call()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.ValidateAsync(keyCache.Issuer.Token(keyCache.Now));
        keyCache.Advance(Cooldown);
        keyCache.Issuer.Keys[0] = FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.OtherRsa);

        M3AccessToken token = await keyCache.ValidateAsync(keyCache.Issuer.Token(keyCache.Now, rsa: FakeIssuer.OtherRsa));

        Assert.That(token.KeyId, Is.EqualTo(FakeIssuer.RsaKeyId));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task A_token_that_fits_neither_the_old_keys_nor_the_new_ones_is_refused()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.ValidateAsync(keyCache.Issuer.Token(keyCache.Now));
        // The issuer's keys have changed, but to none that signed this one.
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.SharedRsa));

        Assert.That(await keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now, rsa: FakeIssuer.OtherRsa)), Is.TypeOf<InvalidTokenSignatureException>()
            .With.Message.EqualTo("Invalid token signature: the signature does not verify with the key 'rsa-1'"));
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-3", FakeIssuer.SharedRsa));
        Assert.That(await keyCache.JudgeAsync(keyCache.TokenUnder("nobody's")), Is.TypeOf<InvalidTokenSignatureException>());
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3), "new keys came each time");
    }

    [Test]
    public async Task A_kid_that_moves_to_a_key_of_another_type_is_refetched_within_the_same_call()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        keyCache.Advance(Cooldown);
        keyCache.Issuer.Keys.Clear();
        keyCache.Issuer.Keys.Add(FakeIssuer.EcJwk(FakeIssuer.RsaKeyId, FakeIssuer.SharedEcdsa));

        M3AccessToken token = await keyCache.ValidateAsync(keyCache.Issuer.Token(keyCache.Now, header: header => header["kid"] = FakeIssuer.RsaKeyId, algorithm: "ES256"));

        Assert.That(token.Algorithm, Is.EqualTo("ES256"));
    }

    [Test]
    public async Task A_kid_that_stays_unknown_is_refused_after_one_look()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        keyCache.Advance(Cooldown);

        M3AuthException? error = await keyCache.JudgeAsync(keyCache.TokenUnder("nobody's"));

        Assert.That(error, Is.TypeOf<InvalidTokenSignatureException>().With.Message.Contains("fetched just now"));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task An_unsigned_token_asks_nobody_for_keys()
    {
        using var keyCache = new KeyCacheFixture();
        string signed = keyCache.Issuer.Token(keyCache.Now);

        M3AuthException? error = await keyCache.JudgeAsync(signed[..(signed.LastIndexOf('.') + 1)]);

        Assert.That(error, Is.TypeOf<InvalidTokenSignatureException>().With.Message.EqualTo("Invalid token signature: it is not signed"));
        Assert.That((keyCache.Issuer.DiscoveryRequests, keyCache.Issuer.JwksRequests), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task A_rotation_just_after_the_first_load_heals_within_the_call()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.SharedRsa));

        Assert.That(await keyCache.JudgeAsync(keyCache.TokenUnder("rsa-2")), Is.Null);
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-3", FakeIssuer.SharedRsa));
        Assert.That(await keyCache.JudgeAsync(keyCache.TokenUnder("rsa-3")), Is.Null);
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3));
    }

    [Test]
    public async Task Two_refetches_may_come_at_once_then_one_every_30_seconds()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.UseUpRefetchesAsync();

        keyCache.Advance(12);
        M3AuthException? early = await keyCache.JudgeAsync(keyCache.TokenUnder("x"));
        Assert.That(early, Is.TypeOf<InvalidTokenSignatureException>().With.Message.Contains("12 s ago").And.Message.Contains("again in 18 s"));
        Assert.That(early!.IsTransient, "it may heal by itself");
        keyCache.Advance(17.9);
        await keyCache.JudgeAsync(keyCache.TokenUnder("x"));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3));

        keyCache.Advance(0.1);
        await keyCache.JudgeAsync(keyCache.TokenUnder("x"));
        Assert.That(await keyCache.JudgeAsync(keyCache.TokenUnder("x")), Is.TypeOf<InvalidTokenSignatureException>().With.Message.Contains("again in 30 s"));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(4));
    }

    [Test]
    public async Task A_token_refused_by_keys_looked_at_just_now_does_not_pass_by_waiting()
    {
        using var keyCache = new KeyCacheFixture();

        M3AuthException? error = await keyCache.JudgeAsync(keyCache.TokenUnder("nobody's"));

        Assert.That(error, Is.TypeOf<InvalidTokenSignatureException>().With.Property("IsTransient").False);
    }

    [Test]
    public async Task A_failed_attempt_counts_towards_the_cool_down()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.UseUpRefetchesAsync();
        keyCache.Advance(Cooldown);
        keyCache.Issuer.GoDown();
        M3AuthException? down = await keyCache.JudgeAsync(keyCache.TokenUnder("x"));
        int asked = keyCache.Issuer.JwksRequests;
        Assert.That(down, Is.TypeOf<JwksUnavailableException>().With.Message.Contains("could not be asked again"));

        keyCache.Issuer.ComeBack();
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("x", FakeIssuer.SharedRsa));
        keyCache.Advance(10);
        M3AuthException? early = await keyCache.JudgeAsync(keyCache.TokenUnder("x"));
        Assert.That(early, Is.TypeOf<JwksUnavailableException>().With.Message.Contains("10 s ago"));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(asked));

        keyCache.Advance(20);
        Assert.That(await keyCache.JudgeAsync(keyCache.TokenUnder("x")), Is.Null);
    }

    [Test]
    public async Task The_cool_down_runs_from_the_attempt_and_not_from_its_answer()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        keyCache.Advance(Cooldown);
        HeldAnswer held = keyCache.HoldKeys();
        Task<M3AuthException?> slow = keyCache.JudgeAsync(keyCache.TokenUnder("x"));
        await held.Arrived;
        keyCache.Advance(4);
        held.Release();
        await slow;

        keyCache.Advance(Cooldown - 4);
        await keyCache.JudgeAsync(keyCache.TokenUnder("x"));

        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3));
    }

    [Test]
    public async Task Nobody_queues_in_the_cool_down()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.UseUpRefetchesAsync();
        keyCache.Advance(1);

        Task<M3AuthException?>[] calls = [.. Enumerable.Range(0, 200).Select(i => keyCache.JudgeAsync(keyCache.TokenUnder($"kid-{i}")))];

        Assert.That(calls, Is.All.Property("IsCompleted").True);
        Assert.That(await Task.WhenAll(calls), Is.All.TypeOf<InvalidTokenSignatureException>().With.Message.Contains("1 s ago"));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3));
    }

    [Test]
    public async Task A_hundred_calls_with_an_unknown_kid_share_one_refetch()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        keyCache.Advance(Cooldown);
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.SharedRsa));
        HeldAnswer held = keyCache.HoldKeys();
        string token = keyCache.TokenUnder("rsa-2");

        Task<M3AuthException?>[] calls = [.. Enumerable.Range(0, 100).Select(_ => keyCache.JudgeAsync(token))];
        await held.Arrived;
        held.Release();

        Assert.That(await Task.WhenAll(calls), Is.All.Null);
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task A_call_that_failed_against_an_older_set_takes_the_newer_one_without_asking()
    {
        using var keyCache = new KeyCacheFixture();
        KeySet old = await keyCache.GetAsync();
        keyCache.Advance(Cooldown);
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.SharedRsa));
        KeySet newer = await keyCache.Cache.RefetchAsync(old, "first", default);
        Assert.That(newer, Is.Not.SameAs(old));

        // In the cool-down, and after it.
        Assert.That(await keyCache.Cache.RefetchAsync(old, "second", default), Is.SameAs(newer));
        keyCache.Advance(Cooldown);
        Assert.That(await keyCache.Cache.RefetchAsync(old, "third", default), Is.SameAs(newer));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    [Test]
    public async Task The_scheduled_refresh_does_not_use_up_the_allowance_for_unknown_kids()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        keyCache.Advance(Lifetime * 0.85);
        await keyCache.GetAsync();
        await KeyCacheFixture.UntilAsync(() => keyCache.Cache.GetStatus().FetchedAt == keyCache.Now, "the scheduled refresh is done");

        keyCache.Advance(1);
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.SharedRsa));

        Assert.That(await keyCache.JudgeAsync(keyCache.TokenUnder("rsa-2")), Is.Null);
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3));
    }

    [Test]
    public async Task Known_kids_serve_while_an_unknown_one_is_looked_for()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        keyCache.Advance(Cooldown);
        HeldAnswer held = keyCache.HoldKeys();
        Task<M3AuthException?> unknown = keyCache.JudgeAsync(keyCache.TokenUnder("x"));
        await held.Arrived;

        Task<M3AuthException?> known = keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now));

        Assert.That(known.IsCompletedSuccessfully);
        Assert.That(await known, Is.Null);
        Assert.That(unknown.IsCompleted, Is.False);
        held.Release();
        Assert.That(await unknown, Is.TypeOf<InvalidTokenSignatureException>());
    }

    [Test]
    public async Task A_clock_that_was_set_back_does_not_lengthen_the_cool_down()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.SharedRsa));

        keyCache.Clock.AdjustTime(keyCache.Now.AddHours(-1));

        Assert.That(await keyCache.JudgeAsync(keyCache.TokenUnder("rsa-2")), Is.Null);
    }

    [Category("ManyRounds")]
    [Test]
    public async Task Ten_thousand_random_kids_within_a_minute_cost_three_refetches()
    {
        using var keyCache = new KeyCacheFixture();
        string[] parts = keyCache.Issuer.Token(keyCache.Now).Split('.');
        int refused = 0;
        for (int i = 0; i < 10_000; i++)
        {
            // The signature does not matter: the key comes first.
            string header = Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Encode($$"""{"alg":"RS256","kid":"{{Guid.NewGuid()}}"}""");
            M3AuthException? error = await keyCache.JudgeAsync($"{header}.{parts[1]}.{parts[2]}");
            refused += error is InvalidTokenSignatureException ? 1 : 0;
            keyCache.Advance(59.9 / 10_000);
        }

        await TestContext.Out.WriteLineAsync($"10000 random kids in a simulated minute: {refused} refused, {keyCache.Issuer.JwksRequests} JWKS requests, "
            + $"{keyCache.Issuer.DiscoveryRequests} metadata requests");
        Assert.That(refused, Is.EqualTo(10_000));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(4), "the first load, two at once, and one half a minute later");
    }

    // The outage

    [Test]
    public async Task Known_keys_serve_until_24_hours_past_their_lifetime_and_no_longer()
    {
        using var keyCache = new KeyCacheFixture();
        KeySet keys = await keyCache.GetAsync();
        keyCache.Issuer.GoDown();

        keyCache.Advance(Lifetime + Day - 1);
        Assert.That(await keyCache.GetAsync(), Is.SameAs(keys));
        keyCache.Advance(1);

        await Assert.ThatAsync(() => keyCache.GetAsync(), Throws.TypeOf<JwksUnavailableException>());
        keyCache.Issuer.ComeBack();
        keyCache.Advance(60);
        Assert.That(await keyCache.GetAsync(), Is.SameAs(keys));
    }

    [Test]
    public async Task Keys_that_are_too_old_do_not_serve_the_very_call_that_finds_the_issuer_down_either()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.ValidateAsync(keyCache.Issuer.Token(keyCache.Now));
        keyCache.Issuer.GoDown();

        keyCache.Advance(Lifetime + Day);

        Assert.That(await keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now)), Is.TypeOf<JwksUnavailableException>());
    }

    [Test]
    public async Task There_is_one_warning_per_change_of_state()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        for (int outage = 1; outage <= 2; outage++)
        {
            keyCache.Issuer.GoDown();
            keyCache.Advance(Lifetime);
            for (int i = 0; i < 50; i++)
            {
                await keyCache.GetAsync();
                await keyCache.SettleAsync();
                keyCache.Advance(31);
            }

            Assert.That(keyCache.Log.Warnings.ToArray(), Has.Length.EqualTo(outage).And.All.Contains("could not be refreshed"));
            keyCache.Issuer.ComeBack();
            await keyCache.GetAsync();
            await keyCache.SettleAsync();
            Assert.That(keyCache.Cache.GetStatus().State, Is.EqualTo(JwksState.Fresh));
            // Told after the keys are in use, by whoever fetched them.
            await KeyCacheFixture.UntilAsync(() => TimesBack() == outage, $"the end of outage {outage} is told once");
        }

        int TimesBack() => keyCache.Log.Lines.Count(line => line.Event.Name == "KeysBack" && line.Level == LogLevel.Information);
    }

    [Test]
    public async Task Without_keys_the_call_fails_as_JwksUnavailable_and_says_why()
    {
        using var keyCache = new KeyCacheFixture();
        keyCache.Issuer.AnswerJwks = _ => Task.FromResult(FakeIssuer.Status(HttpStatusCode.ServiceUnavailable));

        M3AuthException? error = await keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now));

        Assert.That(error, Is.TypeOf<JwksUnavailableException>().With.Message.Contains("https://issuer.test/jwks answered 503").And.Property("IsTransient").True);
        Assert.That(error!.DocumentedMessage, Is.EqualTo("Invalid token signature"));
    }

    [Test]
    public async Task Without_keys_attempts_back_off_from_1_to_30_seconds_with_jitter()
    {
        using var keyCache = new KeyCacheFixture();
        List<double> attempts = [];
        keyCache.Issuer.AnswerDiscovery = _ =>
        {
            attempts.Add((keyCache.Now - ClientFixture.Noon).TotalSeconds);
            throw new HttpRequestException(HttpRequestError.ConnectionError);
        };

        for (int tenths = 0; tenths < 3000; tenths++)
        {
            Task<KeySet> call = keyCache.GetAsync();
            var error = (await Assert.ThrowsAsync<JwksUnavailableException>(() => call))!;
            Assert.That(error.Message, Does.Contain("could not be reached"));
            keyCache.Advance(0.1);
        }

        double[] gaps = [.. attempts.Zip(attempts.Skip(1), (a, b) => Math.Round(b - a, 1))];
        await TestContext.Out.WriteLineAsync($"{attempts.Count} attempts in 300 s, after {string.Join(" ", gaps.Select(gap => gap.ToString(CultureInfo.InvariantCulture)))} s");
        Assert.That(gaps[0], Is.InRange(1.0, 1.3));
        Assert.That(gaps[1], Is.InRange(2.0, 2.5));
        Assert.That(gaps[2], Is.InRange(4.0, 4.9));
        Assert.That(gaps, Is.All.InRange(1.0, 30.1));
        Assert.That(gaps[6..], Is.All.GreaterThan(20));
        Assert.That(gaps[6..].Distinct().Count(), Is.GreaterThan(1), "without jitter all processes come back at once");
    }

    [Test]
    public async Task In_the_back_off_the_call_fails_at_once_and_says_when_the_next_attempt_is()
    {
        using var keyCache = new KeyCacheFixture();
        keyCache.Issuer.GoDown();
        await Assert.ThatAsync(() => keyCache.GetAsync(), Throws.TypeOf<JwksUnavailableException>());
        int asked = keyCache.Issuer.DiscoveryRequests;

        Task<KeySet> second = keyCache.GetAsync();

        Assert.That(second.IsFaulted);
        await Assert.ThatAsync(() => second, Throws.TypeOf<JwksUnavailableException>().With.Message.Contains("next attempt in 2 s"));
        Assert.That(keyCache.Issuer.DiscoveryRequests, Is.EqualTo(asked));
    }

    [TestCase("<!doctype html><title>Sign in</title>", TestName = "A sign-in page never replaces good keys")]
    [TestCase("", TestName = "An empty answer never replaces good keys")]
    [TestCase("{", TestName = "A truncated answer never replaces good keys")]
    [TestCase("""{"keys":[]}""", TestName = "A set without keys never replaces good keys")]
    [TestCase("""{"keys":[{"kty":"oct","kid":"rsa-1","k":"AAAA"}]}""", TestName = "A set without a usable key never replaces good keys")]
    [TestCase("""{"keys":[{"kty":"RSA","kid":"rsa-1","n":"AQAB","e":"AQAB"}]}""", TestName = "A set of weak keys never replaces good keys")]
    public async Task A_bad_set_never_replaces_a_good_one(string answer)
    {
        using var keyCache = new KeyCacheFixture();
        KeySet good = await keyCache.GetAsync();
        keyCache.Issuer.AnswerJwks = _ => Task.FromResult(FakeIssuer.Json(answer));

        keyCache.Advance(Cooldown);
        Assert.That(await keyCache.JudgeAsync(keyCache.TokenUnder("x")), Is.TypeOf<JwksUnavailableException>());
        Assert.That(keyCache.Cache.Current, Is.SameAs(good));
        keyCache.Advance(Lifetime);
        Assert.That(await keyCache.GetAsync(), Is.SameAs(good));
        Assert.That(await keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now)), Is.Null);
        await keyCache.SettleAsync();
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3));
        Assert.That(keyCache.Cache.Current, Is.SameAs(good));
        Assert.That(keyCache.Cache.GetStatus().LastError, Is.Not.Null);
    }

    [Test]
    public async Task A_failed_refresh_while_the_keys_are_fresh_keeps_them()
    {
        using var keyCache = new KeyCacheFixture();
        KeySet good = await keyCache.GetAsync();
        keyCache.Issuer.GoDown();
        keyCache.Advance(Lifetime * 0.85);

        Assert.That(await keyCache.GetAsync(), Is.SameAs(good));
        await KeyCacheFixture.UntilAsync(() => keyCache.Log.Warnings.Any(), "the refresh has failed");
        Assert.That(await keyCache.GetAsync(), Is.SameAs(good));
        Assert.That(keyCache.Cache.GetStatus().State, Is.EqualTo(JwksState.Fresh));
    }

    // Time

    [Test]
    public async Task A_hung_fetch_ends_after_five_seconds_even_if_the_handler_ignores_its_cancellation()
    {
        using var keyCache = new KeyCacheFixture();
        HeldAnswer held = keyCache.HoldKeys();
        Task<KeySet> call = keyCache.GetAsync();
        await held.Arrived;

        keyCache.Advance(4.9);
        Assert.That(call.IsCompleted, Is.False);
        keyCache.Advance(0.1);

        await Assert.ThatAsync(() => call, Throws.TypeOf<JwksUnavailableException>().With.Message.Contains("within 5 s"));
    }

    [Test]
    public async Task A_hung_refresh_leaves_the_known_keys_in_use_and_the_next_attempt_free()
    {
        using var keyCache = new KeyCacheFixture();
        KeySet old = await keyCache.GetAsync();
        Func<HttpRequestMessage, Task<HttpResponseMessage>> answer = keyCache.Issuer.AnswerJwks;
        HeldAnswer held = keyCache.HoldKeys();
        keyCache.Advance(Lifetime * 0.85);
        await keyCache.GetAsync();
        await held.Arrived;
        keyCache.Advance(5);
        await KeyCacheFixture.UntilAsync(() => keyCache.Log.Warnings.Any(), "the refresh has failed");

        keyCache.Issuer.AnswerJwks = answer;
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.OtherRsa));
        keyCache.Advance(2);
        Assert.That(await keyCache.GetAsync(), Is.SameAs(old));
        await KeyCacheFixture.UntilAsync(() => keyCache.Cache.Current != old, "the next attempt has succeeded");
    }

    [Test]
    public async Task A_late_answer_never_overwrites_a_newer_one()
    {
        using var keyCache = new KeyCacheFixture();
        await keyCache.GetAsync();
        Func<HttpRequestMessage, Task<HttpResponseMessage>> answer = keyCache.Issuer.AnswerJwks;
        string stale = keyCache.Issuer.Jwks.Replace("rsa-1", "rsa-0", StringComparison.Ordinal);
        var held = new HeldAnswer(_ => Task.FromResult(FakeIssuer.Json(stale)));
        keyCache.Issuer.AnswerJwks = held.AnswerAsync;
        keyCache.Advance(Lifetime);
        Task<KeySet> hanging = keyCache.GetAsync();
        await held.Arrived;
        keyCache.Advance(5);
        await hanging;

        keyCache.Issuer.AnswerJwks = answer;
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.OtherRsa));
        keyCache.Advance(2);
        await keyCache.GetAsync();
        await KeyCacheFixture.UntilAsync(() => keyCache.Cache.Current!.KeyIds.Contains("rsa-2"), "the newer answer is in use");
        held.Release();
        await held.Answered;

        // Time enough to do harm.
        int turns = 0;
        await KeyCacheFixture.UntilAsync(() =>
        {
            Assert.That(keyCache.Cache.Current!.KeyIds, Does.Contain("rsa-2").And.Not.Contain("rsa-0"));
            return turns++ > 1000;
        }, "a thousand turns");
    }

    [Test]
    public async Task Disposing_ends_a_fetch_and_its_waiters()
    {
        using var keyCache = new KeyCacheFixture();
        HeldAnswer held = keyCache.HoldKeys();
        Task<KeySet> call = keyCache.GetAsync();
        await held.Arrived;

        keyCache.Cache.Dispose();

        await Assert.ThatAsync(() => call, Throws.TypeOf<JwksUnavailableException>());
        Assert.That(keyCache.Log.Warnings, Is.Empty);
    }

    // The verdict

    [Test]
    public async Task A_new_set_revalidates_the_cached_token_and_a_withdrawn_key_stops_being_trusted()
    {
        using var fixture = new ClientFixture(options => options.JwksCacheTtl = TimeSpan.FromMinutes(10));
        using HttpResponseMessage before = await fixture.CallAsync();
        fixture.Issuer.Keys.RemoveAt(0);

        fixture.Clock.Advance(TimeSpan.FromMinutes(11));
        var error = await fixture.FailAsync<InvalidTokenSignatureException>();

        Assert.That(error.Message, Does.Contain("no usable key 'rsa-1'"));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_key_that_is_withdrawn_by_a_background_refresh_stops_being_trusted_as_soon_as_that_is_done()
    {
        using var fixture = new ClientFixture(options => (options.JwksCacheTtl, options.RateLimitEnabled) = (TimeSpan.FromMinutes(10), false));
        using HttpResponseMessage before = await fixture.CallAsync();
        fixture.Issuer.Keys.RemoveAt(0);
        fixture.Clock.Advance(TimeSpan.FromMinutes(9));

        M3AuthException? error = null;
        await KeyCacheFixture.UntilAsync(async () =>
        {
            try
            {
                using HttpResponseMessage response = await fixture.CallAsync();
            }
            catch (M3AuthException e)
            {
                error = e;
            }

            return error is not null;
        }, "the withdrawn key is refused");

        Assert.That(error, Is.TypeOf<InvalidTokenSignatureException>());
        Assert.That(fixture.Issuer.JwksRequests, Is.InRange(2, 4));
    }

    [Test]
    public async Task A_new_set_that_still_has_the_key_keeps_the_cached_token()
    {
        using var fixture = new ClientFixture(options => options.JwksCacheTtl = TimeSpan.FromMinutes(10));
        using HttpResponseMessage before = await fixture.CallAsync();
        fixture.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.OtherRsa));

        fixture.Clock.Advance(TimeSpan.FromMinutes(11));
        using HttpResponseMessage after = await fixture.CallAsync();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo(new[] { fixture.Token, fixture.Token }));
    }

    [Test]
    public async Task A_kid_that_stands_on_two_keys_tries_both()
    {
        using var keyCache = new KeyCacheFixture();
        keyCache.Issuer.Keys.Add(FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.OtherRsa));
        keyCache.Issuer.Keys.Add(FakeIssuer.EcJwk(FakeIssuer.RsaKeyId, FakeIssuer.SharedEcdsa));

        Assert.That(await keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now)), Is.Null);
        Assert.That(await keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now, rsa: FakeIssuer.OtherRsa)), Is.Null);
        Assert.That(await keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now, header: header => header["kid"] = FakeIssuer.RsaKeyId, algorithm: "ES256")), Is.Null);
        using var third = System.Security.Cryptography.RSA.Create(2048);
        Assert.That(await keyCache.JudgeAsync(keyCache.Issuer.Token(keyCache.Now, rsa: third)), Is.TypeOf<InvalidTokenSignatureException>());
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(2));
    }

    // What it shows

    [Test]
    public async Task The_status_before_the_first_load_is_Empty()
    {
        using var fixture = new ClientFixture();
        using var tokens = new M3TokenProvider(fixture.Options(), fixture.Log);

        Assert.That(tokens.GetKeyStatus(), Is.EqualTo(new JwksStatus { UsableKeys = tokens.GetKeyStatus().UsableKeys, IgnoredKeys = tokens.GetKeyStatus().IgnoredKeys })
            .Using<JwksStatus>((a, b) => a with { UsableKeys = [], IgnoredKeys = [] } == b with { UsableKeys = [], IgnoredKeys = [] }));
        fixture.Issuer.GoDown();
        await Assert.ThatAsync(() => tokens.GetTokenAsync().AsTask(), Throws.TypeOf<JwksUnavailableException>());
        Assert.That(tokens.GetKeyStatus(), Has.Property("State").EqualTo(JwksState.Empty).And.Property("LastError").Contains("could not be reached"));
    }

    [Test]
    public async Task The_status_tells_the_state_of_the_keys_over_their_whole_life()
    {
        using var keyCache = new KeyCacheFixture();
        keyCache.Issuer.Keys.Add(new JsonObject { ["kty"] = "oct", ["kid"] = "shared" });
        DateTimeOffset start = keyCache.Now;
        await keyCache.UseUpRefetchesAsync();

        JwksStatus fresh = keyCache.Cache.GetStatus();
        Assert.That(fresh, Is.EqualTo(new JwksStatus
        {
            State = JwksState.Fresh,
            FetchedAt = start,
            FreshUntil = start.AddHours(1),
            UsableUntil = start.AddHours(25),
            CoolingDownUntil = start.AddSeconds(30),
            UsableKeys = fresh.UsableKeys,
            IgnoredKeys = fresh.IgnoredKeys,
        }));
        Assert.That(fresh.UsableKeys, Is.EquivalentTo((string[])["rsa-1 (RS256)", "ec-1 (ES256)"]));
        Assert.That(fresh.IgnoredKeys, Is.EqualTo((string[])["'shared': its kty is 'oct'"]));

        keyCache.Advance(Cooldown);
        Assert.That(keyCache.Cache.GetStatus().CoolingDownUntil, Is.Null);

        keyCache.Issuer.GoDown();
        keyCache.Advance(Lifetime - Cooldown);
        await keyCache.GetAsync();
        Assert.That(keyCache.Cache.GetStatus(), Has.Property("State").EqualTo(JwksState.Stale).And.Property("LastError").Contains("could not be reached"));

        keyCache.Advance(Day);
        Assert.That(keyCache.Cache.GetStatus(), Has.Property("State").EqualTo(JwksState.Expired).And.Property("UsableUntil").EqualTo(keyCache.Now));

        keyCache.Issuer.ComeBack();
        await keyCache.GetAsync();
        Assert.That(keyCache.Cache.GetStatus(), Has.Property("State").EqualTo(JwksState.Fresh).And.Property("LastError").Null);
    }
}
