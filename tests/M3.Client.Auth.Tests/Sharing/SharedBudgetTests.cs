using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Sharing;

/// <summary>M3 counts a subject's calls, whichever client they come from: so clients of one origin count together.</summary>
[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class SharedBudgetTests : IDisposable
{
    private static readonly Uri M3 = new("https://m3.test/sse");
    private static readonly Uri Other = new("https://other.test/sse");

    private readonly FakeTimeProvider _clock = new();
    private readonly RecordingLoggerFactory _log = new();

    public void Dispose() => _log.Dispose();

    [Test]
    public async Task Clients_of_a_container_that_call_the_same_origin_share_one_limit()
    {
        await using ServiceProvider app = App(("a", 2), ("b", 2));
        await CallAsync(app, "a", M3);
        await CallAsync(app, "b", new Uri("https://m3.test:443/elsewhere"));

        await AssertReachedAsync(app, "a", M3, "limit of 2 per 60 min reached; retry after 60 min");
        await AssertReachedAsync(app, "b", M3, "limit of 2 per 60 min reached; retry after 60 min");
        Assert.That(_log.Warnings, Is.Empty);
    }

    [Test]
    public async Task Each_origin_has_its_own_limit_within_one_client_and_among_several()
    {
        await using ServiceProvider app = App(("a", 1), ("b", 1));
        await CallAsync(app, "a", M3);
        await CallAsync(app, "a", Other);

        await AssertReachedAsync(app, "a", M3, "limit of 1");
        await AssertReachedAsync(app, "b", Other, "limit of 1");
    }

    [TestCase(1, 3)]
    [TestCase(3, 1)]
    public async Task Of_different_limits_for_one_origin_the_stricter_counts_for_both_and_is_warned_of(int first, int second)
    {
        await using ServiceProvider app = App(("a", first), ("b", second));
        await CallAsync(app, "a", M3);

        await AssertReachedAsync(app, "b", M3, "limit of 1 per 60 min reached; retry after 60 min");
        await AssertReachedAsync(app, "a", M3, "limit of 1 per 60 min reached; retry after 60 min");
        Assert.That(_log.Warnings.Single(), Does.StartWith("Several clients of https://m3.test:443 have different rate limits: the stricter one counts for all, 1 per 60 min"));
        _clock.Advance(TimeSpan.FromHours(1));
        await CallAsync(app, "b", M3);
    }

    [Test]
    public async Task Of_different_windows_the_longer_counts_for_both()
    {
        var shared = M3SharedState.CreateInProcess();
        using HttpClient hour = Client(shared, limit: 1, window: TimeSpan.FromHours(1));
        using HttpClient day = Client(shared, limit: 1, window: TimeSpan.FromDays(1));
        Assert.That(await TryCallAsync(hour), Is.Null);
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.That(await TryCallAsync(day), Is.Null);

        Assert.That((await TryCallAsync(hour))!.RetryAfter, Is.EqualTo(TimeSpan.FromDays(1)));
    }

    [Test]
    public async Task Directly_built_clients_share_when_they_are_given_the_same_state()
    {
        var shared = M3SharedState.CreateInProcess();
        using HttpClient a = Client(shared);
        using HttpClient b = Client(shared);
        using HttpClient alone = Client(null);

        Assert.That(await TryCallAsync(a), Is.Null);
        Assert.That(await TryCallAsync(b), Is.Not.Null);
        Assert.That(await TryCallAsync(alone), Is.Null);
    }

    [Test]
    public async Task Subjects_do_not_share_and_neither_do_different_clocks()
    {
        var shared = M3SharedState.CreateInProcess();
        using HttpClient a = Client(shared, subject: "a");
        using HttpClient b = Client(shared, subject: "b");
        using HttpClient otherClock = Client(shared, subject: "a", clock: new FakeTimeProvider());

        Assert.That((await TryCallAsync(a), await TryCallAsync(b), await TryCallAsync(otherClock)), Is.EqualTo(((RateLimitExceededException?)null, (RateLimitExceededException?)null, (RateLimitExceededException?)null)));
        Assert.That(await TryCallAsync(a), Is.Not.Null);
    }

    [Test]
    public async Task A_pause_that_M3_asks_one_client_for_holds_back_the_others()
    {
        var shared = M3SharedState.CreateInProcess();
        using HttpClient a = Client(shared, subject: "a", answer: request => FakeM3.AskForPause(request, "20"));
        using HttpClient b = Client(shared, subject: "b");

        await TryCallAsync(a);

        Assert.That((await TryCallAsync(b))!.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(20)));
    }

    [Test]
    public async Task A_pause_as_long_as_the_window_is_told_as_M3s_wish()
    {
        var shared = M3SharedState.CreateInProcess();
        using HttpClient client = Client(shared, answer: request => FakeM3.AskForPause(request, "3600"));
        await TryCallAsync(client);

        Assert.That((await TryCallAsync(client))!.Message, Does.Contain("M3 asked for a pause (Retry-After)"));
    }

    // The system's tick count moves in steps, for which permits are held longer; nobody is told of more than the window for that.
    [Test]
    public async Task On_the_systems_own_clock_nobody_is_told_to_wait_longer_than_the_window()
    {
        TimeSpan window = TimeSpan.FromHours(1);
        var pool = new InProcessPermitPool("https://m3.test", 1, window, TimeProvider.System);
        PermitResult first = await pool.AcquireAsync(null, 1, onWait: null, default);
        pool.Release(first.Permit!.Value, TimeSpan.Zero);

        PermitResult second = await pool.AcquireAsync(null, 1, onWait: null, default);

        Assert.That(second.RetryAfter, Is.GreaterThan(window - TimeSpan.FromMinutes(1)).And.LessThanOrEqualTo(window));
    }

    [Test]
    public async Task Whoever_waits_goes_before_whoever_comes_later()
    {
        var shared = M3SharedState.CreateInProcess();
        using HttpClient waits = Client(shared, mode: RateLimitMode.Wait);
        using HttpClient rejects = Client(shared);
        Assert.That(await TryCallAsync(waits), Is.Null);
        Task<RateLimitExceededException?> waiting = TryCallAsync(waits);

        _clock.Advance(TimeSpan.FromHours(1) - TimeSpan.FromTicks(1));
        Assert.That(await TryCallAsync(rejects), Is.Not.Null);
        await KeyCacheFixture.UntilAsync(() =>
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            return waiting.IsCompleted;
        }, "whoever waits goes");

        Assert.That(await waiting.WaitAsync(KeyCacheFixture.Patience), Is.Null);
        Assert.That(await TryCallAsync(rejects), Is.Not.Null);
    }

    private static async Task CallAsync(ServiceProvider app, string name, Uri address) =>
        (await app.GetRequiredService<IHttpClientFactory>().CreateClient(name).PostAsync(address, null)).Dispose();

    private static async Task AssertReachedAsync(ServiceProvider app, string name, Uri address, string message)
    {
        var error = await Assert.ThrowsAsync<RateLimitExceededException>(() => CallAsync(app, name, address));
        Assert.That(error.Message, Does.Contain(message), name);
    }

    private static async Task<RateLimitExceededException?> TryCallAsync(HttpClient client)
    {
        try
        {
            (await client.PostAsync(M3, null)).Dispose();
            return null;
        }
        catch (RateLimitExceededException e)
        {
            return e;
        }
    }

    private ServiceProvider App(params (string Name, int Limit)[] clients)
    {
        var services = new ServiceCollection();
        services.AddSingleton<ILoggerFactory>(_log);
        foreach ((string name, int limit) in clients)
        {
            services.AddKeyedSingleton<IM3TokenProvider>(name, new FixedTokenProvider());
            services.AddHttpClient(name).ConfigurePrimaryHttpMessageHandler(() => new FakeM3()).AddM3Auth(options =>
            {
                (options.IssuerUrl, options.Audience) = (FakeIssuer.Url, ClientFixture.Audience);
                (options.TimeProvider, options.RateLimitRequests) = (_clock, limit);
                options.AllowedOrigins.Add(M3);
                options.AllowedOrigins.Add(Other);
            });
        }

        return services.BuildServiceProvider();
    }

    private HttpClient Client(M3SharedState? shared, int limit = 1, TimeSpan? window = null, string? subject = null, TimeProvider? clock = null,
        RateLimitMode mode = RateLimitMode.Reject, Func<HttpRequestMessage, HttpResponseMessage>? answer = null)
    {
        var options = new M3AuthOptions
        {
            SharedState = shared,
            RateLimitRequests = limit,
            RateLimitWindow = window ?? TimeSpan.FromHours(1),
            RateLimitMode = mode,
            TimeProvider = clock ?? _clock,
        };
        var server = new FakeM3();
        server.Answer = answer ?? server.Answer;
        return new HttpClient(new M3AuthHandler(new FixedTokenProvider(subject: subject), options) { InnerHandler = server });
    }
}
