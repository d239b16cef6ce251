using System.Net.Http.Headers;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Performance;

/// <summary>The guard against regressions that no noisy clock can blur: what a call allocates is the same on every machine.</summary>
[NonParallelizable]
public sealed class AllocationTests
{
    private const int Calls = 5000;

    // What a call allocates it allocates in every round; what the runtime does at some moment of its own is in one of them.
    private const int Rounds = 5;

    [TestCase(true)]
    [TestCase(false)]
    public async Task A_call_with_its_token_cached_allocates_nothing(bool budget)
    {
        using var fixture = new ClientFixture(options =>
        {
            options.RateLimitEnabled = budget;
            options.RateLimitRequests = 1_000_000;
        });
        using var handler = new M3AuthHandler(fixture.Options()) { InnerHandler = new ImmediateHandler() };
        using var invoker = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        await CallAsync(invoker, [.. Enumerable.Repeat(request, 500)]);

        Assert.That(await CallAsync(invoker, [.. Enumerable.Repeat(request, Calls)]), Is.Zero);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task A_call_to_an_address_made_anew_allocates_no_more_than_the_header_set_by_hand(bool allowedByName)
    {
        using var fixture = new ClientFixture(options =>
        {
            options.RateLimitRequests = 1_000_000;
            if (allowedByName)
                options.AllowedOrigins.Add(new Uri(ClientFixture.Address.GetLeftPart(UriPartial.Authority)));
        });
        using var ours = new HttpMessageInvoker(new M3AuthHandler(fixture.Options()) { InnerHandler = new ImmediateHandler() });
        using var byHand = new HttpMessageInvoker(new SettingByHand { InnerHandler = new ImmediateHandler() });
        await CallAsync(ours, Fresh(500));
        await CallAsync(byHand, Fresh(500));

        Assert.That(await CallAsync(ours, Fresh(Calls)), Is.EqualTo(await CallAsync(byHand, Fresh(Calls))));
    }

    [Test]
    public async Task What_goes_on_the_wire_is_made_once_for_all_calls_with_one_token()
    {
        using var fixture = new ClientFixture();
        List<string> onTheWire = [];
        fixture.Server.Answer = request =>
        {
            // As SocketsHttpHandler asks for it.
            onTheWire.Add(request.Headers.NonValidated["Authorization"].ToString());
            return new HttpResponseMessage { RequestMessage = request };
        };

        (await fixture.CallAsync()).Dispose();
        (await fixture.CallAsync()).Dispose();

        Assert.That(onTheWire[0] == "Bearer " + fixture.Token, "the header is not the token's");
        Assert.That(ReferenceEquals(onTheWire[0], onTheWire[1]), "the header was made again");
    }

    [Test]
    public async Task A_call_that_is_answered_later_allocates_one_small_state_machine()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1_000_000);
        using var handler = new M3AuthHandler(fixture.Options()) { InnerHandler = new ImmediateHandler() };
        using var invoker = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        await CallAsync(invoker, [.. Enumerable.Repeat(request, 500)]);
        TaskCompletionSource<HttpResponseMessage>[] answers = [.. Enumerable.Range(0, Calls).Select(_ => new TaskCompletionSource<HttpResponseMessage>())];
        using var later = new HttpMessageInvoker(new M3AuthHandler(fixture.Options()) { InnerHandler = new AnsweringLater(answers) });
        answers[0].SetResult(new HttpResponseMessage());
        await later.SendAsync(request, default);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 1; i < Calls; i++)
            _ = later.SendAsync(request, default);
        long each = (GC.GetAllocatedBytesForCurrentThread() - before) / (Calls - 1);

        await TestContext.Out.WriteLineAsync($"{each} bytes a call");
        Assert.That(each, Is.InRange(1, 300));
    }

    private static HttpRequestMessage[] Fresh(int count)
    {
        HttpRequestMessage[] requests = [.. Enumerable.Range(0, count).Select(i => new HttpRequestMessage(HttpMethod.Post, new Uri(ClientFixture.Address, $"?call={i}")))];
        // A Uri is parsed when it is first asked, by whoever sends it in any case.
        Assert.That(requests, Has.All.Matches<HttpRequestMessage>(request => request?.RequestUri?.IdnHost == ClientFixture.Address.IdnHost));
        return requests;
    }

    // One caller from the pool, so that nothing of the test's own runs on its thread meanwhile.
    private static Task<long> CallAsync(HttpMessageInvoker invoker, HttpRequestMessage[] requests) => Task.Run(() => Enumerable.Range(0, Rounds).Min(round =>
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (HttpRequestMessage request in requests.AsSpan(round * requests.Length / Rounds, requests.Length / Rounds))
            invoker.SendAsync(request, default).GetAwaiter().GetResult();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }));

    private sealed class SettingByHand : DelegatingHandler
    {
        private readonly AuthenticationHeaderValue _header = new("Bearer", "made.up.token");

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Authorization = _header;
            return base.SendAsync(request, cancellationToken);
        }
    }

    private sealed class AnsweringLater(TaskCompletionSource<HttpResponseMessage>[] answers) : HttpMessageHandler
    {
        private int _next = -1;

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => answers[++_next].Task;
    }
}
