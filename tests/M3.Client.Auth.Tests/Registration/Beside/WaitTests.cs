using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary>A call that waits its turn (<see cref="RateLimitMode.Wait"/>), and timeouts that know nothing of that.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class WaitTests
{
    [Test]
    public async Task A_standard_handler_outside_cuts_a_wait_and_nothing_is_taken()
    {
        using var app = new World();
        app.AddClient(Side.Outside, builder => builder.AddStandardResilienceHandler());
        await app.CallAsync();

        Task call = app.CallAsync();
        await app.WaitsAsync();
        await app.PassAsync(call);

        // Polly 7, which comes with Microsoft.Extensions.Http.Polly, has a type of the same name.
        await Assert.ThatAsync(() => call, Throws.Exception.With.Matches<Exception>(error => error is not null && error.GetType().FullName == "Polly.Timeout.TimeoutRejectedException"));
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(1));
        app.Clock.Advance(TimeSpan.FromHours(1));
        await app.CallAsync();
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_standard_handler_outside_without_its_timeouts_lets_a_call_wait()
    {
        using var app = new World();
        app.AddClient(Side.Outside, builder => builder.AddStandardResilienceHandler(options =>
        {
            options.AttemptTimeout.TimeoutGenerator = _ => new(Timeout.InfiniteTimeSpan);
            options.TotalRequestTimeout.TimeoutGenerator = _ => new(Timeout.InfiniteTimeSpan);
        }));
        await app.CallAsync();

        Task call = app.CallAsync();
        await app.WaitsAsync();
        await app.PassAsync(call);

        await call;
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_standard_handler_inside_begins_when_the_wait_is_over()
    {
        using var app = new World();
        app.AddClient(Side.Inside, builder => builder.AddStandardResilienceHandler());
        await app.CallAsync();

        Task call = app.CallAsync();
        await app.WaitsAsync();
        await app.PassAsync(call);

        await call;
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [TestCase(Side.Outside, RateLimitMode.Wait, ExpectedResult = new[] { 12 })]
    [TestCase(Side.Outside, RateLimitMode.Reject, ExpectedResult = new int[0])]
    [TestCase(Side.Inside, RateLimitMode.Wait, ExpectedResult = new[] { 11 })]
    public async Task<int[]> The_log_says_what_would_cut_a_wait(Side side, RateLimitMode mode)
    {
        using var app = new BesideFixture(options => options.RateLimitMode = mode);
        app.AddClient(side, builder => builder.AddStandardResilienceHandler());

        await app.CallAsync();
        await app.CallAsync();

        return [.. app.Warnings.Select(line => line.Event.Id)];
    }

    // HttpClient knows no other clock than the system's.
    [TestCase(Side.Outside)]
    [TestCase(Side.Inside)]
    public async Task A_client_timeout_that_somebody_chose_cuts_a_wait_and_nothing_is_taken(Side side)
    {
        using var app = new World();
        app.AddClient(side, builder => builder.ConfigureHttpClient(client => client.Timeout = TimeSpan.FromSeconds(1)));
        await app.CallAsync();

        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<TaskCanceledException>().With.InnerException.TypeOf<TimeoutException>());

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(1));
        app.Clock.Advance(TimeSpan.FromHours(1));
        await app.CallAsync();
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(2));
    }

    // One that is the default cannot be told from none, unless it is set afterwards.
    [TestCase(Side.Outside, 100, ExpectedResult = -1)]
    [TestCase(Side.Inside, 100, ExpectedResult = 100_000)]
    [TestCase(Side.Outside, 5, ExpectedResult = 5_000)]
    [TestCase(Side.Inside, 5, ExpectedResult = 5_000)]
    public double A_client_timeout_stays_unless_it_is_the_default(Side side, int seconds)
    {
        using var app = new World();
        app.AddClient(side, builder => builder.ConfigureHttpClient(client => client.Timeout = TimeSpan.FromSeconds(seconds)));

        return app.Client().Timeout.TotalMilliseconds;
    }

    /// <summary>One call an hour; a second one waits, and says so.</summary>
    private sealed class World : IDisposable, IProgress<TimeSpan>
    {
        private readonly TaskCompletionSource _waits = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly BesideFixture _app;

        public World() => _app = new BesideFixture(options =>
            (options.RateLimitMode, options.RateLimitRequests, options.RateLimitProgress) = (RateLimitMode.Wait, 1, this));

        public FakeM3 Server => _app.Server;

        public WaitingClock Clock => _app.Clock;

        public void AddClient(Side side, Action<IHttpClientBuilder> beside) => _app.AddClient(side, beside);

        public HttpClient Client() => _app.Client();

        public Task CallAsync() => _app.CallAsync();

        public Task PassAsync(Task task) => _app.PassAsync(task);

        public Task WaitsAsync() => _waits.Task.WaitAsync(KeyCacheFixture.Patience);

        public void Report(TimeSpan value) => _waits.TrySetResult();

        public void Dispose() => _app.Dispose();
    }
}
