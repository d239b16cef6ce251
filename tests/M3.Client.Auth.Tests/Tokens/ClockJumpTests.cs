using M3.Client.Auth.Tests.Kit;
using M3.Client.Auth.Tests.Sources;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>The wall clock is set by hours: what is counted in durations goes on as if nothing had happened.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ClockJumpTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TwoHours = TimeSpan.FromHours(2);

    [Test]
    public async Task Set_back_it_does_not_stop_the_keys_from_being_refreshed()
    {
        using var world = new World();
        (await world.ClientFixture.CallAsync()).Dispose();
        world.Clock.Jump(-TwoHours);
        world.ClientFixture.Issuer.Keys.RemoveAll(key => key["kid"]!.GetValue<string>() == FakeIssuer.RsaKeyId);

        world.Clock.Advance(TimeSpan.FromHours(1));

        await world.ClientFixture.FailAsync<InvalidTokenSignatureException>();
    }

    [Test]
    public async Task Set_back_it_does_not_hold_a_failed_fetch_of_keys_back()
    {
        using var world = new World();
        world.ClientFixture.Issuer.GoDown();
        await world.ClientFixture.FailAsync<JwksUnavailableException>();
        world.Clock.Jump(-TwoHours);
        world.ClientFixture.Issuer.ComeBack();

        world.Clock.Advance(2 * Second);
        world.ClientFixture.Token = world.ClientFixture.NewToken();

        (await world.ClientFixture.CallAsync()).Dispose();
    }

    [Test]
    public async Task Set_back_it_does_not_pin_a_source_that_failed()
    {
        bool fails = true;
        using var world = new World();
        using HttpClient client = world.Client(TokenSources.From(_ => fails ? throw new IOException() : new(world.ClientFixture.NewToken())));
        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
        world.Clock.Jump(-TwoHours);
        fails = false;

        world.Clock.Advance(2 * Second);

        (await client.GetAsync("")).Dispose();
    }

    [Test]
    public async Task Set_back_it_does_not_hide_a_changed_variable()
    {
        using var world = new World();
        (await world.ClientFixture.CallAsync()).Dispose();
        string next = world.ClientFixture.Token = world.ClientFixture.NewToken(claims => claims["iat"] = ClientFixture.Noon.AddHours(-3).ToUnixTimeSeconds());
        world.Clock.Jump(-TwoHours);

        world.Clock.Advance(Second);
        (await world.ClientFixture.CallAsync()).Dispose();

        Assert.That(world.ClientFixture.Server.Arrivals[^1].Token, Is.EqualTo(next));
    }

    [Test]
    public async Task Set_back_it_does_not_keep_M3s_refusal_from_being_looked_into()
    {
        using var world = new World();
        string? refused = null;
        using HttpClient client = world.Client(TokenSources.From(_ => new(world.ClientFixture.NewToken(claims => claims["iat"] = ClientFixture.Noon.AddHours(-3).ToUnixTimeSeconds()))));
        world.ClientFixture.Server.Answer = request => request.Headers.Authorization!.Parameter == refused ? FakeM3.Refuse(request, null) : new HttpResponseMessage { RequestMessage = request };
        for (int i = 0; i < 2; i++)
        {
            (await client.GetAsync("")).Dispose();
            refused = world.ClientFixture.Server.Arrivals[^1].Token;
            (await client.GetAsync("")).Dispose();
            world.Clock.Jump(-TwoHours);
            world.Clock.Advance(2 * Second);
        }

        Assert.That(world.ClientFixture.Server.Arrivals.Select(arrival => arrival.Token).Distinct().Count(), Is.EqualTo(3));
    }

    [Test]
    public async Task Set_back_it_does_not_delay_the_renewal_of_a_token()
    {
        int asked = 0;
        using var world = new World();
        using HttpClient client = world.Client(TokenSources.From(_ => ++asked > 0 ? new(world.ClientFixture.NewToken(claims => claims["iat"] = ClientFixture.Noon.AddHours(-3).ToUnixTimeSeconds())) : default));
        (await client.GetAsync("")).Dispose();
        world.Clock.Jump(-TwoHours);

        // The token lasts half an hour, and M3's clock was not set back.
        world.Clock.Advance(TimeSpan.FromMinutes(29.5));
        (await client.GetAsync("")).Dispose();
        await KeyCacheFixture.UntilAsync(() => asked == 2, "it is renewed");
    }

    [Test]
    public async Task Set_forward_by_a_day_between_any_two_looks_at_it_breaks_nothing([Range(1, 12)] int look)
    {
        var clock = new JumpsAtLook(look);
        using var keyCache = new KeyCacheFixture(options => options.TimeProvider = clock);

        Assert.That((await keyCache.GetAsync()).KeyIds, Does.Contain(FakeIssuer.RsaKeyId));
        Assert.That((await keyCache.GetAsync()).KeyIds, Does.Contain(FakeIssuer.RsaKeyId));
    }

    [Test]
    public async Task Set_forward_by_a_day_while_the_issuer_is_down_it_ends_the_keys()
    {
        using var world = new World();
        world.ClientFixture.Token = world.ClientFixture.NewToken(claims => claims["exp"] = ClientFixture.Noon.AddDays(3).ToUnixTimeSeconds());
        (await world.ClientFixture.CallAsync()).Dispose();
        world.ClientFixture.Issuer.GoDown();

        world.Clock.Jump(TimeSpan.FromHours(26));

        await world.ClientFixture.FailAsync<JwksUnavailableException>();
    }

    [Test]
    public async Task A_machine_that_slept_for_a_day_does_not_trust_the_keys_of_yesterday()
    {
        using var world = new World();
        world.ClientFixture.Token = world.ClientFixture.NewToken(claims => claims["exp"] = ClientFixture.Noon.AddDays(9).ToUnixTimeSeconds());
        (await world.ClientFixture.CallAsync()).Dispose();
        world.ClientFixture.Issuer.GoDown();

        // The monotonic clock slept, too.
        world.Clock.Jump(TimeSpan.FromHours(25.1));

        await world.ClientFixture.FailAsync<JwksUnavailableException>();
    }

    // A week on a machine whose clock is set by hours at random moments, both ways, and put right again. While it is wrong, calls fail as
    // they would in a new process; a minute after it was put right everything is as it should be.
    [Category("ManyRounds")]
    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public async Task Nothing_is_late_by_more_than_a_minute_in_a_week_of_jumps(int seed)
    {
        var random = new Random(seed);
        using var world = new World();
        ClientFixture fixture = world.ClientFixture;
        string? accepted = null;
        bool isDown = false;
        int asked = 0;
        string Issue() => accepted = fixture.Issuer.Token(world.True, claims => claims["jti"] = Guid.NewGuid().ToString(), header => header["kid"] = fixture.Issuer.Keys[0]["kid"]!.GetValue<string>());
        using HttpClient renewed = world.Client(TokenSources.From(_ => ++asked > 0 && isDown ? throw new IOException() : new(Issue())));
        fixture.Server.Answer = request => request.Headers.Authorization!.Parameter == accepted ? new HttpResponseMessage { RequestMessage = request } : FakeM3.Refuse(request, null);

        int calls = 0, failed = 0, jumps = 0;
        while (world.True < ClientFixture.Noon.AddDays(7))
        {
            TimeSpan jump = TimeSpan.FromHours((random.NextDouble() * 52) - 26);
            world.Clock.Jump(jump);
            jumps++;
            isDown = random.Next(3) == 0;
            if (random.Next(4) == 0)
                fixture.Issuer.GoDown();
            for (int i = random.Next(1, 40); i > 0; i--)
            {
                await world.PassAsync(TimeSpan.FromSeconds(random.Next(1, 120)));
                calls++;
                failed += await TryAsync(renewed) is null ? 0 : 1;
            }

            // Put right again: everybody is back, the keys have been rotated, and M3 no longer takes the token it took.
            world.Clock.Jump(-jump);
            isDown = false;
            fixture.Issuer.ComeBack();
            fixture.Issuer.Keys[0] = FakeIssuer.RsaJwk(Guid.NewGuid().ToString(), FakeIssuer.SharedRsa);
            accepted = null;
            for (int i = 0; i < 60; i++)
            {
                await TryAsync(renewed);
                await world.PassAsync(Second);
            }

            M3AuthException? error = await TryAsync(renewed);
            Assert.That(error, Is.Null, $"a minute after a jump of {jump}, and {failed} failures of {calls}: {error?.Message}");
        }

        TestContext.Out.WriteLine($"{jumps} jumps of up to 26 h in a week, {calls} calls while the clock was wrong, {failed} of them failed; none a minute after it was put right");
    }

    private static async Task<M3AuthException?> TryAsync(HttpClient client)
    {
        try
        {
            (await client.GetAsync("").WaitAsync(KeyCacheFixture.Patience)).Dispose();
            return null;
        }
        catch (M3AuthException e)
        {
            return e;
        }
    }

    private sealed class JumpsAtLook(int look) : FakeTimeProvider(ClientFixture.Noon)
    {
        private int _looks;

        public override long GetTimestamp() => base.GetUtcNow().Ticks;

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + (Interlocked.Increment(ref _looks) >= look ? TimeSpan.FromHours(26) : TimeSpan.Zero);
    }

    private sealed class World : IDisposable
    {
        public World() => ClientFixture = new(options => options.RateLimitEnabled = false) { Clock = Clock };

        public JumpingClock Clock { get; } = new(ClientFixture.Noon);

        public ClientFixture ClientFixture { get; }

        /// <summary>What a clock would say that nobody sets.</summary>
        public DateTimeOffset True => new(Clock.GetTimestamp(), TimeSpan.Zero);

        public HttpClient Client(ITokenSource source) => TokenSourceTests.Client(ClientFixture, source);

        /// <summary>Lets the time go on once nothing is under way: seconds of the fake clock must not pass while a real thread is waited for.</summary>
        public async Task PassAsync(TimeSpan time)
        {
            await KeyCacheFixture.UntilAsync(() => !Clock.IsWaitedFor, "nothing is under way");
            Clock.Advance(time);
        }

        public void Dispose() => ClientFixture.Dispose();
    }
}
