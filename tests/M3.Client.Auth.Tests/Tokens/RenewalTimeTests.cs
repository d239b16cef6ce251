using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>When a source that is asked on demand is asked for the next token: ahead of the expiry, and at its own pace when that fails.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RenewalTimeTests
{
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(0.1);

    // A minute ahead, but at most a fifth of what is left; and up to a tenth of that more, so that processes do not ask together.
    [TestCase(24 * 60, 60)]
    [TestCase(60, 60)]
    [TestCase(6, 60)]
    [TestCase(5, 60)]
    [TestCase(4, 48)]
    [TestCase(1, 12)]
    public async Task A_token_is_renewed_a_minute_ahead_or_a_fifth_of_a_short_one(int minutes, double secondsAhead)
    {
        using var world = new World(TimeSpan.FromMinutes(minutes));
        await world.Provider.GetTokenAsync();

        world.ClientFixture.Clock.Advance(TimeSpan.FromMinutes(minutes) - TimeSpan.FromSeconds((secondsAhead * 1.1) + 0.01));
        Assert.That(world.IsDue, Is.False);
        await world.PassUntilDueAsync();

        Assert.That(world.Left, Is.InRange(secondsAhead - 0.1, secondsAhead * 1.1));
    }

    [Test]
    public async Task Each_process_has_a_moment_of_its_own()
    {
        List<double> moments = [];
        for (int i = 0; i < 20; i++)
        {
            using var world = new World(TimeSpan.FromHours(1));
            await world.Provider.GetTokenAsync();
            world.ClientFixture.Clock.Advance(TimeSpan.FromSeconds(3600 - 66.1));
            await world.PassUntilDueAsync();
            moments.Add(world.Left);
        }

        TestContext.Out.WriteLine($"seconds ahead: {string.Join(", ", moments.Select(left => $"{left:0.0}"))}");
        Assert.That(moments.Max() - moments.Min(), Is.GreaterThan(1));
    }

    [Test]
    public async Task A_failed_renewal_is_tried_again_after_a_tenth_of_what_is_left()
    {
        using var world = new World(TimeSpan.FromHours(1));
        await world.Provider.GetTokenAsync();
        world.ClientFixture.Clock.Advance(TimeSpan.FromSeconds(3600 - 66.1));
        List<double> tried = [];

        await world.PassUntilDueAsync();
        while (world.Left > 13)
        {
            tried.Add(world.Left);
            await world.FailAsync();
            await world.PassUntilDueAsync();
        }

        TestContext.Out.WriteLine($"tried {string.Join(", ", tried.Select(left => $"{left:0.0}"))} s ahead");
        Assert.That(tried, Has.Count.InRange(13, 17));
        foreach ((double left, double next) in tried.Zip(tried.Skip(1)))
            Assert.That(left - next, Is.InRange((left / 10) - 0.001, (left / 10) + 0.101), $"{left:0.0} s ahead");
    }

    // Near the end a tenth would be no time at all.
    [Test]
    public async Task In_the_last_ten_seconds_a_failed_renewal_is_tried_again_after_a_second()
    {
        using var world = new World(TimeSpan.FromSeconds(40));
        await world.Provider.GetTokenAsync();
        await world.PassUntilDueAsync();
        Assert.That(world.Left, Is.LessThan(9));

        world.Fail();
        await KeyCacheFixture.UntilAsync(() => world.ClientFixture.Log.Warnings.Any(), "the failure is told");

        world.ClientFixture.Clock.Advance(TimeSpan.FromSeconds(0.999));
        Assert.That(world.IsDue, Is.False);
        world.ClientFixture.Clock.Advance(TimeSpan.FromSeconds(0.001));
        Assert.That(world.IsDue, Is.True);
    }

    // By a wall clock that was set back much is left, and by M3's perhaps nothing.
    [Test]
    public async Task However_much_is_left_a_failed_renewal_is_tried_again_after_half_a_minute()
    {
        var clock = new JumpingClock(ClientFixture.Noon);
        using var world = new World(TimeSpan.FromHours(1), clock);
        await world.Provider.GetTokenAsync();
        clock.Jump(TimeSpan.FromHours(-5));
        clock.Advance(TimeSpan.FromSeconds(3600 - 66.1));
        await world.PassUntilDueAsync();

        await world.FailAsync();

        clock.Advance(TimeSpan.FromSeconds(29.9));
        Assert.That(world.IsDue, Is.False);
        clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.That(world.IsDue, Is.True);
    }

    [Test]
    public async Task Renewals_that_fail_are_told_once_and_again_only_after_one_that_succeeded()
    {
        using var world = new World(TimeSpan.FromHours(1));
        await world.Provider.GetTokenAsync();
        for (int outage = 1; outage <= 2; outage++)
        {
            for (int i = 0; i < 3; i++)
            {
                await world.PassUntilDueAsync();
                await world.FailAsync();
                await KeyCacheFixture.UntilAsync(() => world.ClientFixture.Log.Warnings.Count() >= outage, "the failure is told");
            }

            await world.PassUntilDueAsync();
            await world.SucceedAsync(TimeSpan.FromHours(1));
            Assert.That(world.ClientFixture.Log.Warnings.Count(), Is.EqualTo(outage));
        }

        Assert.That(world.ClientFixture.Log.Warnings, Is.All.Contains("IOException"));
    }

    private sealed class World : IDisposable
    {
        private TaskCompletionSource<string?>? _asked;

        public World(TimeSpan lifetime, JumpingClock? clock = null)
        {
            ClientFixture = clock is null ? new ClientFixture() : new ClientFixture { Clock = clock };
            string token = NewToken(lifetime);
            bool isFirst = true;
            M3AuthOptions options = ClientFixture.Options();
            options.JwksCacheTtl = TimeSpan.FromDays(30);
            options.TokenSource = TokenSources.From(_ =>
            {
                if (isFirst)
                {
                    isFirst = false;
                    return new(token);
                }

                // What completes it goes on with what waits for it.
                var asked = new TaskCompletionSource<string?>();
                Volatile.Write(ref _asked, asked);
                return new(asked.Task);
            });
            Provider = new M3TokenProvider(options, ClientFixture.Log);
        }

        public ClientFixture ClientFixture { get; }

        public M3TokenProvider Provider { get; }

        private DateTimeOffset Expires { get; set; }

        public double Left => (Expires - ClientFixture.Now).TotalSeconds;

        public bool IsDue => Provider.TryGetCached(new Clock(ClientFixture.Clock).Now) is null;

        public async Task PassUntilDueAsync()
        {
            while (!IsDue)
                ClientFixture.Clock.Advance(Step);
            await Provider.GetTokenAsync();
            await KeyCacheFixture.UntilAsync(() => Volatile.Read(ref _asked) is not null, "the source is asked");
        }

        public void Fail()
        {
            TaskCompletionSource<string?> asked = _asked!;
            _asked = null;
            asked.SetException(new IOException());
        }

        public Task FailAsync()
        {
            Fail();
            // Until the next try is put off further than the second for which nobody asks beside this one.
            Deadline later = new(long.MaxValue, new Clock(ClientFixture.Clock).Now.Monotonic + TimeSpan.TicksPerSecond);
            return KeyCacheFixture.UntilAsync(() => Provider.TryGetCached(new Moment(ClientFixture.Now.UtcTicks, later.Monotonic)) is not null, "the failure is told");
        }

        public async Task SucceedAsync(TimeSpan lifetime)
        {
            TaskCompletionSource<string?> asked = _asked!;
            _asked = null;
            string token = NewToken(lifetime);
            asked.SetResult(token);
            await KeyCacheFixture.UntilAsync(async () => (await Provider.GetTokenAsync()).Value == token, "the next token is in use");
        }

        private string NewToken(TimeSpan lifetime)
        {
            Expires = ClientFixture.Now + lifetime;
            return ClientFixture.NewToken(claims => claims["exp"] = Expires.ToUnixTimeSeconds());
        }

        public void Dispose()
        {
            Provider.Dispose();
            ClientFixture.Dispose();
        }
    }
}
