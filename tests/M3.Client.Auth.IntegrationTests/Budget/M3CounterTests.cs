using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.JsonWebTokens;

namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>The server that the budget is held against counts as M3's guide says, whatever the network does.</summary>
public sealed class M3CounterTests
{
    private const int Limit = 3;

    private static readonly TimeSpan Window = TimeSpan.FromHours(1);
    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(1);

    private readonly FakeTimeProvider _clock = new();
    private M3Counter _m3 = null!;
    private HttpClient _http = null!;

    [TearDown]
    public async Task StopAsync()
    {
        _http.Dispose();
        await _m3.DisposeAsync();
    }

    [Test]
    public async Task The_call_beyond_the_limit_is_refused_inside_an_ordinary_result()
    {
        await StartAsync();
        for (int id = 0; id < Limit; id++)
            Assert.That(await _http.CallToolAsync(id), Is.EqualTo(M3Counter.Answer));

        using HttpResponseMessage response = await _http.SendToolCallAsync(Limit);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        string? text = await response.ReadTextAsync();
        Assert.That(text, Is.EqualTo("Error: OAuth2 authentication failed: Rate limit exceeded"));
        Assert.That(M3AuthException.TryParse(text, out M3AuthException? error), Is.True);
        Assert.That(error!.Error, Is.EqualTo(M3AuthError.RateLimitExceeded));
        Assert.That((_m3.Limit.Admitted, _m3.Limit.Refused, _m3.Limit.LargestInAnyWindow), Is.EqualTo((Limit, 1, Limit + 1)));
    }

    [Test]
    public async Task Each_call_leaves_a_window_after_its_tool_began_and_a_refused_one_was_never_in()
    {
        await StartAsync();
        await _http.CallToolAsync(0);
        _clock.Advance(Moment);
        await _http.CallToolAsync(1);
        await _http.CallToolAsync(2);

        _clock.Advance(Window - Moment - TimeSpan.FromTicks(1));
        Assert.That(await _http.CallToolAsync(3), Is.EqualTo(M3Counter.Refusal), "the first is still in");
        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.That(await _http.CallToolAsync(4), Is.EqualTo(M3Counter.Answer), "the first has left");
        Assert.That(await _http.CallToolAsync(5), Is.EqualTo(M3Counter.Refusal), "the other two have not");
    }

    [Test]
    public async Task Each_subject_is_counted_by_itself()
    {
        await StartAsync();
        for (int id = 0; id < Limit; id++)
            await _http.CallToolAsync(id);

        Assert.That(await _http.CallToolAsync(3), Is.EqualTo(M3Counter.Refusal));
        SignInAs("grace");
        Assert.That(await _http.CallToolAsync(4), Is.EqualTo(M3Counter.Answer));
    }

    [Test]
    public async Task Housekeeping_is_not_counted()
    {
        await StartAsync();
        for (int i = 0; i <= Limit; i++)
            (await _http.PostAsync("", new StringContent("""{"jsonrpc":"2.0","method":"notifications/cancelled"}"""))).Dispose();

        Assert.That(await _http.CallToolAsync(0), Is.EqualTo(M3Counter.Answer));
        Assert.That(_m3.Limit.LargestInAnyWindow, Is.EqualTo(1));
    }

    [Test]
    public async Task A_full_limit_with_every_window_is_the_whole_share_and_half_of_it_half()
    {
        await StartAsync(id => new Course { RefusedWith = id >= 2 * Limit ? 503 : null });
        for (int id = 0; id < 2 * Limit; id++)
        {
            if (id == Limit)
                _clock.Advance(Window);
            await _http.CallToolAsync(id);
        }

        Assert.That((_m3.Limit.ShareUsed, _m3.Limit.LargestInAnyWindow), Is.EqualTo((1.0, Limit)));

        var half = new M3RateLimit(2, Window, _clock);
        half.TryBegin("ada");
        _clock.Advance(Window);
        half.TryBegin("ada");
        Assert.That(half.ShareUsed, Is.EqualTo(0.5));
    }

    [Test]
    public async Task A_call_counts_when_its_tool_begins_and_not_when_it_was_received()
    {
        await StartAsync(id => new Course { Transit = id == 0 ? Moment : default });
        Task<string?> slow = _http.CallToolAsync(0);
        await _m3.ReceivedAsync(0);
        Assert.That(_m3.Limit.Admitted, Is.Zero, "on its way");
        for (int id = 1; id <= Limit; id++)
            await _http.CallToolAsync(id);

        _clock.Advance(Moment);

        Assert.That(await slow, Is.EqualTo(M3Counter.Refusal));
    }

