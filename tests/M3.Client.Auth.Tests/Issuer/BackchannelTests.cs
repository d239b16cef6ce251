using System.IO.Compression;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Issuer;

/// <summary>Whatever the issuer, or somebody in its place, answers: bounded in time and size, never elsewhere, and told in one line.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class BackchannelTests
{
    private static readonly Uri Jwks = new("https://issuer.test/jwks");

    private static readonly HttpStatusCode[] Redirects =
        [HttpStatusCode.MovedPermanently, HttpStatusCode.Found, HttpStatusCode.SeeOther, HttpStatusCode.TemporaryRedirect, HttpStatusCode.PermanentRedirect];

    [TestCase("<!doctype html><title>Sign in</title>", "not valid JSON", TestName = "HTML for keys")]
    [TestCase("", "not valid JSON", TestName = "Nothing for keys")]
    [TestCase("{\"keys\":[{\"kty\":\"RS", "not valid JSON", TestName = "Half an answer for keys")]
    [TestCase("{\"keys\":[]}", "is empty", TestName = "No key for keys")]
    public async Task An_answer_that_is_no_key_set_is_JwksUnavailable(string answer, string reason)
    {
        using var keyCache = new KeyCacheFixture();
        keyCache.Issuer.AnswerJwks = _ => Task.FromResult(FakeIssuer.Json(answer));

        await Assert.ThatAsync(() => keyCache.GetAsync(), Throws.TypeOf<JwksUnavailableException>().With.Message.Contains(reason));
    }

    [Test]
    public async Task Ten_thousand_keys_are_JwksUnavailable()
    {
        using var keyCache = new KeyCacheFixture();
        string many = $$"""{"keys":[{{string.Join(',', Enumerable.Repeat("{\"kty\":\"oct\",\"kid\":\"x\"}", 10_000))}}]}""";
        keyCache.Issuer.AnswerJwks = _ => Task.FromResult(FakeIssuer.Json(many));

        await Assert.ThatAsync(() => keyCache.GetAsync(), Throws.TypeOf<JwksUnavailableException>().With.Message.Contains("more than 256 keys"));
    }

    [TestCase(201)]
    [TestCase(202)]
    [TestCase(203)]
    [TestCase(204)]
    [TestCase(206)]
    [TestCase(300)]
    [TestCase(304)]
    [TestCase(401)]
    [TestCase(403)]
    [TestCase(404)]
    [TestCase(429)]
    [TestCase(500)]
    [TestCase(502)]
    [TestCase(503)]
    public async Task Anything_but_exactly_200_is_refused_even_with_good_keys_in_it(int status)
    {
        using var keyCache = new KeyCacheFixture();
        keyCache.Issuer.AnswerJwks = _ => Task.FromResult(new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(keyCache.Issuer.Jwks) });

        await Assert.ThatAsync(() => keyCache.GetAsync(), Throws.TypeOf<JwksUnavailableException>().With.Message.Contains($"https://issuer.test/jwks answered {status}"));
    }

    // Size

    [Test]
    public async Task One_mebibyte_is_read_and_one_byte_more_is_not()
    {
        const int mebibyte = 1024 * 1024;
        using var line = new Line(_ => Ok(new ByteArrayContent(new byte[mebibyte])));
        Assert.That(await line.GetAsync(Jwks), Has.Length.EqualTo(mebibyte));

        line.Answer = _ => Ok(new ByteArrayContent(new byte[mebibyte + 1]));
        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("more than 1048576 bytes"));
    }

    [Test]
    public async Task What_a_handler_has_read_already_is_measured_too()
    {
        var body = new ByteArrayContent(new byte[(1024 * 1024) + 1]);
        await body.LoadIntoBufferAsync();
        using var line = new Line(_ => Ok(body));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.EqualTo("https://issuer.test/jwks answered more than 1048576 bytes"));
    }

    [Test]
    public async Task Ten_megabytes_that_say_so_are_not_even_begun()
    {
        using var body = new EndlessStream();
        using var line = new Line(_ => Ok(new StreamContent(body) { Headers = { ContentLength = 10_000_000 } }));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("more than 1048576 bytes"));
        Assert.That(body.Given, Is.Zero);
    }

    [Test]
    public async Task An_endless_answer_is_broken_off_after_a_mebibyte()
    {
        using var body = new EndlessStream();
        using var line = new Line(_ => Ok(new StreamContent(body)));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("more than 1048576 bytes"));
        Assert.That(body.Given, Is.InRange(1024 * 1024, 1280 * 1024));
        Assert.That(body.IsDisposed);
    }

    [Test]
    public async Task An_answer_that_lies_about_its_length_is_broken_off_all_the_same()
    {
        using var body = new EndlessStream();
        using var line = new Line(_ => Ok(new StreamContent(body) { Headers = { ContentLength = 10 } }));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("more than 1048576 bytes"));
    }

    [TestCase("gzip")]
    [TestCase("br")]
    [TestCase("identity")]
    public async Task A_content_encoding_is_refused_and_nothing_is_decompressed(string encoding)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal, leaveOpen: true))
            gzip.Write(new byte[10_000_000]);
        using var line = new Line(_ => Ok(new ByteArrayContent(packed.ToArray()) { Headers = { ContentEncoding = { encoding } } }));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("a Content-Encoding that was not asked for"));
        Assert.That(line.Arrivals.Single().Headers.AcceptEncoding, Is.Empty);
    }

    // Time

    [Test]
    public async Task A_byte_a_second_ends_after_five_seconds()
    {
        using var drip = new DrippingStream();
        using var line = new Line(_ => Ok(new StreamContent(drip)));
        using var keyCache = new KeyCacheFixture(options => options.JwksUrl = Jwks, line);
        Task<KeySet> call = keyCache.GetAsync();
        for (int second = 0; second < 5; second++)
        {
            await KeyCacheFixture.UntilAsync(() => drip.IsWaiting, "the next byte is waited for");
            Assert.That(call.IsCompleted, Is.False, $"after {second} s");
            keyCache.Advance(1);
            drip.Drip();
        }

        await Assert.ThatAsync(() => call, Throws.TypeOf<JwksUnavailableException>().With.Message.Contains("within 5 s"));
    }

    [Test]
    public async Task An_answer_that_comes_when_nobody_waits_any_more_is_disposed()
    {
        using var line = new LateLine();
        await line.CallAndCancelAsync();
        using var body = new EndlessStream();

        line.Answer.SetResult(Ok(new StreamContent(body)));

        Assert.That(body.IsDisposed);
    }

    [Test]
    public async Task A_failure_that_comes_when_nobody_waits_any_more_is_nobodys()
    {
        string secret = Guid.NewGuid().ToString();
        List<string> unobserved = [];
        void Note(object? sender, UnobservedTaskExceptionEventArgs e) => unobserved.Add(e.Exception.ToString());
        TaskScheduler.UnobservedTaskException += Note;
        try
        {
            await Task.Run(() => FailLateAsync(secret));
            await Task.Yield();
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Note;
        }

        Assert.That(unobserved, Has.None.Contains(secret));
    }

    // Apart, so that nothing of it is still held when the garbage is collected.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task FailLateAsync(string message)
    {
        using var line = new LateLine();
        await line.CallAndCancelAsync();
        line.Answer.SetException(new HttpRequestException(message));
    }

    [Test]
    public async Task An_answer_that_breaks_off_is_told_as_such()
    {
        using var line = new Line(_ => Ok(new StreamContent(new BrokenStream())));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.EqualTo("https://issuer.test/jwks broke off its answer"));
    }

    [Test]
    public async Task A_handler_that_throws_whatever_it_likes_is_JwksUnavailable()
    {
        using var line = new Line(_ => throw new NotSupportedException("secret-in-a-message"));
        using var keyCache = new KeyCacheFixture(options => options.JwksUrl = Jwks, line);

        var error = (await Assert.ThrowsAsync<JwksUnavailableException>(() => keyCache.GetAsync()))!;

        Assert.That(error.Message, Does.Contain("could not be fetched (NotSupportedException)").And.Not.Contain("secret-in-a-message"));
    }

    // Place

    [TestCaseSource(nameof(Redirects))]
    public async Task A_redirect_within_the_origin_is_followed(HttpStatusCode status)
    {
        using var line = new Line(request => request.RequestUri == Jwks ? Redirect(status, "/keys/v2") : Ok(new StringContent("here")));

        Assert.That(Encoding.UTF8.GetString(await line.GetAsync(Jwks)), Is.EqualTo("here"));
        Assert.That(line.Arrivals.Select(request => request.RequestUri!.AbsoluteUri), Is.EqualTo((string[])["https://issuer.test/jwks", "https://issuer.test/keys/v2"]));
    }

    [TestCase("https://evil.test/jwks")]
    [TestCase("https://issuer.test:8443/jwks")]
    [TestCase("http://issuer.test/jwks")]
    [TestCase("//evil.test/jwks")]
    [TestCase("https://issuer.test.evil.test/jwks")]
    [TestCase("https://issuer.test@evil.test/jwks")]
    [TestCase("http://localhost/jwks")]
    [TestCase("file:///etc/passwd")]
    [TestCase("data:application/json,{}")]
    public async Task A_redirect_to_another_origin_is_refused_and_nothing_is_sent_there(string location)
    {
        foreach (HttpStatusCode status in Redirects)
        {
            using var line = new Line(_ => Redirect(status, location));

            await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("redirects to another origin"));
            Assert.That(line.Arrivals.Select(request => request.RequestUri), Is.EqualTo((Uri[])[Jwks]));
        }
    }

    [Test]
    public async Task A_redirect_to_another_origin_in_the_second_step_is_refused_too()
    {
        using var line = new Line(request => Redirect(HttpStatusCode.Found, request.RequestUri == Jwks ? "/keys" : "https://evil.test/"));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("redirects to another origin, https://evil.test:443"));
        Assert.That(line.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_circle_of_redirects_ends()
    {
        using var line = new Line(_ => Redirect(HttpStatusCode.Found, "/jwks"));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("redirects more than 3 times"));
        Assert.That(line.Arrivals, Has.Count.EqualTo(4));
    }

    [Test]
    public async Task A_redirect_without_a_location_is_no_answer()
    {
        using var line = new Line(_ => new HttpResponseMessage(HttpStatusCode.Found));

        await Assert.ThatAsync(() => line.GetAsync(Jwks), Throws.TypeOf<BackchannelException>().With.Message.Contains("answered 302"));
    }

    [TestCase("https://evil.test/jwks")]
    [TestCase("http://issuer.test/jwks")]
    [TestCase("https://issuer.test:444/jwks")]
    public async Task A_handler_that_followed_a_redirect_elsewhere_itself_is_found_out(string reached)
    {
        using var line = new Line(_ => new HttpResponseMessage(HttpStatusCode.OK)
        {
            Content = new StringContent(new FakeIssuer().Jwks),
            RequestMessage = new HttpRequestMessage(HttpMethod.Get, reached),
        });
        using var keyCache = new KeyCacheFixture(options => options.JwksUrl = Jwks, line);

        await Assert.ThatAsync(() => keyCache.GetAsync(), Throws.TypeOf<JwksUnavailableException>().With.Message.Contains("was redirected to another origin"));
    }

    // For requests that a library or a user's source writes.
    [TestCase("https://evil.test/token")]
    [TestCase("http://issuer.test/token")]
    public async Task A_request_of_somebody_else_s_that_was_redirected_elsewhere_is_found_out_too(string reached)
    {
        using var line = new Line(_ => new HttpResponseMessage(HttpStatusCode.OK)
        {
            Content = new StringContent("{}"),
            RequestMessage = new HttpRequestMessage(HttpMethod.Get, reached),
        });

        await Assert.ThatAsync(() => line.PostAsync("https://issuer.test/token"), Throws.TypeOf<BackchannelException>().With.Message.Contains("was redirected to another origin"));
    }

    [Test]
    public async Task A_request_of_somebody_else_s_over_plain_http_is_refused_too()
    {
        using var line = new Line(_ => Ok(new StringContent("{}")));

        await Assert.ThatAsync(() => line.PostAsync("http://issuer.test/token"), Throws.TypeOf<BackchannelException>().With.Message.Contains("is not https"));
        Assert.That(line.Arrivals, Is.Empty);
    }

    [Test]
    public async Task A_request_of_somebody_else_s_may_be_synchronous()
    {
        using var line = new Line(_ => Ok(new StringContent("here")));
        using var backchannel = new Backchannel(line, TimeProvider.System);
        using var request = new HttpRequestMessage(HttpMethod.Post, "https://issuer.test/token");

        using HttpResponseMessage response = backchannel.Invoker.Send(request, default);

        Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo("here"));
    }

    [Test]
    public async Task A_handler_that_followed_a_redirect_within_the_origin_is_fine()
    {
        using var line = new Line(_ => new HttpResponseMessage(HttpStatusCode.OK)
        {
            Content = new StringContent(new FakeIssuer().Jwks),
            RequestMessage = new HttpRequestMessage(HttpMethod.Get, "https://issuer.test/elsewhere"),
        });
        using var keyCache = new KeyCacheFixture(options => options.JwksUrl = Jwks, line);

        Assert.That((await keyCache.GetAsync()).Count, Is.EqualTo(2));
    }

    [TestCase("http://issuer.test/jwks")]
    [TestCase("http://127.0.0.1.evil.test/jwks")]
    [TestCase("http://localhost.evil.test/jwks")]
    [TestCase("http://10.0.0.1/jwks")]
    [TestCase("ftp://localhost/jwks")]
    public async Task Plain_http_is_refused_before_anything_is_sent(string address)
    {
        using var line = new Line(_ => Ok(new StringContent("{}")));

        await Assert.ThatAsync(() => line.GetAsync(new Uri(address)), Throws.TypeOf<BackchannelException>().With.Message.Contains("is not https"));
        Assert.That(line.Arrivals, Is.Empty);
    }

    [TestCase("http://localhost:8080/jwks")]
    [TestCase("http://127.0.0.1/jwks")]
    [TestCase("http://[::1]:5000/jwks")]
    public async Task Plain_http_on_loopback_is_not_refused(string address)
    {
        using var line = new Line(_ => Ok(new StringContent("{}")));

        Assert.That(await line.GetAsync(new Uri(address)), Has.Length.EqualTo(2));
    }

    [Test]
    public async Task Requests_carry_nothing_but_what_they_need()
    {
        using var line = new Line(_ => Ok(new StringContent("{}")));

        await line.GetAsync(Jwks);

        HttpRequestMessage request = line.Arrivals.Single();
        Assert.That(request.Method, Is.EqualTo(HttpMethod.Get));
        Assert.That(request.Headers.ToString().Trim(), Is.EqualTo("Accept: application/json"));
    }

    [Test]
    public async Task An_error_shows_neither_the_query_nor_the_user_part_of_an_address()
    {
        using var line = new Line(_ => new HttpResponseMessage(HttpStatusCode.NotFound));

        var error = (await Assert.ThrowsAsync<BackchannelException>(() => line.GetAsync(new Uri("https://user:secret@issuer.test:8443/jwks?api_key=secret"))))!;

        Assert.That(error.Message, Is.EqualTo("https://issuer.test:8443/jwks answered 404"));
    }

    private static HttpResponseMessage Ok(HttpContent content) => new(HttpStatusCode.OK) { Content = content };

    private static HttpResponseMessage Redirect(HttpStatusCode status, string location) =>
        new(status) { Headers = { Location = new Uri(location, UriKind.RelativeOrAbsolute) } };

    /// <summary>A backchannel over a handler that does nothing on its own.</summary>
    private sealed class Line(Func<HttpRequestMessage, HttpResponseMessage> answer) : HttpMessageHandler
    {
        private readonly List<HttpRequestMessage> _arrivals = [];

        public Func<HttpRequestMessage, HttpResponseMessage> Answer { get; set; } = answer;

        public IReadOnlyList<HttpRequestMessage> Arrivals => _arrivals;

        public async Task<byte[]> GetAsync(Uri url)
        {
            using var backchannel = new Backchannel(this, TimeProvider.System);
            return await backchannel.GetAsync(url, default);
        }

        public async Task PostAsync(string url)
        {
            using var backchannel = new Backchannel(this, TimeProvider.System);
            using var request = new HttpRequestMessage(HttpMethod.Post, url);
            (await backchannel.Invoker.SendAsync(request, default)).Dispose();
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            _arrivals.Add(request);
            return Task.FromResult(Answer(request));
        }
    }

    /// <summary>A handler that ignores its cancellation.</summary>
    private sealed class LateLine : HttpMessageHandler
    {
        public TaskCompletionSource<HttpResponseMessage> Answer { get; } = new();

        public async Task CallAndCancelAsync()
        {
            using var backchannel = new Backchannel(this, TimeProvider.System);
            using var cancellation = new CancellationTokenSource();
            Task call = backchannel.GetAsync(Jwks, cancellation.Token);
            await cancellation.CancelAsync();
            await Assert.ThatAsync(() => call, Throws.InstanceOf<OperationCanceledException>());
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Answer.Task;
    }

    private sealed class BrokenStream : ReadStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("connection reset");
    }
}
