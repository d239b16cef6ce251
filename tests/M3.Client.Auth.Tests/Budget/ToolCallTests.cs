using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Budget;

/// <summary>What is counted of clients that name no <c>Mcp-Method</c>: the tool calls in their bodies.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ToolCallTests
{
    private const int Limit = 10;

    private const string Call = """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_database_schema"}}""";

    [TestCase(Call, 1)]
    [TestCase("""{"method":"tools/list"}""", 0)]
    [TestCase("""{"method":"initialize","params":{"method":"tools/call"}}""", 0)]
    [TestCase("""{"params":{"method":"tools/call"},"method":"ping"}""", 0)]
    [TestCase("""{"method":"notifications/cancelled","params":{"requestId":1}}""", 0)]
    [TestCase("""{"method":"Tools/Call"}""", 0)]
    [TestCase("""{"method":"\ud800"}""", 0)]
    // Escaped names are names.
    [TestCase("""{"m\u0065thod":"tools\/call"}""", 1)]
    [TestCase("""{"m\u0065thod":"tools\/list"}""", 0)]
    // The client's answers to what the server asks of it.
    [TestCase("""{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call"}}""", 0)]
    [TestCase("""{"jsonrpc":"2.0","id":1,"error":{"code":-32601}}""", 0)]
    [TestCase("""{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":-32601}}""", 0)]
    public Task One_message_is_counted_by_its_method(string body, int expected) => AssertCountedAsync(Text(body), expected);

    [TestCase("[" + Call + "," + Call + "," + Call + "]", 3)]
    [TestCase("[" + Call + ",{\"method\":\"ping\"}," + Call + "]", 2)]
    [TestCase("""[{"method":"ping"},{"method":"tools/list"}]""", 0)]
    [TestCase("[" + Call + ",{}]", 2)]
    public Task Of_a_batch_each_tool_call_is_counted(string body, int expected) => AssertCountedAsync(Text(body), expected);

    [TestCase("")]
    [TestCase("{}")]
    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("\"tools/list\"")]
    [TestCase("[[" + Call + "," + Call + "]]")]
    [TestCase("""{"method":"tools/list""")]
    [TestCase("""{"method":"tools/list"} and more""")]
    [TestCase("[" + Call + "," + Call + "] and more")]
    [TestCase("""{"method":"tools/list","method":"tools/call"}""")]
    [TestCase("""{"method":"tools/list","m\u0065thod":"tools/list"}""")]
    [TestCase("""{"method":5}""")]
    [TestCase("""{"method":["tools/list"]}""")]
    [TestCase("""{"params":{"method":"tools/list"}}""")]
    [TestCase("""{"\ud800":1,"method":"tools/list"}""")]
    [TestCase("method=tools/list")]
    [TestCase("""{"method":"tools/list"} // a comment""")]
    public Task What_cannot_be_told_is_counted_once(string body) => AssertCountedAsync(Text(body), 1);

    [TestCase(100)]
    [TestCase(4096)]
    public void A_body_of_the_usual_size_is_counted_in_memory_that_is_there_already(int length)
    {
        using var usual = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Content = new ByteArrayContent([.. Call.PadRight(length).Select(one => (byte)one)]) };
        using var longer = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Content = new ByteArrayContent([.. Call.PadRight(4097).Select(one => (byte)one)]) };
        ToolCalls.Count(longer);
        ToolCalls.Count(usual);

        long before = GC.GetAllocatedBytesForCurrentThread();
        ToolCalls.Count(usual);

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(4096));
    }

    [Test]
    public async Task What_is_no_UTF_8_is_counted_once()
    {
        await AssertCountedAsync(() => new ByteArrayContent([.. """{"method":"tools/list","a":" """u8, 0xFF, .. "\"}"u8]), 1);
        await AssertCountedAsync(() => new StringContent("""{"method":"tools/list"}""", Encoding.Unicode), 1);
    }

    [TestCase("ByteArrayContent", 0)]
    [TestCase("StringContent", 0)]
    [TestCase("ReadOnlyMemoryContent", 0)]
    [TestCase("JsonContent", 0)]
    [TestCase("JsonContent in UTF-16", 1)]
    [TestCase("StreamContent", 1)]
    [TestCase("MultipartContent", 1)]
    [TestCase("a content of the user's own", 1)]
    [TestCase("none", 1)]
    public async Task A_body_is_read_where_that_leaves_it_as_it_was(string kind, int expected)
    {
        const string Body = """{"method":"tools/list"}""";
        byte[] bytes = Encoding.UTF8.GetBytes(Body);
        Func<HttpContent?> create = kind switch
        {
            "ByteArrayContent" => () => new ByteArrayContent([1, 2, .. bytes, 3], 2, bytes.Length),
            "StringContent" => () => new StringContent(Body),
            "ReadOnlyMemoryContent" => () => new ReadOnlyMemoryContent(bytes),
            "JsonContent" => () => JsonContent.Create(new { method = "tools/list" }),
            "JsonContent in UTF-16" => () => JsonContent.Create(new { method = "tools/list" }, new MediaTypeHeaderValue("application/json", "utf-16")),
            "StreamContent" => () => new StreamContent(new MemoryStream(bytes)),
            "MultipartContent" => () => new MultipartContent { new StringContent(Body) },
            "a content of the user's own" => () => new OwnContent(bytes),
            _ => () => null,
        };

        Assert.That(await CountAsync(create, out IReadOnlyList<string> arrived), Is.EqualTo(expected));
        Assert.That(arrived, Has.All.Contains(kind is "none" or "JsonContent in UTF-16" ? "" : Body), "it arrives as it was");
    }

    [TestCase(64 * 1024, 0)]
    [TestCase((64 * 1024) + 1, 1)]
    public async Task A_body_of_more_than_64_KiB_is_counted_once(int length, int expected)
    {
        var message = new JsonObject { ["method"] = "tools/list", ["padding"] = "" };
        message["padding"] = new string('a', length - message.ToJsonString().Length);

        await AssertCountedAsync(Text(message.ToJsonString()), expected);
        Assert.That(await CountAsync(() => JsonContent.Create(message), out IReadOnlyList<string> arrived), Is.EqualTo(expected));
        Assert.That(arrived, Has.All.EqualTo(message.ToJsonString()));
    }

    [Test]
    public async Task An_object_is_made_to_JSON_once_for_the_budget_and_for_M3()
    {
        using var fixture = new ClientFixture();
        var message = new Message();

        (await fixture.Client.PostAsync(ClientFixture.Address, JsonContent.Create(message))).Dispose();
        Assert.That(message.Reads, Is.EqualTo(1));

        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Content = JsonContent.Create(message) };
        fixture.Server.Answer = ReadBody;
        fixture.Client.Send(request).Dispose();
        Assert.That(message.Reads, Is.EqualTo(2));
    }

    [Test]
    public async Task A_body_that_cannot_be_written_fails_as_it_would_without_a_budget()
    {
        using var fixture = new ClientFixture();
        fixture.Server.Answer = ReadBody;

        await Assert.ThatAsync(() => fixture.Client.PostAsync(ClientFixture.Address, JsonContent.Create(new Broken())), Throws.InvalidOperationException.With.Message.EqualTo("broken"));
        await Assert.ThatAsync(() => fixture.Client.PostAsync(ClientFixture.Address, new BrokenContent()), Throws.InvalidOperationException.With.Message.EqualTo("broken"));
    }

    [Test]
    public async Task A_body_read_before_can_be_read_again_from_its_beginning()
    {
        using var fixture = new ClientFixture();
        using var content = new StringContent(Call);
        // As a handler outside of this library's that logs what goes out.
        await using (Stream stream = await content.ReadAsStreamAsync())
            Assert.That(await new StreamReader(stream, leaveOpen: true).ReadToEndAsync(), Is.EqualTo(Call));
        fixture.Server.Answer = request =>
        {
            Assert.That(request.Content!.ReadAsStringAsync().GetAwaiter().GetResult(), Is.EqualTo(Call));
            return new HttpResponseMessage { RequestMessage = request };
        };

        (await fixture.Client.PostAsync(ClientFixture.Address, content)).Dispose();
    }

    [Test]
    public async Task Housekeeping_without_an_Mcp_Method_goes_when_the_budget_is_used_up([Values(RateLimitMode.Reject, RateLimitMode.Wait)] RateLimitMode mode)
    {
        using var fixture = new ClientFixture(options => (options.RateLimitRequests, options.RateLimitMode) = (1, mode));
        (await fixture.Client.PostAsync(ClientFixture.Address, new StringContent(Call))).Dispose();

        (await fixture.Client.PostAsync(ClientFixture.Address, new StringContent("""{"method":"notifications/cancelled"}"""))).Dispose();
        (await fixture.Client.PostAsync(ClientFixture.Address, JsonContent.Create(new { method = "notifications/cancelled" }))).Dispose();
        (await fixture.Client.GetAsync(ClientFixture.Address)).Dispose();
        (await fixture.Client.DeleteAsync(ClientFixture.Address)).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(5).And.All.Property("Token").EqualTo(fixture.Token));
    }

    [Test]
    public async Task A_batch_goes_whole_or_not_at_all()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 5);
        await SendAsync(fixture, 3);
        fixture.Clock.Advance(TimeSpan.FromSeconds(10));

        RateLimitExceededException error = (await Assert.ThrowsAsync<RateLimitExceededException>(() => SendAsync(fixture, 3)))!;
        Assert.That(error.RetryAfter, Is.EqualTo(new TimeSpan(0, 59, 50)));
        // The refused one has taken nothing.
        await SendAsync(fixture, 2);
        Assert.That((await Assert.ThrowsAsync<RateLimitExceededException>(() => SendAsync(fixture, 1)))!.RetryAfter, Is.EqualTo(new TimeSpan(0, 59, 50)));
        fixture.Clock.Advance(new TimeSpan(0, 59, 50));
        fixture.Token = fixture.NewToken();
        await SendAsync(fixture, 3);
    }

    [Test]
    public async Task A_batch_beyond_the_limit_is_refused_since_no_wait_would_help([Values(RateLimitMode.Reject, RateLimitMode.Wait)] RateLimitMode mode)
    {
        using var fixture = new ClientFixture(options => (options.RateLimitRequests, options.RateLimitMode) = (5, mode));

        RateLimitExceededException error = (await Assert.ThrowsAsync<RateLimitExceededException>(() => SendAsync(fixture, 6)))!;

        Assert.That((error.RetryAfter, error.Message), Is.EqualTo(((TimeSpan?)null, "Rate limit exceeded: a batch of 6 tool calls never fits into the limit of 5 per 60 min")));
        await SendAsync(fixture, 5);
    }

    [Test]
    public async Task The_one_repetition_of_a_batch_after_a_401_is_free()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 3);
        fixture.RefuseUntilRenewed();

        (await fixture.Client.PostAsync(ClientFixture.Address, JsonContent.Create(Enumerable.Repeat(new { method = "tools/call" }, 3)))).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2));
        await fixture.FailAsync<RateLimitExceededException>();
    }

    [Test]
    public async Task A_body_that_is_being_written_when_its_call_is_cancelled_is_not_sent()
    {
        using var fixture = new ClientFixture();
        using var cancellation = new CancellationTokenSource();
        async IAsyncEnumerable<int> Endless()
        {
            yield return 1;
            await cancellation.CancelAsync();
            await Task.Delay(Timeout.Infinite, cancellation.Token);
        }

        await Assert.CatchAsync<OperationCanceledException>(() => fixture.Client.PostAsync(ClientFixture.Address, JsonContent.Create(Endless()), cancellation.Token));
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    // As a connection does that sends it.
    private static HttpResponseMessage ReadBody(HttpRequestMessage request)
    {
        request.Content!.CopyTo(Stream.Null, null, default);
        return new HttpResponseMessage { RequestMessage = request };
    }

    private static Func<HttpContent?> Text(string body) => () => new StringContent(body, Encoding.UTF8, "application/json");

    private static async Task AssertCountedAsync(Func<HttpContent?> create, int expected) =>
        Assert.That(await CountAsync(create, out _), Is.EqualTo(expected));

    // Asynchronously and synchronously, with the token cached and not: always the same.
    private static Task<int> CountAsync(Func<HttpContent?> create, out IReadOnlyList<string> arrived)
    {
        List<string> bodies = [];
        arrived = bodies;
        return CountAllAsync();

        async Task<int> CountAllAsync()
        {
            int cold = await CountOneAsync(create, bodies, isWarm: false, isSynchronous: false);
            Assert.That(await CountOneAsync(create, bodies, isWarm: true, isSynchronous: false), Is.EqualTo(cold), "with the token cached");
            Assert.That(await CountOneAsync(create, bodies, isWarm: true, isSynchronous: true), Is.EqualTo(cold), "synchronously");
            return cold;
        }
    }

    private static async Task<int> CountOneAsync(Func<HttpContent?> create, List<string> bodies, bool isWarm, bool isSynchronous)
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = Limit);
        if (isWarm)
            (await fixture.Client.GetAsync(ClientFixture.Address)).Dispose();
        fixture.Server.Answer = request =>
        {
            using var body = new MemoryStream();
            request.Content?.CopyToAsync(body).GetAwaiter().GetResult();
            bodies.Add(Encoding.UTF8.GetString(body.ToArray()));
            return new HttpResponseMessage { RequestMessage = request };
        };
        using (var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address) { Content = create() })
            (isSynchronous ? fixture.Client.Send(request) : await fixture.Client.SendAsync(request)).Dispose();

        fixture.Server.Answer = request => new HttpResponseMessage { RequestMessage = request };
        for (int left = 0; ; left++)
        {
            try
            {
                (await fixture.Client.PostAsync(ClientFixture.Address, new StringContent(Call))).Dispose();
            }
            catch (RateLimitExceededException)
            {
                return Limit - left;
            }
        }
    }

    private static async Task SendAsync(ClientFixture fixture, int calls) =>
        (await fixture.Client.PostAsync(ClientFixture.Address, new StringContent($"[{string.Join(',', Enumerable.Repeat(Call, calls))}]"))).Dispose();

    private sealed class Message
    {
        public int Reads;

        public string Method
        {
            get
            {
                Reads++;
                return "tools/call";
            }
        }
    }

    private sealed class Broken
    {
        private readonly string _why = "broken";

        public string Method => throw new InvalidOperationException(_why);
    }

    private sealed class BrokenContent() : ByteArrayContent("{}"u8.ToArray())
    {
        protected override void SerializeToStream(Stream stream, TransportContext? context, CancellationToken cancellationToken) => throw new InvalidOperationException("broken");
    }

    private sealed class OwnContent(byte[] bytes) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => stream.WriteAsync(bytes).AsTask();

        protected override bool TryComputeLength(out long length)
        {
            length = bytes.Length;
            return true;
        }
    }
}
