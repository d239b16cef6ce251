using System.Collections.Concurrent;
using System.Net;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>A pull that outlives many tokens, on a clock that goes as fast as it can.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class LongPullTests
{
    private const int Callers = 8;
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    [Test]
    public async Task Two_hours_with_five_minute_tokens_and_eight_callers()
    {
        var source = new RenewedSource { RequestTakes = TimeSpan.FromSeconds(3) };
        using ClientFixture fixture = SceneOf(source);
        int calls = 0;

        // Eight calls a second, so that many fall into each renewal.
        for (; fixture.Now < ClientFixture.Noon.AddHours(2); fixture.Clock.Advance(Second))
        {
            HttpResponseMessage[] answers = await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => fixture.CallAsync()));
            calls += answers.Count(answer => answer.StatusCode == HttpStatusCode.OK);
            await source.ProceedAsync(fixture);
        }

        TestContext.Out.WriteLine($"{calls} calls within {fixture.Now - ClientFixture.Noon}, {source.Fetched} tokens fetched, at most {source.AtOnce} at once, {source.Refused} calls refused");
        Assert.Multiple(() =>
        {
            Assert.That(calls, Is.EqualTo(Callers * 7200), "no call failed");
            Assert.That(source.Refused, Is.Zero, "none arrived with a token that was over");
            Assert.That(source.AtOnce, Is.EqualTo(1));
            // Each serves until a minute before its end, a little more for the jitter.
            Assert.That(source.Fetched, Is.InRange(30, 32));
            Assert.That(fixture.Server.Arrivals.DistinctBy(arrival => arrival.Token).Count(), Is.EqualTo(source.Fetched), "each was used");
        });
    }

    [Test]
    public async Task A_failed_renewal_keeps_the_token_until_it_expires_and_then_says_why()
    {
        var source = new RenewedSource();
        using ClientFixture fixture = SceneOf(source);
        (await fixture.CallAsync()).Dispose();
        source.Failure = new HttpRequestException("the vault is down");

        // From the last minute on it is asked again and again, after a tenth of what is left, and no more often than once a second.
        int before = source.Asked;
        for (fixture.Clock.Advance(Second); fixture.Now < ClientFixture.Noon + Lifetime; fixture.Clock.Advance(Second))
        {
            (await fixture.CallAsync()).Dispose();
            // The first time is waited for; how often more depends on the threads.
            if (fixture.Now >= ClientFixture.Noon + Lifetime - TimeSpan.FromMinutes(1))
                await KeyCacheFixture.UntilAsync(() => source.Asked > before && source.IsIdle && HasWarned(fixture), "the renewal has failed and is told");
        }

        int inVain = source.Asked - before;
        var error = await fixture.FailAsync<TokenRequestFailedException>();
        TestContext.Out.WriteLine($"asked {inVain} times in vain during the last minute, with one warning; every call was served; at the expiry: {error.Message}");

        Assert.Multiple(() =>
        {
            Assert.That(error.Message, Does.Contain("threw HttpRequestException"));
            Assert.That(error.InnerException, Is.SameAs(source.Failure));
            Assert.That(error.IsTransient, Is.True);
            Assert.That(inVain, Is.InRange(1, 60));
            Assert.That(fixture.Log.Warnings.Count(), Is.EqualTo(1));
            Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(Lifetime.TotalSeconds));
        });

        int asked = source.Asked;
        for (int i = 0; i < 100; i++)
            await fixture.FailAsync<TokenRequestFailedException>();
        Assert.That(source.Asked, Is.EqualTo(asked), "not asked again within the same second");

        source.Failure = null;
        fixture.Clock.Advance(3 * Second);
        (await fixture.CallAsync()).Dispose();
    }

    [Test]
    public async Task A_source_that_returns_the_same_expired_token_is_asked_at_most_once_a_second()
    {
        var source = new RenewedSource();
        using ClientFixture fixture = SceneOf(source);
        (await fixture.CallAsync()).Dispose();
        source.IsStuck = true;
        fixture.Clock.Advance(Lifetime);
        int before = source.Asked;

        for (int i = 0; i < 50; i++)
        {
            await fixture.FailAsync<TokenExpiredException>();
            fixture.Clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        TestContext.Out.WriteLine($"50 calls within 5 s: asked {source.Asked - before} times");
        Assert.That(source.Asked - before, Is.LessThanOrEqualTo(5));

        source.IsStuck = false;
        fixture.Clock.Advance(30 * Second);
        (await fixture.CallAsync()).Dispose();
    }

    private static ClientFixture SceneOf(RenewedSource source)
    {
        var fixture = new ClientFixture(options => (options.TokenSource, options.RateLimitEnabled) = (source, false));
        source.NewToken = () => fixture.NewToken(claims => claims["exp"] = (fixture.Now + Lifetime).ToUnixTimeSeconds());
        source.Clock = fixture.Clock;
        fixture.Server.Answer = request =>
        {
            bool isGood = source.Accepts(request.Headers.Authorization?.Parameter);
            return new HttpResponseMessage(isGood ? HttpStatusCode.OK : HttpStatusCode.Unauthorized) { RequestMessage = request };
        };
        return fixture;
    }

    private static bool HasWarned(ClientFixture fixture) => fixture.Log.Warnings.Any(line => line.Contains("threw HttpRequestException", StringComparison.Ordinal));

    /// <summary>A source that is not polled, and counts.</summary>
    private sealed class RenewedSource : ITokenSource
    {
        private readonly ConcurrentDictionary<string, DateTimeOffset> _issued = new();
        private volatile Request? _request;
        private volatile string? _latest;
        private string? _arrived;
        private int _asking;
        private int _asked;
        private int _refused;

        public Func<string> NewToken { get; set; } = null!;

        public TimeProvider Clock { get; set; } = null!;

        /// <summary>How long a request takes, after the first.</summary>
        public TimeSpan RequestTakes { get; init; }

        public Exception? Failure { get; set; }

        public bool IsStuck { get; set; }

        public int Asked => Volatile.Read(ref _asked);

        public bool IsIdle => Volatile.Read(ref _asking) == 0;

        public int AtOnce { get; private set; }

        public int Fetched => _issued.Count;

        public int Refused => Volatile.Read(ref _refused);

        public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _asked);
            AtOnce = Math.Max(AtOnce, Interlocked.Increment(ref _asking));
            try
            {
                if (_latest is not null && RequestTakes > TimeSpan.Zero)
                {
                    var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    _request = new Request(answer, Clock.GetUtcNow() + RequestTakes);
                    await answer.Task.WaitAsync(cancellationToken);
                }

                if (Failure is not null)
                    throw Failure;
                if (IsStuck)
                    return _latest;
                string token = NewToken();
                _issued[token] = Clock.GetUtcNow() + Lifetime;
                return _latest = token;
            }
            finally
            {
                Interlocked.Decrement(ref _asking);
            }
        }

        /// <summary>What M3 thinks of a token.</summary>
        public bool Accepts(string? token)
        {
            _arrived = token;
            bool isGood = token is not null && _issued.TryGetValue(token, out DateTimeOffset end) && Clock.GetUtcNow() < end;
            if (!isGood)
                Interlocked.Increment(ref _refused);
            return isGood;
        }

        /// <summary>
        /// Waits for the threads, so that the test's clock does not outrun them: for the request that must have begun a minute before the
        /// token's end, and, when its time has come, for its answer to be taken up.
        /// </summary>
        public async Task ProceedAsync(ClientFixture fixture)
        {
            DateTimeOffset now = Clock.GetUtcNow();
            string latest = _latest!;
            if (now >= _issued[latest] - TimeSpan.FromMinutes(1))
                await KeyCacheFixture.UntilAsync(() => _request is not null, "the next token is asked for");
            if (_request is not { } request || now < request.At)
                return;

            _request = null;
            request.Answer.SetResult();
            await KeyCacheFixture.UntilAsync(() => _latest != latest, "the next token has come");
            await KeyCacheFixture.UntilAsync(() =>
            {
                using HttpResponseMessage answer = fixture.Client.Send(new(HttpMethod.Post, ClientFixture.Address));
                return _arrived == _latest;
            }, "the next token is in use");
        }

        private sealed record Request(TaskCompletionSource Answer, DateTimeOffset At);
    }
}
