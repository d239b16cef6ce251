using System.Net;
using System.Net.Http.Json;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Budget;

/// <summary><see cref="RateLimitMode.Wait"/>: a call beyond the limit goes as soon as the sliding log lets it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class WaitingTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Test]
    public async Task Calls_one_after_the_other_go_at_the_instants_that_the_sliding_log_allows()
    {
        using var world = new World(limit: 100);
        List<TimeSpan> sent = [];
        for (int i = 0; i < 250; i++)
        {
            Task<HttpResponseMessage> call = world.CallAsync();
            await world.PassAsync(call);
            (await call).Dispose();
            sent.Add(world.Elapsed);
            // Each call takes 6 s: the first hundred within ten minutes.
            world.Clock.Advance(TimeSpan.FromSeconds(6));
        }

        TestContext.Out.WriteLine("call 1, 100, 101, 200, 201 and 250 of 250 went at " + string.Join(", ", new[] { 0, 99, 100, 199, 200, 249 }.Select(i => sent[i].ToString("c"))));
        TimeSpan[] expected = [.. Enumerable.Range(0, 250).Select(i => ((i / 100) * Hour) + TimeSpan.FromSeconds(6 * (i % 100)))];
        Assert.That(sent, Is.EqualTo(expected));
        // Only the first of each further hundred had to wait.
        Assert.That(world.Told, Is.EqualTo([TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(50)]));
        Assert.That(world.ClientFixture.Log.Lines.Count(line => line.Event.Name == nameof(Log.WaitingForBudget)), Is.EqualTo(2));
    }

    [Test]
    public async Task Calls_all_at_once_go_a_hundred_an_hour()
    {
        using var world = new World(limit: 100);
        Task<HttpResponseMessage>[] calls = [.. Enumerable.Range(0, 250).Select(_ => world.CallAsync())];

        await world.PassAsync(Task.WhenAll(calls));

        TestContext.Out.WriteLine(string.Join(", ", world.Sent.GroupBy(at => at).OrderBy(same => same.Key).Select(same => $"{same.Count()} calls at {same.Key}")));
        int[] perHour = [.. world.Sent.GroupBy(at => at).OrderBy(same => same.Key).Select(same => same.Count())];
        Assert.That(perHour, Is.EqualTo([100, 100, 50]));
        Assert.That(world.Sent[^1], Is.EqualTo(2 * Hour));
        foreach (Task<HttpResponseMessage> call in calls)
            (await call).Dispose();
    }

    [Test]
    public async Task A_batch_waits_until_there_is_room_for_the_whole_of_it()
    {
        using var world = new World(limit: 3) { IsWindowFull = () => true };
        (await world.CallAsync()).Dispose();
        world.Clock.Advance(TimeSpan.FromMinutes(10));
        (await world.CallAsync()).Dispose();

        Task<HttpResponseMessage> batch = world.ClientFixture.Client.PostAsync(ClientFixture.Address,
            JsonContent.Create(Enumerable.Repeat(new { method = "tools/call" }, 3)));
        await world.PassAsync(batch);

        (await batch).Dispose();
        Assert.That(world.Told, Is.EqualTo([Hour]));
        Assert.That(world.Sent, Is.EqualTo([TimeSpan.Zero, TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(70)]));
    }

    [Test]
    public async Task A_cancelled_call_has_taken_nothing_and_leaves_the_others_their_turn()
    {
        using var world = new World(limit: 1);
        (await world.CallAsync()).Dispose();
        using var cancellation = new CancellationTokenSource();
        Task<HttpResponseMessage> first = world.CallAsync(cancellation.Token);
        Task<HttpResponseMessage> second = world.CallAsync();

        await cancellation.CancelAsync();

        await Assert.ThatAsync(() => first, Throws.InstanceOf<OperationCanceledException>());
        // The first one's turn is the second's now.
        await KeyCacheFixture.UntilAsync(() => world.Told.Count == 2, "the second call waits for the window");
        await world.PassAsync(second);
        (await second).Dispose();
        Assert.That(world.Sent, Is.EqualTo([TimeSpan.Zero, Hour]));
    }

    [Test]
    public async Task A_call_cancelled_while_others_wait_before_it_never_goes()
    {
        using var world = new World(limit: 1);
        (await world.CallAsync()).Dispose();
        using var cancellation = new CancellationTokenSource();
        Task<HttpResponseMessage> first = world.CallAsync();
        Task<HttpResponseMessage> second = world.CallAsync(cancellation.Token);

        await cancellation.CancelAsync();

        await Assert.ThatAsync(() => second, Throws.InstanceOf<OperationCanceledException>());
        await world.PassAsync(first);
        (await first).Dispose();
        Assert.That(world.Sent, Is.EqualTo([TimeSpan.Zero, Hour]));
    }

    [Test]
    public async Task A_token_that_expires_during_the_wait_is_looked_at_again_and_nothing_is_taken()
    {
        using var world = new World(limit: 1);
        world.ClientFixture.Token = world.ClientFixture.NewToken(claims => claims["exp"] = ClientFixture.Noon.AddMinutes(30).ToUnixTimeSeconds());
        (await world.CallAsync()).Dispose();
        Task<HttpResponseMessage> call = world.CallAsync();

        await world.PassAsync(call);

        await Assert.ThatAsync(() => call, Throws.TypeOf<TokenExpiredException>());
        Assert.That(world.Sent, Is.EqualTo([TimeSpan.Zero]));
        world.ClientFixture.Token = world.ClientFixture.NewToken();
        (await world.CallAsync()).Dispose();
        Assert.That(world.Sent, Is.EqualTo([TimeSpan.Zero, Hour]));
    }

    [Test]
    public async Task A_token_that_was_renewed_during_the_wait_is_the_one_that_goes()
    {
        using var world = new World(limit: 1);
        (await world.CallAsync()).Dispose();
        Task<HttpResponseMessage> call = world.CallAsync();

        world.ClientFixture.Token = world.ClientFixture.NewToken(claims => claims["exp"] = ClientFixture.Noon.AddDays(1).ToUnixTimeSeconds());
        await world.PassAsync(call);
        (await call).Dispose();

        Assert.That(world.ClientFixture.Server.Arrivals[^1].Token, Is.EqualTo(world.ClientFixture.Token));
    }

    [Test]
    public async Task A_call_after_M3s_own_Retry_After_waits_that_long()
    {
        using var world = new World(limit: 100);
        Func<HttpRequestMessage, HttpResponseMessage> usual = world.ClientFixture.Server.Answer;
        world.ClientFixture.Server.Answer = request =>
        {
            HttpResponseMessage response = usual(request);
            response.StatusCode = HttpStatusCode.TooManyRequests;
            response.Headers.RetryAfter = new(TimeSpan.FromSeconds(20));
            return response;
        };
        (await world.CallAsync()).Dispose();
        world.ClientFixture.Server.Answer = usual;
        world.IsWindowFull = () => true;

        Task<HttpResponseMessage> call = world.CallAsync();
        await world.PassAsync(call);
        (await call).Dispose();

        Assert.That(world.Sent, Is.EqualTo([TimeSpan.Zero, TimeSpan.FromSeconds(20)]));
    }

    [Test]
    public async Task One_users_full_window_holds_up_no_other_user()
    {
        var tokens = new OnePerUser();
        using var fixture = new ClientFixture(options => (options.RateLimitMode, options.RateLimitRequests) = (RateLimitMode.Wait, 1));
        using var client = new HttpClient(new M3AuthHandler(tokens, fixture.Options()) { InnerHandler = fixture.Server });
        using var cancellation = new CancellationTokenSource();
        tokens.User.Value = "a";
        (await client.PostAsync(ClientFixture.Address, null)).Dispose();
        Task waiting = client.PostAsync(ClientFixture.Address, null, cancellation.Token);

        tokens.User.Value = "b";
        Task<HttpResponseMessage> other = client.PostAsync(ClientFixture.Address, null);
        (await other.WaitAsync(KeyCacheFixture.Patience)).Dispose();

        Assert.That(waiting.IsCompleted, Is.False);
        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo(["token.of.a", "token.of.b"]));
        await cancellation.CancelAsync();
        await Assert.ThatAsync(() => waiting, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task A_call_whose_token_becomes_another_users_during_the_wait_waits_for_that_users_turn()
    {
        var tokens = new FixedTokenProvider("token.of.a", "a");
        var clock = new WaitingClock(ClientFixture.Noon);
        var told = new List<(DateTimeOffset At, TimeSpan Wait)>();
        using var fixture = new ClientFixture(options => (options.RateLimitMode, options.RateLimitRequests, options.RateLimitProgress) =
            (RateLimitMode.Wait, 1, new Telling(wait => told.Add((clock.GetUtcNow(), wait)))))
        { Clock = clock };
        using var client = new HttpClient(new M3AuthHandler(tokens, fixture.Options()) { InnerHandler = fixture.Server });
        (await client.PostAsync(ClientFixture.Address, null)).Dispose();
        Task<HttpResponseMessage> waiting = client.PostAsync(ClientFixture.Address, null);
        await clock.Waits.ReadAsync().AsTask().WaitAsync(KeyCacheFixture.Patience);

        tokens.Token = new M3AccessToken("token.of.b", subject: "b");
        clock.Advance(Hour);
        (await waiting.WaitAsync(KeyCacheFixture.Patience)).Dispose();

        // And is counted to that user's limit.
        Task<HttpResponseMessage> next = client.PostAsync(ClientFixture.Address, null);
        await clock.Waits.ReadAsync().AsTask().WaitAsync(KeyCacheFixture.Patience);
        Assert.That(told, Is.EqualTo([(ClientFixture.Noon, Hour), (ClientFixture.Noon + Hour, Hour)]));
        clock.Advance(Hour);
        (await next.WaitAsync(KeyCacheFixture.Patience)).Dispose();
        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo(["token.of.a", "token.of.b", "token.of.b"]));
    }

    [Test]
    public async Task A_synchronous_call_waits_too()
    {
        using var world = new World(limit: 1);
        (await world.CallAsync()).Dispose();
        Task call = Task.Run(() =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
            world.ClientFixture.Client.Send(request).Dispose();
        });

        await world.PassAsync(call);
        await call;

        Assert.That(world.Sent, Is.EqualTo([TimeSpan.Zero, Hour]));
    }

    [Test]
    public void Create_sets_no_timeout_since_a_wait_may_be_long()
    {
        using var waiting = new ClientFixture(options => options.RateLimitMode = RateLimitMode.Wait);
        using var rejecting = new ClientFixture();
        using var unlimited = new ClientFixture(options => (options.RateLimitMode, options.RateLimitEnabled) = (RateLimitMode.Wait, false));

        Assert.That(waiting.Client.Timeout, Is.EqualTo(Timeout.InfiniteTimeSpan));
        Assert.That(new[] { rejecting.Client.Timeout, unlimited.Client.Timeout }, Is.All.EqualTo(TimeSpan.FromSeconds(100)));
    }

    /// <summary>Tells at once, where the call is.</summary>
    private sealed class Telling(Action<TimeSpan> tell) : IProgress<TimeSpan>
    {
        public void Report(TimeSpan value) => tell(value);
    }

    /// <summary>The token of whoever calls.</summary>
    private sealed class OnePerUser : IM3TokenProvider
    {
        public AsyncLocal<string> User { get; } = new();

        public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default) => new(new M3AccessToken($"token.of.{User.Value}", subject: User.Value));

        public ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default) => new(rejected);
    }

    /// <summary>A fixture whose clock goes on whenever everybody waits.</summary>
    private sealed class World : IDisposable, IProgress<TimeSpan>
    {
        private readonly Lock _gate = new();
        private readonly List<TimeSpan> _told = [];
        private readonly List<TimeSpan> _sent = [];
        private readonly int _limit;
        private Task<DateTimeOffset>? _next;
        private int _sleeping;
        private int _answered;

        public World(int limit)
        {
            _limit = limit;
            IsWindowFull = () => Sent.Count(at => at > Elapsed - Hour) >= _limit && Volatile.Read(ref _answered) == Sent.Count;
            ClientFixture = new ClientFixture(options =>
            {
                options.RateLimitMode = RateLimitMode.Wait;
                options.RateLimitRequests = limit;
                options.RateLimitProgress = this;
                // Keys for the whole time: no timer but the budget's then.
                options.JwksCacheTtl = TimeSpan.FromDays(7);
            })
            { Clock = Clock };
            ClientFixture.Token = ClientFixture.NewToken(claims => claims["exp"] = ClientFixture.Noon.AddDays(1).ToUnixTimeSeconds());
            ClientFixture.Server.Answer = request =>
            {
                lock (_gate)
                    _sent.Add(Elapsed);
                return new HttpResponseMessage { RequestMessage = request };
            };
        }

        public ClientFixture ClientFixture { get; }

        public WaitingClock Clock { get; } = new(ClientFixture.Noon);

        public TimeSpan Elapsed => Clock.GetUtcNow() - ClientFixture.Noon;

        public IReadOnlyList<TimeSpan> Told
        {
            get
            {
                lock (_gate)
                    return [.. _told];
            }
        }

        public IReadOnlyList<TimeSpan> Sent
        {
            get
            {
                lock (_gate)
                    return [.. _sent];
            }
        }

        public async Task<HttpResponseMessage> CallAsync(CancellationToken cancellationToken = default)
        {
            HttpResponseMessage response = await ClientFixture.CallAsync(cancellationToken);
            Interlocked.Increment(ref _answered);
            return response;
        }

        /// <summary>
        /// Whether all that the budget has let go have come to M3 and have their answers, from when on their permits' window runs. It lets nobody
        /// wait before the window is full, so then as many have come.
        /// </summary>
        public Func<bool> IsWindowFull { get; set; }

        /// <summary>Lets the time pass that somebody waits for, again and again, until a task is done.</summary>
        public async Task PassAsync(Task task)
        {
            while (!task.IsCompleted)
            {
                _next ??= Clock.Waits.ReadAsync().AsTask();
                await KeyCacheFixture.EndAsync(Task.WhenAny(task, _next), "the call goes, or somebody begins to wait");
                if (task.IsCompleted)
                    return;
                // Others wait, too, for the token's source and the like; the budget tells how long it does, and looks again in between.
                TimeSpan sleep = await _next - Clock.GetUtcNow();
                _next = null;
                IReadOnlyList<TimeSpan> told = Told;
                if (told.Count == 0 || sleep != (told[^1] < InProcessPermitPool.LongestSleep ? told[^1] : InProcessPermitPool.LongestSleep))
                    continue;
                if (++_sleeping < told.Count)
                    continue;
                // Whoever was let go before reads the clock when it arrives: it must not go on until then.
                await KeyCacheFixture.UntilAsync(IsWindowFull, "all that the budget has let go have their answers");
                Clock.Advance(told[^1]);
            }
        }

        void IProgress<TimeSpan>.Report(TimeSpan value)
        {
            lock (_gate)
                _told.Add(value);
        }

        public void Dispose() => ClientFixture.Dispose();
    }
}
