using System.Net;
using System.Net.Http.Headers;
using System.Text;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Budget;

/// <summary>M3 counts a call somewhere between its sending and the end of its answer: its permit is held until then, and a window from then on.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class AnswerEndTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    [Test]
    public async Task A_call_that_is_under_way_holds_its_permit_however_long_and_nobody_can_say_when_there_is_one([Values] bool isSynchronous)
    {
        using var world = new World();
        Task<HttpResponseMessage> slow = isSynchronous ? Task.Run(() => world.Send()) : world.CallAsync();
        await world.Server.WaitForAsync(1);
        world.Clock.Advance(3 * Hour);

        RateLimitExceededException unknown = await world.FailAsync();
        Assert.That((unknown.RetryAfter, unknown.Message), Is.EqualTo(((TimeSpan?)null,
            "Rate limit exceeded: limit of 1 per 60 min reached by calls that M3 has not answered yet; retry when one is answered")));

        world.Server.Answer(0, new HttpResponseMessage());
        (await slow).Dispose();
        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour));
        world.Clock.Advance(Hour);
        await world.CallAndEndAsync();
    }

    [Test]
    public async Task A_slow_call_holds_up_no_other()
    {
        using var world = new World(limit: 2);
        Task<HttpResponseMessage> slow = world.CallAsync();
        await world.Server.WaitForAsync(1);

        for (int window = 0; window < 3; window++)
        {
            await world.CallAndEndAsync();
            Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour));
            world.Clock.Advance(Hour);
        }

        world.Server.Answer(0, new HttpResponseMessage());
        (await slow).Dispose();
    }

    [Test]
    public async Task An_event_stream_ends_when_its_last_byte_is_read([Values] bool isSynchronous)
    {
        using var world = new World();
        using HttpResponseMessage response = await world.StreamAsync(new MemoryStream("data: 1\n\n"u8.ToArray()));
        Stream stream = isSynchronous ? response.Content.ReadAsStream() : await response.Content.ReadAsStreamAsync();
        byte[] buffer = new byte[100];
        Assert.That(isSynchronous ? stream.Read(buffer, 0, 100) : await stream.ReadAsync(buffer), Is.EqualTo(9));
        world.Clock.Advance(TimeSpan.FromMinutes(10));
        Assert.That(isSynchronous ? stream.Read([]) : await stream.ReadAsync(Memory<byte>.Empty), Is.Zero);
        Assert.That((await world.FailAsync()).RetryAfter, Is.Null, "nothing was asked for, so that nothing has ended");

        Assert.That(isSynchronous ? stream.Read(buffer) : await ReadAsync(stream, buffer), Is.Zero);

        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour));
    }

    [TestCase("the response")]
    [TestCase("the stream")]
    [TestCase("the stream, asynchronously")]
    public async Task An_event_stream_ends_when_it_is_disposed(string what)
    {
        using var world = new World();
        using HttpResponseMessage response = await world.StreamAsync(new EndlessStream());
        Stream stream = await response.Content.ReadAsStreamAsync();
        world.Clock.Advance(TimeSpan.FromMinutes(10));
        Assert.That((await world.FailAsync()).RetryAfter, Is.Null);

        if (what == "the response")
            response.Dispose();
        else if (what == "the stream")
            stream.Dispose();
        else
            await stream.DisposeAsync();

        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour));
        response.Dispose();
        await stream.DisposeAsync();
        world.Clock.Advance(Hour);
        await world.CallAndEndAsync();
        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour), "it was given back once");
    }

    [Test]
    public async Task Whoever_disposes_of_an_event_stream_disposes_of_what_is_behind_it([Values] bool ofResponse)
    {
        using var world = new World();
        var inner = new EndlessStream();
        using HttpResponseMessage response = await world.StreamAsync(inner);

        if (ofResponse)
            response.Dispose();
        else
            (await response.Content.ReadAsStreamAsync()).Dispose();

        Assert.That(inner.IsDisposed);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task An_event_stream_that_breaks_off_counts_five_seconds_longer(bool isSynchronous)
    {
        using var world = new World();
        using HttpResponseMessage response = await world.StreamAsync(new BreakingStream());

        Stream stream = isSynchronous ? response.Content.ReadAsStream() : await response.Content.ReadAsStreamAsync();
        if (isSynchronous)
            Assert.That(() => stream.Read(new byte[10], 0, 10), Throws.TypeOf<IOException>());
        else
            await Assert.ThatAsync(() => stream.ReadAsync(new byte[10]).AsTask(), Throws.TypeOf<IOException>());

        response.Dispose();
        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour + Grace));
    }

    [Test]
    public async Task An_event_stream_that_is_copied_ends_with_the_copy([Values] bool isSynchronous)
    {
        using var world = new World();
        using HttpResponseMessage response = await world.StreamAsync(new MemoryStream("data: 1\n\n"u8.ToArray()));
        using var copy = new MemoryStream();
        if (isSynchronous)
            response.Content.CopyTo(copy, null, CancellationToken.None);
        else
            await response.Content.CopyToAsync(copy);

        Assert.That(Encoding.UTF8.GetString(copy.ToArray()), Is.EqualTo("data: 1\n\n"));
        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour));
    }

    [Test]
    public async Task A_copy_that_breaks_off_counts_five_seconds_longer([Values] bool isSynchronous)
    {
        using var world = new World();
        using HttpResponseMessage response = await world.StreamAsync(new BreakingStream());
        using var copy = new MemoryStream();
        if (isSynchronous)
            Assert.That(() => response.Content.CopyTo(copy, null, CancellationToken.None), Throws.InstanceOf<IOException>().Or.InstanceOf<HttpRequestException>());
        else
            await Assert.ThatAsync(() => response.Content.CopyToAsync(copy), Throws.InstanceOf<IOException>().Or.InstanceOf<HttpRequestException>());

        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour + Grace));
    }

    [Test]
    public async Task An_event_stream_that_nobody_ends_counts_as_ended_a_window_after_its_headers()
    {
        using var world = new World();
        using HttpResponseMessage response = await world.StreamAsync(new EndlessStream());
        world.Clock.Advance(Hour - TimeSpan.FromSeconds(1));
        Assert.That((await world.FailAsync()).RetryAfter, Is.Null);

        world.Clock.Advance(TimeSpan.FromSeconds(1));

        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour));
    }

    [Test]
    public async Task An_event_stream_is_the_same_for_its_reader()
    {
        using var world = new World();
        using HttpResponseMessage response = await world.StreamAsync(new MemoryStream("data: 1\n\n"u8.ToArray()), content =>
        {
            content.Headers.ContentType = MediaTypeHeaderValue.Parse("Text/Event-Stream; charset=utf-8");
            content.Headers.Add("X-Odd", ["a", "b"]);
        });

        Assert.That(response.Content.Headers.ContentType!.ToString(), Is.EqualTo("Text/Event-Stream; charset=utf-8"));
        Assert.That(response.Content.Headers.GetValues("X-Odd"), Is.EqualTo(["a", "b"]));
        Assert.That(response.Content.Headers.ContentLength, Is.Null, "nobody knows it beforehand");
        Stream stream = await response.Content.ReadAsStreamAsync();
        Assert.That((stream.CanRead, stream.CanSeek, stream.CanWrite, stream.CanTimeout), Is.EqualTo((true, false, false, false)));
        Assert.That(await new StreamReader(stream).ReadToEndAsync(), Is.EqualTo("data: 1\n\n"));
    }

    [Test]
    public async Task An_accepted_call_is_counted_within_five_seconds()
    {
        using var world = new World();
        Task<HttpResponseMessage> call = world.CallAsync();
        await world.Server.WaitForAsync(1);
        world.Server.Answer(0, new HttpResponseMessage(HttpStatusCode.Accepted));
        (await call).Dispose();

        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour + Grace));
    }

    [TestCase(HttpRequestError.NameResolutionError)]
    [TestCase(HttpRequestError.ConnectionError)]
    [TestCase(HttpRequestError.SecureConnectionError)]
    [TestCase(HttpRequestError.ProxyTunnelError)]
    public async Task A_call_that_was_never_sent_gives_its_permit_back_at_once(HttpRequestError error)
    {
        using var world = new World();
        for (int i = 0; i < 3; i++)
        {
            Task<HttpResponseMessage> call = world.CallAsync();
            await world.Server.WaitForAsync(i + 1);
            world.Server.Fail(i, new HttpRequestException(error));
            await Assert.ThatAsync(() => call, Throws.TypeOf<HttpRequestException>());
        }

        await world.CallAndEndAsync();
    }

    [Test]
    public async Task A_call_that_breaks_off_counts_five_seconds_longer_since_M3_may_have_it([Values] bool isCancelled)
    {
        using var world = new World();
        Task<HttpResponseMessage> call = world.CallAsync();
        await world.Server.WaitForAsync(1);
        world.Server.Fail(0, isCancelled ? new TaskCanceledException() : new HttpRequestException(HttpRequestError.ResponseEnded));
        await Assert.ThatAsync(() => call, Throws.Exception);

        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour + Grace));
    }

    [Test]
    public async Task With_a_cached_token_too_a_late_answer_holds_its_permit_until_its_end()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 2);
        var server = new LateM3();
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, fixture.Options(), server);
        for (int i = 0; i < 2; i++)
        {
            Task<HttpResponseMessage> call = client.PostAsync(ClientFixture.Address, null);
            await server.WaitForAsync(i + 1);
            // No time passes before the second call, which finds its token cached.
            fixture.Clock.Advance(TimeSpan.FromMinutes(20 * i));
            server.Answer(i, new HttpResponseMessage());
            (await call).Dispose();
        }

        fixture.Clock.Advance(TimeSpan.FromMinutes(1));

        RateLimitExceededException error = (await Assert.ThrowsAsync<RateLimitExceededException>(() => client.PostAsync(ClientFixture.Address, null)))!;
        Assert.That(error.RetryAfter, Is.EqualTo(TimeSpan.FromMinutes(39)));
        fixture.Clock.Advance(TimeSpan.FromMinutes(39));
        fixture.Token = fixture.NewToken();
        Task<HttpResponseMessage> third = client.PostAsync(ClientFixture.Address, null);
        await server.WaitForAsync(3);
        error = (await Assert.ThrowsAsync<RateLimitExceededException>(() => client.PostAsync(ClientFixture.Address, null)))!;
        Assert.That(error.RetryAfter, Is.EqualTo(TimeSpan.FromMinutes(20)));
        server.Answer(2, new HttpResponseMessage());
        (await third).Dispose();
    }

    [Test]
    public async Task A_handler_that_throws_at_once_loses_no_permit([Values] bool isSynchronous)
    {
        using var world = new World();
        world.Server.Throw = new HttpRequestException(HttpRequestError.ConnectionError);
        for (int i = 0; i < 3; i++)
        {
            if (isSynchronous)
                Assert.That(world.Send, Throws.TypeOf<HttpRequestException>());
            else
                await Assert.ThatAsync(() => world.CallAsync(), Throws.TypeOf<HttpRequestException>());
        }

        world.Server.Throw = null;
        await world.CallAndEndAsync();
    }

    [Test]
    public async Task The_retry_after_a_401_keeps_the_calls_one_permit_and_what_M3_refuses_in_the_end_is_answered()
    {
        using var world = new World();
        world.Tokens.Newer = new M3AccessToken("newer.token.of", subject: null);
        Task<HttpResponseMessage> call = world.CallAsync();
        await world.Server.WaitForAsync(1);
        world.Server.Answer(0, new HttpResponseMessage(HttpStatusCode.Unauthorized));
        await world.Server.WaitForAsync(2);
        Assert.That((await world.FailAsync()).RetryAfter, Is.Null);

        world.Server.Answer(1, new HttpResponseMessage(HttpStatusCode.Unauthorized));
        await Assert.ThatAsync(() => call, Throws.TypeOf<RejectedException>());

        Assert.That((await world.FailAsync()).RetryAfter, Is.EqualTo(Hour));
    }

    [Test]
    public async Task Whoever_waits_goes_a_window_after_the_answer_that_is_awaited()
    {
        using var world = new World(mode: RateLimitMode.Wait);
        Task<HttpResponseMessage> slow = world.CallAsync();
        await world.Server.WaitForAsync(1);
        Task<HttpResponseMessage> waiting = world.CallAsync();
        world.Clock.Advance(2 * Hour);
        Assert.That((waiting.IsCompleted, world.Told), Is.EqualTo((false, Array.Empty<TimeSpan>())));

        world.Server.Answer(0, new HttpResponseMessage());
        (await slow).Dispose();
        await KeyCacheFixture.UntilAsync(() => world.Told.Length == 1, "it is told how long it has to wait");
        Assert.That(world.Told, Is.EqualTo([Hour]));
        await KeyCacheFixture.UntilAsync(() =>
        {
            world.Clock.Advance(TimeSpan.FromSeconds(30));
            return world.Server.Count == 2;
        }, "the call goes");
        Assert.That(world.Told, Has.Length.EqualTo(1), "it looks again every half a minute, and tells of its wait once");
        world.Server.Answer(1, new HttpResponseMessage());
        (await waiting).Dispose();
    }

    [Test]
    public async Task Whoever_waits_goes_at_once_when_a_permit_comes_back_unused()
    {
        using var world = new World(mode: RateLimitMode.Wait);
        Task<HttpResponseMessage> failing = world.CallAsync();
        await world.Server.WaitForAsync(1);
        Task<HttpResponseMessage> waiting = world.CallAsync();

        world.Server.Fail(0, new HttpRequestException(HttpRequestError.ConnectionError));

        await Assert.ThatAsync(() => failing, Throws.TypeOf<HttpRequestException>());
        await world.Server.WaitForAsync(2);
        world.Server.Answer(1, new HttpResponseMessage());
        (await waiting).Dispose();
        Assert.That(world.Told, Is.Empty);
    }

    // As older code reads.
    private static async Task<int> ReadAsync(Stream stream, byte[] buffer) => await Task.Factory.FromAsync(stream.BeginRead, stream.EndRead, buffer, 0, buffer.Length, null);

    /// <summary>A client with its own clock, and an M3 that answers each call when it is told to.</summary>
    private sealed class World : IDisposable, IProgress<TimeSpan>
    {
        private readonly Lock _gate = new();
        private readonly List<TimeSpan> _told = [];
        private readonly HttpClient _client;

        public World(int limit = 1, RateLimitMode mode = RateLimitMode.Reject)
        {
            var options = new M3AuthOptions { TimeProvider = Clock, RateLimitRequests = limit, RateLimitMode = mode, RateLimitProgress = this };
            _client = new HttpClient(new M3AuthHandler(Tokens, options) { InnerHandler = Server }) { Timeout = Timeout.InfiniteTimeSpan };
        }

        public FakeTimeProvider Clock { get; } = new();

        public LateM3 Server { get; } = new();

        public FixedTokenProvider Tokens { get; } = new();

        public TimeSpan[] Told
        {
            get
            {
                lock (_gate)
                    return [.. _told];
            }
        }

        public Task<HttpResponseMessage> CallAsync() => _client.SendAsync(NewRequest(), HttpCompletionOption.ResponseHeadersRead);

        public HttpResponseMessage Send() => _client.Send(NewRequest(), HttpCompletionOption.ResponseHeadersRead);

        public async Task CallAndEndAsync()
        {
            int before = Server.Count;
            Task<HttpResponseMessage> call = CallAsync();
            await Server.WaitForAsync(before + 1);
            Server.Answer(before, new HttpResponseMessage());
            (await call).Dispose();
        }

        public async Task<HttpResponseMessage> StreamAsync(Stream stream, Action<HttpContent>? change = null)
        {
            Task<HttpResponseMessage> call = CallAsync();
            await Server.WaitForAsync(1);
            var content = new StreamContent(stream);
            content.Headers.ContentType = new("text/event-stream");
            change?.Invoke(content);
            Server.Answer(0, new HttpResponseMessage { Content = content });
            return await call;
        }

        public async Task<RateLimitExceededException> FailAsync() =>
            (await Assert.ThrowsAsync<RateLimitExceededException>(async () => (await CallAsync()).Dispose()))!;

        public void Report(TimeSpan value)
        {
            lock (_gate)
                _told.Add(value);
        }

        public void Dispose() => _client.Dispose();

        private static HttpRequestMessage NewRequest() => new(HttpMethod.Post, ClientFixture.Address) { Content = new ByteArrayContent("{}"u8.ToArray()) };
    }

    private sealed class LateM3 : HttpMessageHandler
    {
        private readonly Lock _gate = new();
        private readonly List<TaskCompletionSource<HttpResponseMessage>> _calls = [];

        public Exception? Throw { get; set; }

        public int Count
        {
            get
            {
                lock (_gate)
                    return _calls.Count;
            }
        }

        public Task WaitForAsync(int calls) => KeyCacheFixture.UntilAsync(() => Count >= calls, $"{calls} calls have come to M3");

        public void Answer(int call, HttpResponseMessage response) => Call(call).SetResult(response);

        public void Fail(int call, Exception error) => Call(call).SetException(error);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (Throw is { } error)
                throw error;
            var answer = new TaskCompletionSource<HttpResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (_gate)
                _calls.Add(answer);
            return answer.Task;
        }

        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
            SendAsync(request, cancellationToken).GetAwaiter().GetResult();

        private TaskCompletionSource<HttpResponseMessage> Call(int index)
        {
            lock (_gate)
                return _calls[index];
        }
    }

    private sealed class BreakingStream : ReadStream
    {
        public override int Read(byte[] buffer, int offset, int count) => throw new IOException("broken");

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("broken");
    }
}
