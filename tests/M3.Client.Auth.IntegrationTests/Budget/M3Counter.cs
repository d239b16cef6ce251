using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.JsonWebTokens;

namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>
/// A server that counts exactly as M3 does, behind a network that takes its time: what each call meets on its way is a
/// <see cref="Course"/>, chosen by the call's JSON-RPC id. It reads the token's subject and checks nothing else.
/// </summary>
internal sealed class M3Counter : IAsyncDisposable
{
    /// <summary>What M3 answers inside an ordinary tool result.</summary>
    public const string Refusal = "Error: OAuth2 authentication failed: Rate limit exceeded";

    /// <summary>What a tool answers that ran.</summary>
    public const string Answer = "hosp_patients";

    private readonly TimeProvider _clock;
    private readonly Func<int, Course> _course;
    private readonly ConcurrentDictionary<int, Call> _calls = new();
    private readonly Channel<string> _legacyAnswers = Channel.CreateUnbounded<string>();
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationToken _stopped;
    private RecordingServer _server = null!;

    private M3Counter(int limit, TimeSpan window, Func<int, Course> course, TimeProvider clock)
    {
        (_course, _clock, _stopped) = (course, clock, _stopping.Token);
        Limit = new M3RateLimit(limit, window, clock);
    }

    public Uri Endpoint => new(_server.Address, "/sse");

    public M3RateLimit Limit { get; }

    /// <param name="limit">So many calls</param>
    /// <param name="window">in any such window.</param>
    /// <param name="course">What happens to the call with this id; null: each goes straight to its tool.</param>
    /// <param name="clock">For the count and the delays; null: the system's.</param>
    public static async Task<M3Counter> StartAsync(int limit, TimeSpan window, Func<int, Course>? course = null, TimeProvider? clock = null)
    {
        var counter = new M3Counter(limit, window, course ?? (_ => Course.Straight), clock ?? TimeProvider.System);
        counter._server = await RecordingServer.StartAsync(context =>
            HttpMethods.IsGet(context.Request.Method) ? counter.StreamLegacyAnswersAsync(context) : counter.ReceiveAsync(context));
        return counter;
    }

    /// <summary>Completes when the call has been received, and its first delay runs.</summary>
    public Task ReceivedAsync(int id) => CallOf(id).Received.Task;

    /// <summary>Completes when the call's tool has begun (true: and was admitted), or will never begin (false).</summary>
    public Task<bool> BegunAsync(int id) => CallOf(id).Begun.Task;

    /// <summary>Completes when all calls that were received have come to their tools: also those whose clients have given up.</summary>
    public Task SettledAsync() => Task.WhenAll(_calls.Values.Select(call => call.Begun.Task));

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _server.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task ReceiveAsync(HttpContext context)
    {
        using JsonDocument message = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
        if (message.RootElement.GetProperty("method").GetString() != "tools/call")
        {
            context.Response.StatusCode = StatusCodes.Status202Accepted;
            return;
        }

        int id = message.RootElement.GetProperty("id").GetInt32();
        Course course = _course(id);
        Call call = CallOf(id);
        string subject = SubjectOf(context.Request);
        Task carrying = course.Answer == AnswerKind.Accepted
            ? AcceptAsync(context, course, call, subject, id)
            : CarryAsync(context, course, call, subject, id);
        try
        {
            await carrying;
        }
        catch (OperationCanceledException)
        {
            // The client has given up, or the test is over.
            call.Begun.TrySetResult(false);
        }
    }

    private async Task CarryAsync(HttpContext context, Course course, Call call, string subject, int id)
    {
        if (!await ArriveAsync(context, course, call))
            return;

        bool isStream = course.Answer == AnswerKind.EventStream;
        if (isStream)
        {
            // The delay runs when the client reads the headers, so that a test can then move its clock.
            Task delay = DelayAsync(course.AfterHeaders);
            context.Response.ContentType = "text/event-stream";
            await context.Response.Body.FlushAsync(CancellationToken.None);
            await delay;
        }

        using var clientGone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopped);
        string result = ResultOf(id, await RunAsync(course, call, subject, clientGone.Token));
        context.Response.ContentType ??= "application/json";
        await context.Response.WriteAsync(isStream ? $"event: message\ndata: {result}\n\n" : result, clientGone.Token);
        if (isStream && course.StaysOpen)
            await Task.Delay(Timeout.Infinite, clientGone.Token);
    }

    private async Task AcceptAsync(HttpContext context, Course course, Call call, string subject, int id)
    {
        if (!await ArriveAsync(context, course, call))
            return;

        // It goes on without the request: a connection whose handler still runs would hold back whatever its client sends next.
        Task delay = DelayAsync(course.AfterHeaders);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
        _ = RunLaterAsync();

        async Task RunLaterAsync()
        {
            try
            {
                await delay;
                _legacyAnswers.Writer.TryWrite(ResultOf(id, await RunAsync(course, call, subject, _stopped)));
            }
            catch (OperationCanceledException)
            {
                call.Begun.TrySetResult(false);
            }
        }
    }

    // Whether the call gets past the gateway. What was sent arrives, whether or not its client still waits.
    private async Task<bool> ArriveAsync(HttpContext context, Course course, Call call)
    {
        Task delay = DelayAsync(course.Transit);
        call.Received.TrySetResult();
        await delay;
        if (course.RefusedWith is not { } status)
            return true;
        context.Response.StatusCode = status;
        if (status == StatusCodes.Status429TooManyRequests)
            context.Response.Headers.RetryAfter = "60";
        call.Begun.TrySetResult(false);
        return false;
    }

    private async Task<string> RunAsync(Course course, Call call, string subject, CancellationToken clientGone)
    {
        bool isAdmitted = Limit.TryBegin(subject);
        // The delay runs when the test hears of the beginning.
        Task work = !isAdmitted ? Task.CompletedTask : Task.Delay(course.Hangs ? Timeout.InfiniteTimeSpan : course.Work, _clock, clientGone);
        call.Begun.TrySetResult(isAdmitted);
        await work;
        return isAdmitted ? Answer : Refusal;
    }

    private async Task StreamLegacyAnswersAsync(HttpContext context)
    {
        using var clientGone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _stopped);
        context.Response.ContentType = "text/event-stream";
        await context.Response.WriteAsync($"event: endpoint\ndata: {Endpoint.AbsolutePath}\n\n", clientGone.Token);
        try
        {
            await foreach (string result in _legacyAnswers.Reader.ReadAllAsync(clientGone.Token))
                await context.Response.WriteAsync($"event: message\ndata: {result}\n\n", clientGone.Token);
        }
        catch (OperationCanceledException)
        {
            // The client has ended the stream, or the test is over.
        }
    }

    private Task DelayAsync(TimeSpan delay) => Task.Delay(delay, _clock, _stopped);

    private Call CallOf(int id) => _calls.GetOrAdd(id, static _ => new Call());

    private static string SubjectOf(HttpRequest request) =>
        new JsonWebToken(AuthenticationHeaderValue.Parse(request.Headers.Authorization.ToString()).Parameter).Subject ?? "";

    private static string ResultOf(int id, string text) =>
        JsonSerializer.Serialize(new { jsonrpc = "2.0", id, result = new { content = new[] { new { type = "text", text } } } });

    private sealed class Call
    {
        public TaskCompletionSource Received { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource<bool> Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
