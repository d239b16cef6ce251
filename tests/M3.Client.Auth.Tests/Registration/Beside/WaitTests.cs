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
        await app.WaitAsync();

        // Polly 7, which comes with Microsoft.Extensions.Http.Polly, has a type of the same name.
        await Assert.ThatAsync(() => call.WaitAsync(KeyCacheFixture.Patience), Throws.Exception.With.Matches<Exception>(error => error is not null && error.GetType().FullName == "Polly.Timeout.TimeoutRejectedException"));
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(1));
        app.PassWindow();
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
        await app.WaitAsync();
        await app.HaveItsTurnAsync(call);

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_standard_handler_inside_begins_when_the_wait_is_over()
    {
        using var app = new World();
        app.AddClient(Side.Inside, builder => builder.AddStandardResilienceHandler());
        await app.CallAsync();

        Task call = app.CallAsync();
        await app.WaitAsync();
        await app.HaveItsTurnAsync(call);

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
        app.AddClient(side, builder => builder.ConfigureHttpClient(client => client.Timeout = TimeSpan.FromMilliseconds(50)));
        await app.CallPatientlyAsync();

        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<TaskCanceledException>().With.InnerException.TypeOf<TimeoutException>());

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(1));
        app.PassWindow();
        await app.CallPatientlyAsync();
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

    /// <summary>One call in each window; a second one waits, and says so.</summary>
    private sealed class World : IDisposable, IProgress<TimeSpan>
    {
        // As long as nothing else that is waited for.
        private static readonly TimeSpan Window = TimeSpan.FromSeconds(17);

        private readonly TaskCompletionSource _waits = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly BesideFixture _app;

        public World() => _app = new BesideFixture(options =>
            (options.RateLimitMode, options.RateLimitRequests, options.RateLimitWindow, options.RateLimitProgress) = (RateLimitMode.Wait, 1, Window, this));

        public FakeM3 Server => _app.Server;

        public void AddClient(Side side, Action<IHttpClientBuilder> beside) => _app.AddClient(side, beside);

        public HttpClient Client() => _app.Client();

        public Task CallAsync() => _app.CallAsync();

        public async Task CallPatientlyAsync()
        {
            using HttpClient client = Client();
            client.Timeout = Timeout.InfiniteTimeSpan;
            (await client.PostAsync(ClientFixture.Address, null)).Dispose();
        }

        /// <summary>Lets longer pass for the call that waits than any pipeline has patience.</summary>
        public async Task WaitAsync()
        {
            await _waits.Task.WaitAsync(KeyCacheFixture.Patience);
            _app.PipelineClock.Advance(TimeSpan.FromHours(1));
        }

        /// <summary>Ends the wait.</summary>
        public async Task HaveItsTurnAsync(Task call)
        {
            // Others wait, too, for the token's source and the like.
            while (await _app.Clock.Waits.ReadAsync().AsTask().WaitAsync(KeyCacheFixture.Patience) != _app.Clock.GetUtcNow() + Window)
            {
            }

            PassWindow();
            await call.WaitAsync(KeyCacheFixture.Patience);
        }

        public void PassWindow() => _app.Clock.Advance(Window);

        public void Report(TimeSpan value) => _waits.TrySetResult();

        public void Dispose() => _app.Dispose();
    }
}
