using System.Net;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.JsonWebTokens;

namespace M3.Client.Auth.IntegrationTests.Failure;

/// <summary>
/// What an issuer's troubles do to 64 callers at once. A call fails wrongly when its token is signed by a key that the issuer stands by,
/// and passes wrongly when the key was withdrawn longer ago than the keys' lifetime.
/// </summary>
public sealed class FailureTests
{
    private const int Callers = 64;
    private const int CallsEach = 25;

    [Test]
    public Task Nothing_happens() => RunAsync("steady, 6 hours", async run =>
    {
        for (int hour = 0; hour < 6; hour++)
        {
            run.Clock.Advance(TimeSpan.FromHours(1));
            await run.CallAsync();
        }

        // Then nothing is heard of either: one look at the metadata and the keys for each lifetime, however many call; every call has come
        // to M3, and the log has nothing to tell.
        Assert.That(run.Issuer.Requests, Is.EqualTo(7 * 2));
        Assert.That(run.Arrived, Is.EqualTo(7 * Callers * CallsEach));
        Assert.That(run.Log.Lines, Is.Empty);
    });

    [Test]
    public Task The_issuer_goes_down_for_a_night_and_comes_back() => RunAsync("down for 12 hours", async run =>
    {
        await run.Issuer.GoDownAsync();
        for (int hour = 0; hour < 12; hour++)
        {
            run.Clock.Advance(TimeSpan.FromHours(1));
            await run.CallAsync();
        }

        await run.Issuer.ComeUpAsync();
        run.Clock.Advance(TimeSpan.FromMinutes(1));
        await run.CallAsync();
    });

    [Test]
    public Task The_issuer_hangs() => RunAsync("hangs", async run =>
    {
        run.Issuer.Behaviour = Behaviour.Hangs;
        run.Clock.Advance(TimeSpan.FromHours(2));
        Task load = run.CallAsync();
        await run.Issuer.Arrived;
        run.Clock.Advance(TimeSpan.FromSeconds(6));
        await load;
        await run.CallAsync();

        run.Issuer.Behaviour = Behaviour.Answers;
        run.Issuer.Release();
        run.Clock.Advance(TimeSpan.FromMinutes(1));
        await run.CallAsync();
    });

    [TestCase(Behaviour.AnswersError500)]
    [TestCase(Behaviour.AnswersError429)]
    public Task The_issuer_answers_an_error(object behaviour) => RunAsync($"{behaviour}, 3 hours", async run =>
    {
        run.Issuer.Behaviour = (Behaviour)behaviour;
        for (int hour = 0; hour < 3; hour++)
        {
            run.Clock.Advance(TimeSpan.FromHours(1));
            await run.CallAsync();
        }

        run.Issuer.Behaviour = Behaviour.Answers;
        run.Clock.Advance(TimeSpan.FromMinutes(1));
        await run.CallAsync();
    });

    [Test]
    public Task The_issuer_rotates_its_keys_with_overlap() => RunAsync("rotates with overlap", async run =>
    {
        for (int i = 1; i <= 4; i++)
        {
            run.Clock.Advance(TimeSpan.FromMinutes(10));
            run.Issuer.Publish($"key-{i - 1}", $"key-{i}");
            await run.CallAsync();
            run.Sign($"key-{i}");
            await run.CallAsync();
            await run.CallUntilUsedAsync($"key-{i}");
        }
    });

    [Test]
    public Task The_issuer_rotates_its_keys_without_overlap() => RunAsync("rotates without overlap", async run =>
    {
        for (int i = 1; i <= 4; i++)
        {
            run.Clock.Advance(TimeSpan.FromMinutes(10));
            run.Issuer.Publish($"key-{i}");
            run.Sign($"key-{i}");
            await run.CallAsync();
            await run.CallUntilUsedAsync($"key-{i}");
        }
    });