    [Test]
    public async Task The_tool_of_an_event_stream_begins_after_its_headers()
    {
        await StartAsync(_ => new Course { Answer = AnswerKind.EventStream, AfterHeaders = Moment });

        using HttpResponseMessage response = await _http.SendToolCallAsync(0);

        Assert.That(response.Content.Headers.ContentType, Is.EqualTo(new MediaTypeHeaderValue("text/event-stream")));
        Assert.That(_m3.Limit.Admitted, Is.Zero);
        _clock.Advance(Moment);
        Assert.That(await response.ReadTextAsync(), Is.EqualTo(M3Counter.Answer));
        Assert.That(_m3.Limit.Admitted, Is.EqualTo(1));
    }

    [Test]
    public async Task A_stream_that_nobody_ends_stays_open_after_its_answer()
    {
        await StartAsync(_ => new Course { Answer = AnswerKind.EventStream, StaysOpen = true });
        using HttpResponseMessage response = await _http.SendToolCallAsync(0);
        Assert.That(await response.ReadTextAsync(), Is.EqualTo(M3Counter.Answer));

        using var patience = new CancellationTokenSource();
        Task<int> end = (await response.Content.ReadAsStreamAsync()).ReadAsync(new byte[1], patience.Token).AsTask();
        (await _http.GetAsync("", HttpCompletionOption.ResponseHeadersRead)).Dispose();
        await patience.CancelAsync();

        await Assert.ThatAsync(() => end, Throws.InstanceOf<OperationCanceledException>(), "an end would have been read");
    }

    [Test]
    public async Task Over_legacy_SSE_the_202_comes_before_the_tool_begins_and_the_answer_on_the_other_stream()
    {
        await StartAsync(_ => new Course { Answer = AnswerKind.Accepted, AfterHeaders = Moment });
        using HttpResponseMessage answers = await _http.GetAsync("", HttpCompletionOption.ResponseHeadersRead);

        using HttpResponseMessage response = await _http.SendToolCallAsync(0);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Accepted));
        Assert.That(_m3.Limit.Admitted, Is.Zero);
        _clock.Advance(Moment);
        Assert.That(await answers.ReadTextAsync(), Is.EqualTo(M3Counter.Answer));
        Assert.That(_m3.Limit.Admitted, Is.EqualTo(1));
    }

    [Test]
    public async Task A_slow_tool_is_counted_long_before_its_answer()
    {
        await StartAsync(_ => new Course { Work = Moment });
        Task<string?> call = _http.CallToolAsync(0);

        Assert.That(await _m3.BegunAsync(0), Is.True);
        Assert.That(call.IsCompleted, Is.False);
        _clock.Advance(Moment);
        Assert.That(await call, Is.EqualTo(M3Counter.Answer));
    }

    [Test]
    public async Task A_hung_call_is_counted_and_ends_when_its_client_gives_up()
    {
        await StartAsync(id => new Course { Hangs = id == 0 });
        using var patience = new CancellationTokenSource();
        Task<string?> call = _http.CallToolAsync(0, patience.Token);
        Assert.That(await _m3.BegunAsync(0), Is.True);

        _clock.Advance(Window);
        for (int id = 1; id <= Limit; id++)
            Assert.That(await _http.CallToolAsync(id), Is.EqualTo(M3Counter.Answer), "others go on");
        Assert.That(call.IsCompleted, Is.False);
        await patience.CancelAsync();

        await Assert.ThatAsync(() => call, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task A_call_that_its_client_cancels_on_the_way_is_counted_all_the_same()
    {
        await StartAsync(_ => new Course { Transit = Moment });
        using var patience = new CancellationTokenSource();
        Task<string?> call = _http.CallToolAsync(0, patience.Token);
        await _m3.ReceivedAsync(0);

        await patience.CancelAsync();
        await Assert.ThatAsync(() => call, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(_m3.Limit.Admitted, Is.Zero);
        _clock.Advance(Moment);

        await _m3.SettledAsync();
        Assert.That(_m3.Limit.Admitted, Is.EqualTo(1));
    }

    [Test]
    public async Task A_call_that_a_gateway_refuses_is_not_counted()
    {
        await StartAsync(_ => new Course { RefusedWith = 503 });

        using HttpResponseMessage response = await _http.SendToolCallAsync(0);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(await _m3.BegunAsync(0), Is.False);
        Assert.That((_m3.Limit.Admitted, _m3.Limit.Refused), Is.EqualTo((0, 0)));
    }

    private async Task StartAsync(Func<int, Course>? course = null)
    {
        _m3 = await M3Counter.StartAsync(Limit, Window, course, _clock);
        _http = new HttpClient { BaseAddress = _m3.Endpoint };
        SignInAs("ada");
    }

    private void SignInAs(string subject) => _http.DefaultRequestHeaders.Authorization =
        new("Bearer", new JsonWebTokenHandler().CreateToken($$"""{"sub":"{{subject}}"}"""));
}
