using System.Text;
using Microsoft.AspNetCore.DataProtection;
using StackExchange.Redis;

namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>Tokens and keys that machines share over Redis, and what becomes of them when Redis is hostile, away or slow.</summary>
[NonParallelizable]
public sealed class RedisSharingTests
{
    [Test]
    public async Task A_fleet_asks_the_issuer_once_for_a_token_and_once_for_its_keys()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 8);

        M3AccessToken[] tokens = await fleet.GetTokensAsync();

        Assert.That(tokens.Select(token => token.Value).Distinct().Count(), Is.EqualTo(1));
        Assert.That((fleet.Issuer.TokenCount, fleet.Issuer.JwksCount), Is.EqualTo((1, 1)));
        Assert.That(fleet.Results.Order(), Is.EqualTo((string[])["keys fetched", .. Enumerable.Repeat("keys used", 7), "token fetched", .. Enumerable.Repeat("token used", 7)]));
    }

    [Test]
    public async Task What_M3_has_refused_is_replaced_once_for_all()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 4);
        M3AccessToken[] refused = await fleet.GetTokensAsync();

        M3AccessToken[] next = await Task.WhenAll(fleet.Machines.Select((machine, i) => Task.Run(async () => await machine.RenewTokenAsync(refused[i]))));

        Assert.That(next.Select(token => token.Value).Distinct().Count(), Is.EqualTo(1));
        Assert.That(next[0].Value == refused[0].Value, Is.False);
        Assert.That(fleet.Issuer.TokenCount, Is.EqualTo(2));
    }

    [Test]
    public async Task A_token_that_is_about_to_expire_is_renewed_once_for_all()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 0);
        fleet.Issuer.TokenLifetime = TimeSpan.FromSeconds(6);
        for (int i = 0; i < 4; i++)
            await fleet.AddAsync();
        string first = (await fleet.GetTokensAsync())[0].Value;

        await Eventually.UntilAsync(async () => (await fleet.GetTokensAsync()).All(token => token.Value != first));

        Assert.That((await fleet.GetTokensAsync()).Select(token => token.Value).Distinct().Count(), Is.EqualTo(1));
        Assert.That(fleet.Issuer.TokenCount, Is.EqualTo(2));
    }

    [Test]
    public async Task Another_client_another_audience_and_other_scopes_have_tokens_of_their_own()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 1);
        await fleet.AddAsync(configure: options => options.TokenSource = TokenSources.ClientCredentials("another", "the-fleets-secret"));
        await fleet.AddAsync(configure: options => (options.Audience, options.ValidateAudience) = ("another", false));
        await fleet.AddAsync(configure: options => options.RequiredScopes.Clear());

        M3AccessToken[] tokens = await fleet.GetTokensAsync();

        Assert.That(tokens.Select(token => token.Value).Distinct().Count(), Is.EqualTo(4));
    }

    [Test]
    public async Task A_delegates_tokens_are_its_own()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 0);
        for (int i = 0; i < 2; i++)
            await fleet.AddAsync(configure: options => options.TokenSource = TokenSources.From(_ => new(fleet.Issuer.CreateToken())));

        M3AccessToken[] tokens = await fleet.GetTokensAsync();

        Assert.That(tokens[0].Value == tokens[1].Value, Is.False);
        Assert.That(fleet.Issuer.JwksCount, Is.EqualTo(1), "keys are everybody's");
    }

    [Test]
    public async Task Machines_with_other_key_rings_share_nothing_and_say_so()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 1);
        await fleet.AddAsync(new EphemeralDataProtectionProvider());

        foreach (M3TokenProvider machine in fleet.Machines)
            await machine.GetTokenAsync();

        Assert.That((fleet.Issuer.TokenCount, fleet.Issuer.JwksCount), Is.EqualTo((2, 2)));
        Assert.That(fleet.Results, Does.Contain("token ignored not_authentic").And.Contain("keys ignored not_authentic"));
        Assert.That(fleet.Log.Text, Does.Contain("Do all processes have the same Data Protection keys and application name?"));
    }

    [TestCase("made up")]
    [TestCase("cut short")]
    [TestCase("a bit turned")]
    [TestCase("swapped")]
    public async Task A_value_that_is_not_what_was_sealed_changes_nothing_and_is_counted(string how)
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 1);
        await fleet.GetTokensAsync();
        (RedisKey token, RedisKey keys) = await fleet.FindValuesAsync();
        await fleet.Redis.AskAsync(async (_, redis) =>
        {
            byte[] tokenValue = (await redis.StringGetAsync(token))!;
            byte[] keysValue = (await redis.StringGetAsync(keys))!;
            await redis.StringSetAsync(token, how == "swapped" ? keysValue : Spoil(tokenValue, how));
            await redis.StringSetAsync(keys, how == "swapped" ? tokenValue : Spoil(keysValue, how));
            return 0;
        });

        M3AccessToken found = await (await fleet.AddAsync()).GetTokenAsync();

        Assert.That(found.Subject, Is.EqualTo("somebody"));
        Assert.That((fleet.Issuer.TokenCount, fleet.Issuer.JwksCount), Is.EqualTo((2, 2)));
        Assert.That(fleet.Results, Does.Contain("token ignored not_authentic").And.Contain("keys ignored not_authentic"));
        // What is there now is whole again.
        await (await fleet.AddAsync()).GetTokenAsync();
        Assert.That((fleet.Issuer.TokenCount, fleet.Issuer.JwksCount), Is.EqualTo((2, 2)));
    }

    [Test]
    public async Task An_old_value_put_back_is_found_out_by_whoever_has_seen_a_newer_one()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 1);
        M3AccessToken first = (await fleet.GetTokensAsync())[0];
        (RedisKey key, _) = await fleet.FindValuesAsync();
        RedisValue old = await fleet.Redis.AskAsync((_, redis) => redis.StringGetAsync(key));
        M3AccessToken second = await fleet.Machines[0].RenewTokenAsync(first);
        await fleet.Redis.AskAsync((_, redis) => redis.StringSetAsync(key, old));

        string third = second.Value;
        // Nobody is asked twice within a second.
        await Eventually.UntilAsync(async () => (third = (await fleet.Machines[0].RenewTokenAsync(second)).Value) != second.Value);

        Assert.That(third == first.Value, Is.False);
        Assert.That(fleet.Results, Does.Contain("token ignored replayed"));
    }

    [Test]
    public async Task Keys_that_were_fetched_before_a_token_was_met_are_no_answer_to_it()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 2);
        await fleet.GetTokensAsync();
        fleet.Issuer.Rotate("the-next-key");
        M3TokenProvider late = await fleet.AddAsync(configure: options => options.TokenSource = TokenSources.FromValue(fleet.Issuer.CreateToken()));

        M3AccessToken token = await late.GetTokenAsync();

        Assert.That(token.KeyId, Is.EqualTo("the-next-key"));
        Assert.That(fleet.Issuer.JwksCount, Is.EqualTo(2));
        Assert.That(fleet.Results.Last(result => result.StartsWith("keys", StringComparison.Ordinal)), Is.EqualTo("keys fetched"));
    }

    [Test]
    public async Task A_machine_that_has_died_while_it_fetched_is_not_waited_for()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 1);
        await fleet.GetTokensAsync();
        (RedisKey token, RedisKey keys) = await fleet.FindValuesAsync();
        await LockAsync(fleet, [token, keys], TimeSpan.FromSeconds(2));

        await (await fleet.AddAsync()).GetTokenAsync();
        await (await fleet.AddAsync()).GetTokenAsync();

        Assert.That((fleet.Issuer.TokenCount, fleet.Issuer.JwksCount), Is.EqualTo((2, 2)));
    }

    [Test]
    public async Task A_lock_that_is_never_let_go_holds_nobody_up_for_good()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 1);
        await fleet.GetTokensAsync();
        (RedisKey token, RedisKey keys) = await fleet.FindValuesAsync();
        await LockAsync(fleet, [token, keys], expiry: null);

        M3AccessToken found = await (await fleet.AddAsync()).GetTokenAsync();

        Assert.That(found.Subject, Is.EqualTo("somebody"));
    }

    [Test]
    public async Task Keys_that_a_machine_whose_clock_is_ahead_fetched_are_no_answer_either()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 0);
        await (await fleet.AddAsync(configure: options => options.TimeProvider = new Ahead(TimeSpan.FromSeconds(50)))).GetTokenAsync();
        fleet.Issuer.Rotate("the-next-key");
        M3TokenProvider late = await fleet.AddAsync(configure: options => options.TokenSource = TokenSources.FromValue(fleet.Issuer.CreateToken()));

        Assert.That((await late.GetTokenAsync()).KeyId, Is.EqualTo("the-next-key"));
    }

    [Test]
    public async Task What_M3_has_refused_does_not_come_back_from_a_machine_whose_clock_is_ahead()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 0);
        M3AccessToken ahead = await (await fleet.AddAsync(configure: options => options.TimeProvider = new Ahead(TimeSpan.FromSeconds(50)))).GetTokenAsync();
        M3TokenProvider machine = await fleet.AddAsync();
        M3AccessToken first = await machine.GetTokenAsync();
        Assert.That(first.Value == ahead.Value, Is.True);

        M3AccessToken second = await machine.RenewTokenAsync(first);
        M3TokenProvider another = await fleet.AddAsync();
        M3AccessToken shared = await another.GetTokenAsync();
        M3AccessToken third = second;
        await Eventually.UntilAsync(async () => (third = await machine.RenewTokenAsync(second)).Value != second.Value);

        Assert.That(new[] { first.Value, second.Value, third.Value }.Distinct().Count(), Is.EqualTo(3));
        Assert.That(shared.Value == second.Value, Is.True, "the newer one is everybody's");
    }

    [Test]
    public async Task A_ring_that_cannot_seal_keeps_nobody_from_a_token()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 0);

        M3AccessToken token = await (await fleet.AddAsync(new Broken())).GetTokenAsync();

        Assert.That(token.Subject, Is.EqualTo("somebody"));
        Assert.That((fleet.Issuer.TokenCount, fleet.Issuer.JwksCount), Is.EqualTo((1, 1)));
        Assert.That(fleet.Results, Does.Contain("token ignored cannot_be_sealed"));
    }

    [Test]
    public async Task Where_the_issuer_is_slow_nobody_gives_up_for_having_waited_for_another()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 3);
        fleet.Issuer.Misbehave = async (context, _) =>
        {
            if (context.Request.Path == "/keys")
                await Task.Delay(TimeSpan.FromSeconds(3.5));
            return false;
        };

        M3AccessToken[] tokens = await fleet.GetTokensAsync();

        Assert.That(tokens, Has.Length.EqualTo(3));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Without_Redis_each_machine_asks_the_issuer_itself(bool isKilled)
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 2);
        if (isKilled)
            await fleet.Redis.KillAsync();
        else
            fleet.Redis.Stop();

        await fleet.GetTokensAsync();

        Assert.That((fleet.Issuer.TokenCount, fleet.Issuer.JwksCount), Is.EqualTo((2, 2)));
        if (!isKilled)
            fleet.Redis.Continue();
    }

    [Test]
    public async Task Nothing_in_Redis_is_a_token_a_secret_or_somebodys_name()
    {
        await using SharingFleet fleet = await SharingFleet.StartAsync(machines: 1);
        M3AccessToken token = (await fleet.GetTokensAsync())[0];

        string all = await fleet.Redis.AskAsync(async (server, redis) =>
        {
            var text = new StringBuilder();
            await foreach (RedisKey key in server.KeysAsync())
                text.Append(key.ToString()).Append(Encoding.Latin1.GetString((byte[])(await redis.StringGetAsync(key))!));
            return text.ToString();
        });

        Assert.That(all, Does.Contain(":value:token:"));
        string log = fleet.Log.Text;
        foreach (string part in (string[])[.. token.Value.Split('.'), "somebody", "the-fleet", fleet.Issuer.IssuerUrl, TestIssuer.Audience])
            Assert.That(all.Contains(part, StringComparison.Ordinal), Is.False);
        Assert.That(log.Contains(token.Value, StringComparison.Ordinal) || log.Contains("the-fleets-secret", StringComparison.Ordinal), Is.False);
    }

    private static byte[] Spoil(byte[] value, string how)
    {
        if (how == "made up")
            return "eyJhbGciOiJub25lIn0.e30."u8.ToArray();
        if (how == "cut short")
            return value[..^1];
        byte[] turned = [.. value];
        turned[^1] ^= 1;
        return turned;
    }

    private sealed class Ahead(TimeSpan time) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + time;
    }

    /// <summary>As one whose keys are out of reach.</summary>
    private sealed class Broken : IDataProtectionProvider, IDataProtector
    {
        public IDataProtector CreateProtector(string purpose) => this;

        public byte[] Protect(byte[] plaintext) => throw new InvalidOperationException("there is no key");

        public byte[] Unprotect(byte[] protectedData) => throw new InvalidOperationException("there is no key");
    }

    // As a machine does that is about to fetch; and none of the values is there any more.
    private static Task<int> LockAsync(SharingFleet fleet, RedisKey[] values, TimeSpan? expiry) => fleet.Redis.AskAsync(async (_, redis) =>
    {
        foreach (RedisKey value in values)
        {
            await redis.StringSetAsync(value.ToString().Replace(":value:", ":fetch:", StringComparison.Ordinal), "somebody else", expiry, When.Always);
            await redis.KeyDeleteAsync(value);
        }

        return 0;
    });
}
