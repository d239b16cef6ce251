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
        using var scene = new Scene();
        string first = scene.Token!;
        string second = scene.NewToken();
        scene.Server.Answer = request =>
        {
            scene.Token = second;
            return request.Headers.Authorization!.Parameter == second ? new HttpResponseMessage(HttpStatusCode.Accepted) : FakeM3.Refuse(request, "Bearer");
        };

        using HttpResponseMessage response = await SendAsync(scene, null, synchronous);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Accepted));
        Assert.That(scene.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([first, second]));
    }

    // With the token cached a call takes the short way, whose answer may be there at once or come later.
    [Test]
    public async Task A_call_with_a_cached_token_reads_a_401_as_well([Values] bool hasNewer, [Values("at once", "later", "synchronously")] string how)
    {
        using var scene = new Scene();
        using var later = new LaterHandler(scene.Server);
        using HttpClient client = M3HttpClient.Create(Scene.Address, scene.Options(), how == "later" ? later : scene.Server, scene.Log);
        Task<HttpResponseMessage> CallAsync()
        {
            var request = new HttpRequestMessage(HttpMethod.Post, Scene.Address);
            return how == "synchronously" ? Task.Run(() => client.Send(request)) : client.SendAsync(request);
        }

        (await CallAsync()).Dispose();
        string first = scene.Token!;
        string second = hasNewer ? scene.NewToken() : first;
        scene.Server.Answer = request =>
        {
            scene.Token = second;
            return request.Headers.Authorization!.Parameter == first ? FakeM3.Refuse(request, "Bearer") : new HttpResponseMessage(HttpStatusCode.Accepted) { RequestMessage = request };
        };

        if (hasNewer)
            Assert.That((await CallAsync()).StatusCode, Is.EqualTo(HttpStatusCode.Accepted));
        else
            await Assert.ThatAsync(CallAsync, Throws.TypeOf<RejectedException>());
        Assert.That(scene.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo(hasNewer ? [first, first, second] : (string[])[first, first]));
    }

    // Reading it costs nothing, and it may have its next token at any moment.
    [Test]
    public async Task A_polled_source_is_looked_at_after_each_401_of_the_same_second()
    {
        using var scene = new Scene();
        string first = scene.Token!;
        scene.Server.Answer = request => request.Headers.Authorization!.Parameter == first ? FakeM3.Refuse(request, "Bearer") : new HttpResponseMessage { RequestMessage = request };
        await scene.FailAsync<RejectedException>();
        await scene.FailAsync<RejectedException>();

        string second = scene.Token = scene.NewToken();
        (await scene.CallAsync()).Dispose();

        Assert.That(scene.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([first, first, first, second]));
        Assert.That(scene.Reads, Is.EqualTo(4));
    }

    [Test]
    public async Task A_newer_token_that_is_refused_too_is_an_error_and_never_a_loop([Values] bool synchronous)
    {
        using var scene = new Scene();
        scene.Server.Answer = request =>
        {
            scene.Token = scene.NewToken();
            return FakeM3.Refuse(request, """Bearer error="invalid_token", error_description="The token expired" """);
        };

        await Assert.ThatAsync(() => SendAsync(scene, null, synchronous), Throws.TypeOf<TokenExpiredException>());

        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Without_a_newer_token_nothing_is_repeated([Values] bool synchronous)
    {
        using var scene = new Scene();
        scene.Server.Answer = request => FakeM3.Refuse(request, "Bearer");

        await Assert.ThatAsync(() => SendAsync(scene, null, synchronous), Throws.TypeOf<RejectedException>()
            .With.Message.EqualTo("OAuth2 authentication failed: M3 answered 401"));

        Assert.That((scene.Server.Arrivals.Count, scene.Reads), Is.EqualTo((1, 2)));
    }

    [TestCase("not a token")]
    [TestCase(null)]
    public async Task What_is_at_the_source_now_must_be_valid_to_be_tried(string? worse)
    {
        using var scene = new Scene();
        scene.Server.Answer = request =>
        {
            scene.Token = worse;
            return FakeM3.Refuse(request, """Bearer error="invalid_token" """);
        };

        // M3's own answer says more about this call than why there is no other token.
        await scene.FailAsync<RejectedException>();

        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task The_first_response_is_disposed()
    {
        using var scene = new Scene();
        string first = scene.Token!;
        var body = new DisposableContent();
        scene.Server.Answer = request =>
        {
            if (request.Headers.Authorization!.Parameter != first)
                return new HttpResponseMessage();
            scene.Token = scene.NewToken();
            HttpResponseMessage refusal = FakeM3.Refuse(request, "Bearer");
            refusal.Content = body;
            return refusal;
        };

        (await scene.CallAsync()).Dispose();

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
        using var scene = new Scene();
        scene.Server.Answer = request =>
        {
            HttpResponseMessage refusal = FakeM3.Refuse(request, "Bearer");
            refusal.Content = body;
            return refusal;
        };
        using var client = new HttpClient(new M3AuthHandler(tokens, scene.Options()) { InnerHandler = scene.Server });
        using var request = new HttpRequestMessage(HttpMethod.Post, Scene.Address);

        await Assert.ThatAsync(async () => synchronous ? client.Send(request, cancellation.Token) : await client.SendAsync(request, cancellation.Token),
            cancelled ? Throws.InstanceOf<OperationCanceledException>() : Throws.TypeOf<NotSupportedException>());

        Assert.That(body.IsDisposed, Is.True);
    }

    [Test]
    public async Task A_response_that_becomes_an_error_is_disposed()
    {
        using var scene = new Scene();
        var body = new DisposableContent();
        scene.Server.Answer = request =>
        {
            HttpResponseMessage refusal = FakeM3.Refuse(request, "Bearer");
            refusal.Content = body;
            return refusal;
        };

        await scene.FailAsync<RejectedException>();

        Assert.That(body.IsDisposed, Is.True);
    }

    [TestCaseSource(nameof(Repeatable))]
    public async Task A_body_that_can_be_sent_twice_is(HttpContent? body)
    {
        using Scene scene = RefusingTheFirst(out List<string> bodies);

        using HttpResponseMessage response = await SendAsync(scene, body);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(bodies, Has.Count.EqualTo(2));
        Assert.That(bodies[1], Is.EqualTo(bodies[0]));
    }

    [TestCaseSource(nameof(Unrepeatable))]
    public async Task A_body_that_can_be_sent_only_once_is_not_repeated(HttpContent body)
    {
        using Scene scene = RefusingTheFirst(out List<string> bodies);

        await Assert.ThatAsync(() => SendAsync(scene, body), Throws.TypeOf<RejectedException>());

        Assert.That(bodies, Has.Count.EqualTo(1));
        // The next call has the newer token: the source's news is not lost.
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        using HttpResponseMessage next = await scene.CallAsync();
        Assert.That(scene.Server.Arrivals[^1].Token, Is.EqualTo(scene.Token));
    }

    [Test]
    public async Task Only_a_401_is_repeated([Values(HttpStatusCode.Forbidden, HttpStatusCode.TooManyRequests, HttpStatusCode.ServiceUnavailable)] HttpStatusCode status)
    {
        using var scene = new Scene();
        scene.Server.Answer = request =>
        {
            scene.Token = scene.NewToken();
            return FakeM3.Refuse(request, null, status);
        };

        using HttpResponseMessage response = await scene.CallAsync();

        Assert.That(response.StatusCode, Is.EqualTo(status));
        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Many_calls_that_are_refused_at_once_look_at_the_source_once()
    {
        const int Calls = 50;
        int asked = 0;
        using var scene = new Scene(options => options.RateLimitRequests = Calls);
        string first = scene.Token!;
        string second = scene.NewToken();
        M3AuthOptions options = scene.Options();
        options.RateLimitRequests = Calls;
        options.TokenSource = TokenSources.From(_ => new(Interlocked.Increment(ref asked) == 1 ? first : second));
        using HttpClient client = M3HttpClient.Create(Scene.Address, options, scene.Server);
        scene.Server.Answer = request => request.Headers.Authorization!.Parameter == second ? new HttpResponseMessage() : FakeM3.Refuse(request, "Bearer");

        HttpResponseMessage[] responses = await Task.WhenAll(Enumerable.Range(0, Calls).Select(_ => client.PostAsync(Scene.Address, null)));

        Assert.That(responses.Select(response => response.StatusCode), Is.All.EqualTo(HttpStatusCode.OK));
        Assert.That(asked, Is.EqualTo(2));
    }

    [Test]
    public async Task The_source_is_told_which_token_was_refused()
    {
        using var scene = new Scene();
        var source = new CuriousSource(scene.Token!);
        M3AuthOptions options = scene.Options();
        options.TokenSource = source;
        using HttpClient client = M3HttpClient.Create(Scene.Address, options, scene.Server);
        scene.Server.Answer = request => FakeM3.Refuse(request, "Bearer");

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<RejectedException>());

        Assert.That(source.Rejected.Select(token => token?.Value), Is.EqualTo([null, scene.Token]));
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

    private static Scene RefusingTheFirst(out List<string> bodies)
    {
        var scene = new Scene();
        string first = scene.Token!;
        List<string> arrived = bodies = [];
        scene.Server.Answer = request =>
        {
            using var body = new MemoryStream();
            request.Content?.CopyTo(body, null, default);
            arrived.Add(Convert.ToHexString(body.ToArray()));
            if (request.Headers.Authorization!.Parameter != first)
                return new HttpResponseMessage();
            scene.Token = scene.NewToken();
            return FakeM3.Refuse(request, "Bearer");
        };
        return scene;
    }

    private static async Task<HttpResponseMessage> SendAsync(Scene scene, HttpContent? body, bool synchronous = false)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, Scene.Address) { Content = body };
        return synchronous ? scene.Client.Send(request) : await scene.Client.SendAsync(request);
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
