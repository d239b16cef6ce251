using System.Net;
using System.Threading.RateLimiting;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Budget;

/// <summary>A limiter of the application's own, beside M3's sliding log or instead of it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class OwnLimiterTests
{
    [TestCase(true)]
    [TestCase(false)]
    public async Task Its_lease_is_held_until_M3_has_answered_and_given_back_then(bool rateLimit)
    {
        using PartitionedRateLimiter<HttpRequestMessage> limiter = OnePerPath();
        using var fixture = new ClientFixture(options => (options.RateLimiter, options.RateLimitEnabled) = (limiter, rateLimit));
        M3AuthException? refused = null;
        fixture.Server.Answer = request =>
        {
            // A second call to the same path while the first is under way, and one to another path.
            if (fixture.Server.Arrivals.Count == 1)
            {
                refused = Assert.Throws<RateLimitExceededException>(() => fixture.Client.Send(new(HttpMethod.Post, ClientFixture.Address)));
                fixture.Client.Send(new(HttpMethod.Post, new Uri(ClientFixture.Address, "/other"))).Dispose();
            }

            return new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request };
        };

        (await fixture.CallAsync()).Dispose();
        (await fixture.CallAsync()).Dispose();

        Assert.That(refused!.Message, Does.Contain("the application's own limiter"));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(3));
    }

    [Test]
    public void A_synchronous_call_gives_its_lease_back_too([Values] bool fails)
    {
        using PartitionedRateLimiter<HttpRequestMessage> limiter = OnePerPath();
        using var fixture = new ClientFixture(options => options.RateLimiter = limiter);
        fixture.Server.Answer = request => fails ? throw new HttpRequestException("the line is cut") : new HttpResponseMessage { RequestMessage = request };

        for (int i = 0; i < 3; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
            if (fails)
                Assert.That(() => fixture.Client.Send(request), Throws.TypeOf<HttpRequestException>());
            else
                fixture.Client.Send(request).Dispose();
        }

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task Where_calls_are_refused_nobody_waits_in_its_queue()
    {
        using PartitionedRateLimiter<HttpRequestMessage> limiter = OnePerPath(queue: 1);
        using var fixture = new ClientFixture(options => options.RateLimiter = limiter);
        Task<HttpResponseMessage>? second = null;
        bool isRefusedAtOnce = false;
        fixture.Server.Answer = request =>
        {
            second ??= fixture.CallAsync();
            isRefusedAtOnce = second.IsFaulted;
            return new HttpResponseMessage { RequestMessage = request };
        };

        (await fixture.CallAsync()).Dispose();

        await Assert.ThatAsync(() => second!.WaitAsync(KeyCacheFixture.Patience), Throws.TypeOf<RateLimitExceededException>());
        Assert.That(isRefusedAtOnce);
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task It_lets_a_call_wait_when_calls_wait()
    {
        using PartitionedRateLimiter<HttpRequestMessage> limiter = OnePerPath(queue: 1);
        using var fixture = new ClientFixture(options => (options.RateLimiter, options.RateLimitMode) = (limiter, RateLimitMode.Wait));
        Task<HttpResponseMessage>? second = null;
        bool waited = false;
        fixture.Server.Answer = request =>
        {
            if (second is null)
            {
                second = fixture.CallAsync();
                waited = !second.IsCompleted;
            }

            return new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request };
        };

        (await fixture.CallAsync()).Dispose();
        (await second!).Dispose();

        Assert.That(waited, Is.True);
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Its_lease_is_given_back_when_M3s_limit_refuses_the_call()
    {
        using PartitionedRateLimiter<HttpRequestMessage> limiter = OnePerPath();
        using var fixture = new ClientFixture(options => (options.RateLimiter, options.RateLimitRequests) = (limiter, 1));
        (await fixture.CallAsync()).Dispose();

        await fixture.FailAsync<RateLimitExceededException>();
        fixture.Clock.Advance(TimeSpan.FromHours(1));
        fixture.Token = fixture.NewToken();

        (await fixture.CallAsync()).Dispose();
    }

    [Test]
    public async Task A_lease_that_is_none_is_given_back_too()
    {
        using var limiter = new RefusingLimiter();
        using var fixture = new ClientFixture(options => options.RateLimiter = limiter);

        RateLimitExceededException error = await fixture.FailAsync<RateLimitExceededException>();

        Assert.That(error.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(7)));
        Assert.That(limiter.Disposed, Is.EqualTo(1));
    }

    [Test]
    public async Task It_is_not_asked_for_what_M3_does_not_count()
    {
        using PartitionedRateLimiter<HttpRequestMessage> limiter = PartitionedRateLimiter.Create<HttpRequestMessage, string>(
            _ => throw new InvalidOperationException("it was asked"));
        using var fixture = new ClientFixture(options => options.RateLimiter = limiter);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        request.Headers.Add("Mcp-Method", "tools/list");

        (await fixture.Client.SendAsync(request)).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    private static PartitionedRateLimiter<HttpRequestMessage> OnePerPath(int queue = 0) =>
        PartitionedRateLimiter.Create<HttpRequestMessage, string>(request => RateLimitPartition.GetConcurrencyLimiter(
            request.RequestUri!.AbsolutePath, _ => new ConcurrencyLimiterOptions { PermitLimit = 1, QueueLimit = queue }));

    private sealed class RefusingLimiter : PartitionedRateLimiter<HttpRequestMessage>
    {
        public int Disposed { get; private set; }

        public override RateLimiterStatistics? GetStatistics(HttpRequestMessage resource) => null;

        protected override RateLimitLease AttemptAcquireCore(HttpRequestMessage resource, int permitCount) => new Refusal(this);

        protected override ValueTask<RateLimitLease> AcquireAsyncCore(HttpRequestMessage resource, int permitCount, CancellationToken cancellationToken) => new(new Refusal(this));

        private sealed class Refusal(RefusingLimiter limiter) : RateLimitLease
        {
            public override bool IsAcquired => false;

            public override IEnumerable<string> MetadataNames => [MetadataName.RetryAfter.Name];

            public override bool TryGetMetadata(string metadataName, out object? metadata)
            {
                metadata = TimeSpan.FromSeconds(7);
                return true;
            }

            protected override void Dispose(bool disposing)
            {
                limiter.Disposed++;
                base.Dispose(disposing);
            }
        }
    }
}
