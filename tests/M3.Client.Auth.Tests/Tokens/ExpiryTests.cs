using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using M3.Client.Auth.Tests.Kit;
using M3.Client.Auth.Tests.Sources;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>Expiry is judged when a token is handed out, after everything that was waited for.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ExpiryTests
{
    [Test]
    public async Task A_body_that_takes_until_after_the_expiry_to_be_made_does_not_go_with_that_token([Values("tools/call", "ping")] string method)
    {
        using var fixture = new ClientFixture();
        (await fixture.CallAsync()).Dispose();
        var body = new SlowBody(() => fixture.Clock.Advance(TimeSpan.FromHours(2)), method);

        await Assert.ThatAsync(() => fixture.Client.PostAsync(ClientFixture.Address, JsonContent.Create(body)), Throws.TypeOf<TokenExpiredException>());

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task A_slow_source_that_returns_the_same_token_after_its_expiry_has_nothing_sent()
    {
        using var fixture = new ClientFixture();
        var answer = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        string? first = fixture.Token;
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.From(_ => first is null ? new(answer.Task) : new(Interlocked.Exchange(ref first, null))));
        (await client.GetAsync("")).Dispose();

        // Due for renewal: this call still has the old token, and the next one waits for what the source says.
        fixture.Clock.Advance(TimeSpan.FromMinutes(29.9));
        (await client.GetAsync("")).Dispose();
        fixture.Clock.Advance(TimeSpan.FromSeconds(9.7));
        Task<HttpResponseMessage> late = client.GetAsync("");
        answer.SetResult(fixture.Token);

        await Assert.ThatAsync(() => late, Throws.TypeOf<TokenExpiredException>());
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_token_that_expires_while_its_keys_are_fetched_is_not_sent()
    {
        using var fixture = new ClientFixture();
        Func<HttpRequestMessage, Task<HttpResponseMessage>> answer = fixture.Issuer.AnswerJwks;
        fixture.Issuer.AnswerJwks = request =>
        {
            fixture.Clock.Advance(TimeSpan.FromSeconds(4));
            return answer(request);
        };
        fixture.Token = fixture.NewToken(claims => claims["exp"] = fixture.Now.AddSeconds(3).ToUnixTimeSeconds());

        await fixture.FailAsync<TokenExpiredException>();
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    // Every look at the clock takes a moment of its own, so that an expiry falls between any two of them sooner or later.
    [TestCase(false)]
    [TestCase(true)]
    public async Task The_last_look_at_the_clock_before_a_token_goes_is_before_its_expiry(bool isPolled)
    {
        var clock = new SteppingClock(ClientFixture.Noon);
        using var fixture = new ClientFixture(options => options.RateLimitEnabled = false) { Clock = clock };
        string NewToken() => fixture.Issuer.Token(clock.Base, claims => (claims["exp"], claims["jti"]) = (clock.Base.AddSeconds(3).ToUnixTimeSeconds(), Guid.NewGuid().ToString()));
        using HttpClient client = TokenSourceTests.Client(fixture, isPolled ? new Polled(NewToken) : TokenSources.From(_ => new(NewToken())));
        int late = 0;
        fixture.Server.Answer = request =>
        {
            string payload = request.Headers.Authorization!.Parameter!.Split('.')[1];
            using var claims = System.Text.Json.JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(payload));
            late += clock.Last >= DateTimeOffset.FromUnixTimeSeconds(claims.RootElement.GetProperty("exp").GetInt64()) ? 1 : 0;
            return new HttpResponseMessage { RequestMessage = request };
        };

        int sent = 0;
        for (int i = 0; i < 1000; i++)
        {
            clock.Begin();
            try
            {
                (await client.GetAsync("")).Dispose();
                sent++;
            }
            catch (M3AuthException e)
            {
                Assert.That(e, Is.TypeOf<TokenExpiredException>());
            }
        }

        TestContext.Out.WriteLine($"{sent} of 1000 sent, {late} too late");
        Assert.That(late, Is.Zero);
        Assert.That(sent, Is.GreaterThan(100));
    }

    private sealed class Polled(Func<string> newToken) : ITokenSource
    {
        public TimeSpan? PollInterval => TimeSpan.FromSeconds(1);

        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => new(newToken());
    }

    private sealed class SteppingClock(DateTimeOffset now) : FakeTimeProvider(now)
    {
        private readonly Lock _gate = new();
        private readonly Random _random = new(7519);

        private readonly AsyncLocal<StrongBox<DateTimeOffset>?> _mine = new();

        /// <summary>What the code behind one call last read; what is done for others at the same time does not count.</summary>
        public DateTimeOffset Last => _mine.Value!.Value;

        /// <summary>Read without a moment of its own.</summary>
        public DateTimeOffset Base => base.GetUtcNow();

        public void Begin() => _mine.Value = new(base.GetUtcNow());

        // The fake clock's own asks GetUtcNow(), which would be one more look.
        public override long GetTimestamp() => base.GetUtcNow().Ticks;

        public override DateTimeOffset GetUtcNow()
        {
            lock (_gate)
            {
                Advance(TimeSpan.FromMilliseconds(_random.Next(500)));
                DateTimeOffset read = base.GetUtcNow();
                if (_mine.Value is { } mine)
                    mine.Value = read;
                return read;
            }
        }
    }

    private sealed class SlowBody(Action make, string method)
    {
        [JsonPropertyName("method")]
        public string Method
        {
            get
            {
                make();
                return method;
            }
        }
    }
}
