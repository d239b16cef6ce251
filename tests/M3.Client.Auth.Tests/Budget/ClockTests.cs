using System.Globalization;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Budget;

/// <summary>Somebody sets the machine's clock, by hours and both ways: the budget counts on time that only goes on.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ClockTests
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);

    [TestCase(-24)]
    [TestCase(24)]
    public async Task A_clock_that_jumps_changes_nothing_about_the_time_to_wait(double hours)
    {
        using var world = new World(options => (options.RateLimitRequests, options.RateLimitWindow) = (1, Window));
        (await world.CallAsync()).Dispose();

        world.Clock.Jump(TimeSpan.FromHours(hours));

        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Window));
        world.Clock.Advance(Window);
        (await world.CallAsync()).Dispose();
    }

    // Beyond what a timer can count: some 50 days.
    [TestCase(-24)]
    [TestCase(-24 * 60)]
    public async Task A_call_that_waits_its_turn_after_the_clock_was_set_back_waits_no_longer_than_the_window(double hours)
    {
        using var world = new World(options => (options.RateLimitMode, options.RateLimitRequests, options.RateLimitWindow) = (RateLimitMode.Wait, 1, Window));
        (await world.CallAsync()).Dispose();
        world.Clock.Jump(TimeSpan.FromHours(hours));

        Task<HttpResponseMessage> waiting = world.CallAsync();
        world.Clock.Advance(Window - TimeSpan.FromTicks(1));
        Assert.That(waiting.IsCompleted, Is.False);
        // Timers count whole milliseconds.
        world.Clock.Advance(TimeSpan.FromMilliseconds(1));

        (await waiting.WaitAsync(KeyCacheFixture.Patience)).Dispose();
    }

    [TestCase("20", "00:00:20")]
    [TestCase("Mon, 23 Nov 2026 12:00:20 GMT", "00:00:20")]
    [TestCase("Mon, 30 Nov 2026 12:00:00 GMT", "01:00:00")]
    public async Task A_pause_that_M3_asked_for_keeps_its_length(string retryAfter, string expected)
    {
        foreach (double hours in (double[])[-24, 24])
        {
            using var world = new World();
            world.Server.Answer = request => FakeM3.AskForPause(request, retryAfter);
            (await world.CallAsync()).Dispose();

            world.Clock.Jump(TimeSpan.FromHours(hours));

            Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(TimeSpan.Parse(expected, CultureInfo.InvariantCulture)));
        }
    }

    [Test]
    public async Task After_a_sleep_in_which_timers_stood_still_a_waiting_call_goes_within_half_a_minute()
    {
        using var world = new World(options => (options.RateLimitMode, options.RateLimitRequests) = (RateLimitMode.Wait, 1));
        (await world.CallAsync()).Dispose();
        Task<HttpResponseMessage> waiting = world.CallAsync();
        await KeyCacheFixture.UntilAsync(() => world.Clock.IsWaitedFor, "the call waits");

        world.Clock.Sleep(TimeSpan.FromHours(8));
        world.Clock.Advance(TimeSpan.FromSeconds(30));

        (await waiting.WaitAsync(KeyCacheFixture.Patience)).Dispose();
    }

    [Test]
    public async Task A_week_of_a_clock_that_jumps_by_hours_exceeds_no_window_and_makes_nobody_wait_longer([Range(1, 4)] int seed)
    {
        var random = new Random(seed);
        TimeSpan window = TimeSpan.FromMinutes(random.Next(1, 90));
        const int Limit = 7;
        using var world = new World(options => (options.RateLimitRequests, options.RateLimitWindow) = (Limit, window));
        List<TimeSpan> sent = [];
        while (world.Elapsed < TimeSpan.FromDays(7))
        {
            JumpNowAndThen(world.Clock, random);
            try
            {
                (await world.CallAsync()).Dispose();
                sent.Add(world.Elapsed);
                world.Clock.Advance(random.Next(3) == 0 ? TimeSpan.Zero : random.NextDouble() * window / Limit * 2);
            }
            catch (RateLimitExceededException e)
            {
                // Exactly what is left until the oldest leaves, so that whoever waits as he is told is not late at all.
                Assert.That(e.RetryAfter, Is.EqualTo(sent[^Limit] + window - world.Elapsed));
                JumpNowAndThen(world.Clock, random);
                world.Clock.Advance(e.RetryAfter!.Value);
            }
        }

        Assert.That(sent.Zip(sent.Skip(Limit), (before, after) => after - before), Has.All.GreaterThanOrEqualTo(window));
    }

    [Test]
    public async Task In_a_week_of_a_clock_that_jumps_by_hours_every_waiting_call_goes_when_its_turn_comes([Range(1, 4)] int seed)
    {
        var random = new Random(seed);
        TimeSpan window = TimeSpan.FromMinutes(random.Next(1, 90));
        const int Limit = 7;
        using var world = new World(options => (options.RateLimitMode, options.RateLimitRequests, options.RateLimitWindow) = (RateLimitMode.Wait, Limit, window));
        List<TimeSpan> sent = [];
        while (world.Elapsed < TimeSpan.FromDays(7))
        {
            TimeSpan due = sent.Count < Limit ? world.Elapsed : Max(sent[^Limit] + window, world.Elapsed);
            Task<HttpResponseMessage> call = world.CallAsync();
            while (world.Elapsed < due)
            {
                await KeyCacheFixture.UntilAsync(() => world.Clock.IsWaitedFor, "the call waits");
                JumpNowAndThen(world.Clock, random);
                world.Clock.Advance(Min(due - world.Elapsed, random.NextDouble() * TimeSpan.FromMinutes(5)));
            }

            // Timers count whole milliseconds.
            await KeyCacheFixture.UntilAsync(() => call.IsCompleted || world.Clock.IsWaitedFor, "the call goes, or waits for the rest of a millisecond");
            world.Clock.Advance(TimeSpan.FromMilliseconds(1));
            (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();
            sent.Add(world.Elapsed);
            world.Clock.Advance(random.NextDouble() * window / Limit);
        }

        Assert.That(sent.Zip(sent.Skip(Limit), (before, after) => after - before), Has.All.GreaterThanOrEqualTo(window));
    }

    private static void JumpNowAndThen(JumpingClock clock, Random random)
    {
        if (random.Next(3) == 0)
            clock.Jump(TimeSpan.FromHours((random.NextDouble() * 60) - 30));
    }

    private static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;

    /// <summary>A client whose token never expires, between a clock that jumps and an M3.</summary>
    private sealed class World : IDisposable
    {
        private readonly HttpClient _client;
        private readonly long _start;

        public World(Action<M3AuthOptions>? configure = null)
        {
            _start = Clock.GetTimestamp();
            var options = new M3AuthOptions { TimeProvider = Clock };
            configure?.Invoke(options);
            _client = new HttpClient(new M3AuthHandler(new FixedTokenProvider(), options) { InnerHandler = Server }) { Timeout = Timeout.InfiniteTimeSpan };
        }

        public JumpingClock Clock { get; } = new(ClientFixture.Noon);

        public FakeM3 Server { get; } = new();

        /// <summary>Without the jumps.</summary>
        public TimeSpan Elapsed => Clock.GetElapsedTime(_start);

        public Task<HttpResponseMessage> CallAsync() => _client.PostAsync(ClientFixture.Address, content: null);

        public async Task<RateLimitExceededException> FailAsync() => (await Assert.ThrowsAsync<RateLimitExceededException>(() => CallAsync()))!;

        public void Dispose()
        {
            _client.Dispose();
            Server.Dispose();
        }
    }
}
