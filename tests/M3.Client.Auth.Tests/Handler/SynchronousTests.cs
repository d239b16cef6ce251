using System.Threading.RateLimiting;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Handler;

/// <summary><c>Send</c> does all that <c>SendAsync</c> does, and waits on no synchronization context.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SynchronousTests
{
    [Test]
    public void It_validates_and_attaches_the_token()
    {
        using var fixture = new ClientFixture();
        Send(fixture);
        Send(fixture);

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2).And.All.Property("Token").EqualTo(fixture.Token));
        Assert.That(fixture.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public void It_throws_the_typed_error_itself_and_sends_nothing()
    {
        using var fixture = new ClientFixture();
        fixture.Token = fixture.NewToken(claims => claims["aud"] = "other");

        Assert.That(() => Send(fixture), Throws.TypeOf<InvalidAudienceException>());
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public void It_keeps_the_budget()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        Send(fixture);

        Assert.That(() => Send(fixture), Throws.TypeOf<RateLimitExceededException>().With.Property("RetryAfter").EqualTo(TimeSpan.FromHours(1)));
    }

    [Test]
    public void It_reads_M3s_refusal()
    {
        using var fixture = new ClientFixture();
        fixture.Server.Answer = request => FakeM3.Refuse(request, """Bearer error="invalid_token", error_description="Invalid audience" """);

        Assert.That(() => Send(fixture), Throws.TypeOf<InvalidAudienceException>());
    }

    [Test]
    public void It_does_not_need_the_callers_context()
    {
        using var fixture = new ClientFixture(options => options.TokenSource = TokenSources.From(async _ =>
        {
            await Task.Yield();
            return new FakeIssuer().Token(ClientFixture.Noon);
        }));

        Together.Run(() =>
        {
            SynchronizationContext.SetSynchronizationContext(new NobodyPumps());
            Send(fixture);
        });

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public void Its_wait_for_the_keys_can_be_cancelled()
    {
        using var fixture = new ClientFixture();
        using var cancellation = new CancellationTokenSource();
        fixture.Issuer.AnswerJwks = async _ =>
        {
            await cancellation.CancelAsync();
            return await new TaskCompletionSource<HttpResponseMessage>().Task;
        };

        Assert.That(() => Send(fixture, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public void A_polled_source_is_read_on_the_callers_thread_without_its_context()
    {
        var source = new PolledHere();
        using var fixture = new ClientFixture(options => options.TokenSource = source);
        source.Token = fixture.Token;
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(new NobodyPumps());
        try
        {
            Send(fixture);
            fixture.Clock.Advance(TimeSpan.FromSeconds(1));
            Send(fixture);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }

        Assert.That(source.Contexts, Is.EqualTo([null, (SynchronizationContext?)null]));
        Assert.That(source.Threads, Is.EqualTo([Environment.CurrentManagedThreadId, Environment.CurrentManagedThreadId]));
    }

    [Test]
    public void A_source_that_never_answers_is_waited_for_with_a_bound_that_needs_no_timer()
    {
        using var fixture = new ClientFixture();
        using var provider = new M3TokenProvider(OptionsOf(fixture, TokenSources.From(_ => new(new TaskCompletionSource<string?>().Task))));
        using HttpMessageInvoker client = fixture.NewImpatientClient(provider);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);

        Assert.That(() => client.Send(request, default), Throws.TypeOf<TokenRequestFailedException>().With.Message.Contains("no token within 1 s")
            .And.Property("IsTransient").True);
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public void The_bound_is_two_minutes_unless_calls_wait_for_the_budget()
    {
        using var fixture = new ClientFixture();
        using var provider = new M3TokenProvider(fixture.Options());
        M3AuthOptions waiting = fixture.Options();
        waiting.RateLimitMode = RateLimitMode.Wait;

        Assert.That(new M3AuthRegistration(provider, fixture.Options(), null).LongestSynchronousWait, Is.EqualTo(TimeSpan.FromMinutes(2)));
        Assert.That(new M3AuthRegistration(provider, waiting, null).LongestSynchronousWait, Is.EqualTo(Timeout.InfiniteTimeSpan));
    }

    [Test]
    public void A_lease_that_comes_after_the_caller_has_left_is_given_back()
    {
        var limiter = new LateLimiter();
        using var fixture = new ClientFixture(options => (options.RateLimiter, options.RateLimitMode) = (limiter, RateLimitMode.Wait));
        using var cancellation = new CancellationTokenSource();
        limiter.Asked = cancellation.Cancel;

        Assert.That(() => Send(fixture, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
        limiter.Answer();

        Assert.That(() => limiter.Disposed, Is.True.After(10_000, 10));
    }

    [Test]
    public void What_a_call_was_granted_after_it_gave_up_is_given_back()
    {
        var limiter = new LateLimiter();
        using var fixture = new ClientFixture(options => (options.RateLimiter, options.RateLimitMode, options.RateLimitRequests) = (limiter, RateLimitMode.Wait, 1));
        using var provider = new M3TokenProvider(fixture.Options());
        using HttpMessageInvoker client = fixture.NewImpatientClient(provider);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        Assert.That(() => client.Send(request, default), Throws.TypeOf<TokenRequestFailedException>());

        limiter.Answer();

        Assert.That(() => limiter.Disposed, Is.True.After(10_000, 10));
        client.Send(request, default).Dispose();
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    private static M3AuthOptions OptionsOf(ClientFixture fixture, ITokenSource source)
    {
        M3AuthOptions options = fixture.Options();
        options.TokenSource = source;
        return options;
    }

    private static void Send(ClientFixture fixture, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        fixture.Client.Send(request, cancellationToken).Dispose();
    }

    private sealed class NobodyPumps : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
        }

        public override void Send(SendOrPostCallback d, object? state)
        {
        }
    }

    private sealed class PolledHere : ITokenSource
    {
        public string? Token { get; set; }

        public List<int> Threads { get; } = [];

        public List<SynchronizationContext?> Contexts { get; } = [];

        public TimeSpan? PollInterval => TimeSpan.FromSeconds(1);

        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
        {
            Threads.Add(Environment.CurrentManagedThreadId);
            Contexts.Add(SynchronizationContext.Current);
            return new(Token);
        }
    }

    private sealed class LateLimiter : PartitionedRateLimiter<HttpRequestMessage>
    {
        private readonly TaskCompletionSource<RateLimitLease> _answer = new();

        public Action? Asked { get; set; }

        public bool Disposed { get; private set; }

        public void Answer() => _answer.SetResult(new Lease(this));

        public override RateLimiterStatistics? GetStatistics(HttpRequestMessage resource) => null;

        protected override RateLimitLease AttemptAcquireCore(HttpRequestMessage resource, int permitCount) => throw new NotSupportedException();

        protected override ValueTask<RateLimitLease> AcquireAsyncCore(HttpRequestMessage resource, int permitCount, CancellationToken cancellationToken)
        {
            Asked?.Invoke();
            return new(_answer.Task);
        }

        private sealed class Lease(LateLimiter limiter) : RateLimitLease
        {
            public override bool IsAcquired => true;

            public override IEnumerable<string> MetadataNames => [];

            public override bool TryGetMetadata(string metadataName, out object? metadata)
            {
                metadata = null;
                return false;
            }

            protected override void Dispose(bool disposing)
            {
                limiter.Disposed = true;
                base.Dispose(disposing);
            }
        }
    }
}
