using System.Net;
using System.Net.Http.Json;
using System.Text;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Handler;

/// <summary>M3 answers 401: the source is looked at again, and a newer token tried once.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RenewalAfter401Tests
{
    [Test]
    public async Task A_newer_token_is_tried_once_and_its_answer_is_the_callers([Values] bool synchronous)
    {
        using var fixture = new ClientFixture();
        string first = fixture.Token!;
        string second = fixture.NewToken();
        fixture.Server.Answer = request =>
        {
            fixture.Token = second;
            return request.Headers.Authorization!.Parameter == second ? new HttpResponseMessage(HttpStatusCode.Accepted) : FakeM3.Refuse(request, "Bearer");
        };

        using HttpResponseMessage response = await SendAsync(fixture, null, synchronous);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Accepted));
        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([first, second]));
    }

    // With the token cached a call takes the short way, whose answer may be there at once or come later.
    [Test]
    public async Task A_call_with_a_cached_token_reads_a_401_as_well([Values] bool hasNewer, [Values("at once", "later", "synchronously")] string how)
    {
        using var fixture = new ClientFixture();
        using var later = new LaterHandler(fixture.Server);
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, fixture.Options(), how == "later" ? later : fixture.Server, fixture.Log);
        Task<HttpResponseMessage> CallAsync()
        {
            var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
            return how == "synchronously" ? Task.Run(() => client.Send(request)) : client.SendAsync(request);
        }

        (await CallAsync()).Dispose();
        string first = fixture.Token!;
        string second = hasNewer ? fixture.NewToken() : first;
        fixture.Server.Answer = request =>
        {
            fixture.Token = second;
            return request.Headers.Authorization!.Parameter == first ? FakeM3.Refuse(request, "Bearer") : new HttpResponseMessage(HttpStatusCode.Accepted) { RequestMessage = request };
        };

        if (hasNewer)
            Assert.That((await CallAsync()).StatusCode, Is.EqualTo(HttpStatusCode.Accepted));
        else
            await Assert.ThatAsync(CallAsync, Throws.TypeOf<RejectedException>());
        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo(hasNewer ? [first, first, second] : (string[])[first, first]));
    }

    // Reading it costs nothing, and it may have its next token at any moment.
    [Test]
    public async Task A_polled_source_is_looked_at_after_each_401_of_the_same_second()
    {
        using var fixture = new ClientFixture();
        string first = fixture.Token!;
        fixture.Server.Answer = request => request.Headers.Authorization!.Parameter == first ? FakeM3.Refuse(request, "Bearer") : new HttpResponseMessage { RequestMessage = request };
        await fixture.FailAsync<RejectedException>();
        await fixture.FailAsync<RejectedException>();

        string second = fixture.Token = fixture.NewToken();
        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([first, first, first, second]));
        Assert.That(fixture.Reads, Is.EqualTo(4));
    }

    [Test]
    public async Task A_newer_token_that_is_refused_too_is_an_error_and_never_a_loop([Values] bool synchronous)
    {
        using var fixture = new ClientFixture();
        fixture.Server.Answer = request =>
        {
            fixture.Token = fixture.NewToken();
            return FakeM3.Refuse(request, """Bearer error="invalid_token", error_description="The token expired" """);
        };

        await Assert.ThatAsync(() => SendAsync(fixture, null, synchronous), Throws.TypeOf<TokenExpiredException>());

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Without_a_newer_token_nothing_is_repeated([Values] bool synchronous)
    {
        using var fixture = new ClientFixture();
        fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer");

        await Assert.ThatAsync(() => SendAsync(fixture, null, synchronous), Throws.TypeOf<RejectedException>()
            .With.Message.EqualTo("OAuth2 authentication failed: M3 answered 401"));

        Assert.That((fixture.Server.Arrivals.Count, fixture.Reads), Is.EqualTo((1, 2)));
    }

    [TestCase("not a token")]
    [TestCase(null)]
    public async Task What_is_at_the_source_now_must_be_valid_to_be_tried(string? worse)
    {
        using var fixture = new ClientFixture();
        fixture.Server.Answer = request =>
        {
            fixture.Token = worse;
            return FakeM3.Refuse(request, """Bearer error="invalid_token" """);
        };

        // M3's own answer says more about this call than why there is no other token.
        await fixture.FailAsync<RejectedException>();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task The_first_response_is_disposed()
    {
        using var fixture = new ClientFixture();
        string first = fixture.Token!;
        var body = new DisposableContent();
        fixture.Server.Answer = request =>
        {
            if (request.Headers.Authorization!.Parameter != first)
                return new HttpResponseMessage();
            fixture.Token = fixture.NewToken();
            HttpResponseMessage refusal = FakeM3.Refuse(request, "Bearer");
            refusal.Content = body;
            return refusal;
        };

        (await fixture.CallAsync()).Dispose();

        Assert.That(body.IsDisposed, Is.True);
    }

    [Test]
    public async Task A_refusal_whose_renewal_is_cancelled_or_breaks_is_disposed([Values] bool synchronous, [Values] bool cancelled)
    {
        using var cancellation = new CancellationTokenSource();
        var tokens = new Breaking(() =>
        {
            if (!cancelled)
                return new NotSupportedException();
            cancellation.Cancel();
            return new OperationCanceledException(cancellation.Token);
        });
        var body = new DisposableContent();
        using var fixture = new ClientFixture();
        fixture.Server.Answer = request =>
        {
            HttpResponseMessage refusal = FakeM3.Refuse(request, "Bearer");
            refusal.Content = body;
            return refusal;
        };
        using var client = new HttpClient(new M3AuthHandler(tokens, fixture.Options()) { InnerHandler = fixture.Server });
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);

        await Assert.ThatAsync(async () => synchronous ? client.Send(request, cancellation.Token) : await client.SendAsync(request, cancellation.Token),
            cancelled ? Throws.InstanceOf<OperationCanceledException>() : Throws.TypeOf<NotSupportedException>());

        Assert.That(body.IsDisposed, Is.True);
    }

    [Test]
    public async Task A_response_that_becomes_an_error_is_disposed()
    {
        using var fixture = new ClientFixture();
        var body = new DisposableContent();
        fixture.Server.Answer = request =>
        {
            HttpResponseMessage refusal = FakeM3.Refuse(request, "Bearer");
            refusal.Content = body;
            return refusal;
        };

        await fixture.FailAsync<RejectedException>();

        Assert.That(body.IsDisposed, Is.True);
    }

    [TestCaseSource(nameof(Repeatable))]
    public async Task A_body_that_can_be_sent_twice_is(HttpContent? body)
    {
        using ClientFixture fixture = RefusingTheFirst(out List<string> bodies);

        using HttpResponseMessage response = await SendAsync(fixture, body);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(bodies, Has.Count.EqualTo(2));
        Assert.That(bodies[1], Is.EqualTo(bodies[0]));
    }

    [TestCaseSource(nameof(Unrepeatable))]
    public async Task A_body_that_can_be_sent_only_once_is_not_repeated(HttpContent body)
    {
        using ClientFixture fixture = RefusingTheFirst(out List<string> bodies);

        await Assert.ThatAsync(() => SendAsync(fixture, body), Throws.TypeOf<RejectedException>());

        Assert.That(bodies, Has.Count.EqualTo(1));
        // The next call has the newer token: the source's news is not lost.
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        using HttpResponseMessage next = await fixture.CallAsync();
        Assert.That(fixture.Server.Arrivals[^1].Token, Is.EqualTo(fixture.Token));
    }

    [Test]
    public async Task Only_a_401_is_repeated([Values(HttpStatusCode.Forbidden, HttpStatusCode.TooManyRequests, HttpStatusCode.ServiceUnavailable)] HttpStatusCode status)
    {
        using var fixture = new ClientFixture();
        fixture.Server.Answer = request =>
        {
            fixture.Token = fixture.NewToken();
            return FakeM3.Refuse(request, null, status);
        };

        using HttpResponseMessage response = await fixture.CallAsync();

        Assert.That(response.StatusCode, Is.EqualTo(status));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Many_calls_that_are_refused_at_once_look_at_the_source_once()
    {
        const int Calls = 50;
        int asked = 0;
        using var fixture = new ClientFixture(options => options.RateLimitRequests = Calls);
        string first = fixture.Token!;
        string second = fixture.NewToken();
        M3AuthOptions options = fixture.Options();
        options.RateLimitRequests = Calls;
        options.TokenSource = TokenSources.From(_ => new(Interlocked.Increment(ref asked) == 1 ? first : second));
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, options, fixture.Server);
        fixture.Server.Answer = request => request.Headers.Authorization!.Parameter == second ? new HttpResponseMessage() : FakeM3.Refuse(request, "Bearer");

        HttpResponseMessage[] responses = await Task.WhenAll(Enumerable.Range(0, Calls).Select(_ => client.PostAsync(ClientFixture.Address, null)));

        Assert.That(responses.Select(response => response.StatusCode), Is.All.EqualTo(HttpStatusCode.OK));
        Assert.That(asked, Is.EqualTo(2));
    }

    [Test]
    public async Task The_source_is_told_which_token_was_refused()
    {
        using var fixture = new ClientFixture();
        var source = new CuriousSource(fixture.Token!);
        M3AuthOptions options = fixture.Options();
        options.TokenSource = source;
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, options, fixture.Server);
        fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer");

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<RejectedException>());

        Assert.That(source.Rejected.Select(token => token?.Value), Is.EqualTo([null, fixture.Token]));
    }

    private static IEnumerable<TestCaseData> Repeatable =>
    [
        new TestCaseData((HttpContent?)null).SetArgDisplayNames("none"),
        new TestCaseData(new ByteArrayContent([1, 2, 3])).SetArgDisplayNames("bytes"),
        new TestCaseData(new StringContent("text", Encoding.UTF8)).SetArgDisplayNames("text"),
        new TestCaseData(new FormUrlEncodedContent([new("a", "b")])).SetArgDisplayNames("a form"),
        new TestCaseData(new ReadOnlyMemoryContent(new byte[] { 1, 2, 3 })).SetArgDisplayNames("memory"),
        new TestCaseData(JsonContent.Create(new { tool = "get_database_schema" })).SetArgDisplayNames("JSON"),
    ];

    private static IEnumerable<TestCaseData> Unrepeatable =>
    [
        new TestCaseData(new StreamContent(new MemoryStream([1, 2, 3]))).SetArgDisplayNames("a stream"),
        new TestCaseData(new MultipartFormDataContent { { new StreamContent(new MemoryStream([1])), "file" } }).SetArgDisplayNames("parts"),
    ];

    private static ClientFixture RefusingTheFirst(out List<string> bodies)
    {
        var fixture = new ClientFixture();
        string first = fixture.Token!;
        List<string> arrived = bodies = [];
        fixture.Server.Answer = request =>
        {
            using var body = new MemoryStream();
            request.Content?.CopyTo(body, null, default);
            arrived.Add(Convert.ToHexString(body.ToArray()));
            if (request.Headers.Authorization!.Parameter != first)
                return new HttpResponseMessage();
            fixture.Token = fixture.NewToken();
            return FakeM3.Refuse(request, "Bearer");
        };
        return fixture;
    }

    private static async Task<HttpResponseMessage> SendAsync(ClientFixture fixture, HttpContent? body, bool synchronous = false)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Content = body };
        return synchronous ? fixture.Client.Send(request) : await fixture.Client.SendAsync(request);
    }

    private sealed class CuriousSource(string token) : ITokenSource
    {
        public List<M3AccessToken?> Rejected { get; } = [];

        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
        {
            Rejected.Add(context.Rejected);
            return new(token);
        }
    }

    /// <summary>A provider of the user's whose renewal throws what it likes.</summary>
    private sealed class Breaking(Func<Exception> failure) : IM3TokenProvider
    {
        public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default) => new(new M3AccessToken("made.up.token"));

        public ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default) => throw failure();
    }

    private sealed class DisposableContent() : ByteArrayContent([])
    {
        public bool IsDisposed { get; private set; }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }

    private sealed class LaterHandler(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            await Task.Yield();
            return await base.SendAsync(request, cancellationToken);
        }
    }
}