    [Test]
    public Task The_issuer_withdraws_a_key() => RunAsync("withdraws a key", async run =>
    {
        run.Issuer.Publish("key-other");
        run.Clock.Advance(TimeSpan.FromHours(1));
        run.IsWithdrawn = true;
        await run.CallAsync();
        run.Clock.Advance(TimeSpan.FromHours(1));
        await run.CallAsync();
    });

    [Test]
    public Task The_issuer_moves_its_keys_to_another_address() => RunAsync("moves its keys", async run =>
    {
        run.Issuer.JwksPath = "/elsewhere";
        run.Issuer.Publish("key-1");
        run.Sign("key-1");
        run.Clock.Advance(TimeSpan.FromMinutes(5));
        await run.CallAsync();
        await run.CallUntilUsedAsync("key-1");
        run.Clock.Advance(TimeSpan.FromHours(1));
        await run.CallAsync();
    });

    private static async Task RunAsync(string scenario, Func<Run, Task> play)
    {
        await using RotatingIssuer issuer = await RotatingIssuer.StartAsync("key-0");
        using var run = new Run(issuer);
        await run.CallAsync();
        await play(run);

        await TestContext.Out.WriteLineAsync($"| {scenario} | {run.Calls} | {run.WrongFailures} | {run.WrongPasses} | {issuer.Requests} |");
        Assert.That((run.WrongFailures, run.WrongPasses), Is.EqualTo((0, 0)), run.LastError);
    }

    /// <summary>64 callers with one registration, on a clock that the test moves.</summary>
    private sealed class Run : IDisposable
    {
        private readonly Answering _server = new();
        private readonly HttpClient _client;
        private readonly LiveTokenSource _source;
        private int _calls;
        private int _wrongFailures;
        private int _wrongPasses;

        public Run(RotatingIssuer issuer)
        {
            Issuer = issuer;
            _source = new LiveTokenSource(issuer.CreateToken("key-0", Clock.GetUtcNow()));
            _client = M3HttpClient.Create(new Uri("https://m3.example/sse"), new M3AuthOptions
            {
                IssuerUrl = issuer.IssuerUrl,
                Audience = TestIssuer.Audience,
                TokenSource = _source,
                TimeProvider = Clock,
                RateLimitEnabled = false,
            }, _server, Log);
        }

        public FakeTimeProvider Clock { get; } = new(DateTimeOffset.UtcNow);

        public RotatingIssuer Issuer { get; }

        public CapturedLog Log { get; } = new();

        public bool IsWithdrawn { get; set; }

        /// <summary>How many calls have come to M3.</summary>
        public int Arrived => _server.Arrived;

        public int Calls => _calls;

        public int WrongFailures => _wrongFailures;

        public int WrongPasses => _wrongPasses;

        public string? LastError { get; private set; }

        public void Sign(string kid) => _source.Token = Issuer.CreateToken(kid, Clock.GetUtcNow());

        /// <summary>The current token serves until the next one's key has been fetched: on with the calls until it has.</summary>
        public async Task CallUntilUsedAsync(string kid)
        {
            for (int i = 0; i < 1000 && _server.LastKid != kid; i++)
                await CallAsync();
            Assert.That(_server.LastKid, Is.EqualTo(kid));
        }

        public Task CallAsync() => Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < CallsEach; i++)
            {
                Interlocked.Increment(ref _calls);
                try
                {
                    using HttpResponseMessage response = await _client.GetAsync("");
                    if (IsWithdrawn)
                        Interlocked.Increment(ref _wrongPasses);
                }
                catch (M3AuthException e)
                {
                    if (!IsWithdrawn)
                    {
                        LastError = e.Message;
                        Interlocked.Increment(ref _wrongFailures);
                    }
                }
            }
        })));

        public void Dispose() => _client.Dispose();
    }

    private sealed class Answering : HttpMessageHandler
    {
        private string? _lastToken;
        private int _arrived;

        public int Arrived => Volatile.Read(ref _arrived);

        public string LastKid => new JsonWebToken(Volatile.Read(ref _lastToken)).Kid;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _arrived);
            Volatile.Write(ref _lastToken, request.Headers.Authorization!.Parameter);
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request });
        }
    }
}
