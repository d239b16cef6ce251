using System.Net;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>However many callers come first: one looks, and all of them have the result.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class FirstCallTests
{
    private const int Callers = 1000;

    [Test]
    public async Task A_thousand_first_calls_at_once_make_one_discovery_and_one_JWKS_request()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = Callers);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldKeys(fixture, gate);
        var calls = new Task<HttpResponseMessage>[Callers];
        Parallel.For(0, Callers, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i => calls[i] = fixture.CallAsync());
        Assert.That(calls.Select(call => call.IsCompleted), Is.All.False, "all of them wait for the keys");

        gate.SetResult();
        HttpResponseMessage[] responses = await Task.WhenAll(calls);

        Assert.That(responses.Select(response => response.StatusCode), Is.All.EqualTo(HttpStatusCode.OK));
        Assert.That((fixture.Reads, fixture.Issuer.DiscoveryRequests, fixture.Issuer.JwksRequests), Is.EqualTo((1, 1, 1)));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(Callers).And.All.Property("Token").EqualTo(fixture.Token));
    }

    [Test]
    public async Task A_thousand_first_calls_share_one_failure_too()
    {
        using var fixture = new ClientFixture();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        fixture.Issuer.AnswerJwks = async _ =>
        {
            await gate.Task;
            return FakeIssuer.Status(HttpStatusCode.ServiceUnavailable);
        };
        Task<HttpResponseMessage>[] calls = [.. Enumerable.Range(0, Callers).Select(_ => fixture.CallAsync())];

        gate.SetResult();

        foreach (Task<HttpResponseMessage> call in calls)
            await Assert.ThatAsync(() => call, Throws.TypeOf<JwksUnavailableException>());
        Assert.That((fixture.Reads, fixture.Issuer.DiscoveryRequests, fixture.Issuer.JwksRequests), Is.EqualTo((1, 1, 1)));
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task A_caller_that_gives_up_ends_its_own_wait_only()
    {
        using var fixture = new ClientFixture();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldKeys(fixture, gate);
        using var cancellation = new CancellationTokenSource();
        // The one that began the work gives up, and one that joined it.
        Task<HttpResponseMessage> first = fixture.CallAsync(cancellation.Token);
        Task<HttpResponseMessage> second = fixture.CallAsync();
        Task<HttpResponseMessage> third = fixture.CallAsync(cancellation.Token);

        await cancellation.CancelAsync();

        await Assert.ThatAsync(() => first, Throws.InstanceOf<OperationCanceledException>());
        await Assert.ThatAsync(() => third, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(second.IsCompleted, Is.False);
        gate.SetResult();
        using HttpResponseMessage response = await second;
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
        Assert.That(fixture.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public async Task When_everybody_gave_up_the_next_caller_still_has_the_result()
    {
        using var fixture = new ClientFixture();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldKeys(fixture, gate);
        using var cancellation = new CancellationTokenSource();
        Task<HttpResponseMessage> first = fixture.CallAsync(cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThatAsync(() => first, Throws.InstanceOf<OperationCanceledException>());

        Task<HttpResponseMessage> next = fixture.CallAsync();
        gate.SetResult();
        using HttpResponseMessage response = await next;

        Assert.That((fixture.Reads, fixture.Issuer.JwksRequests), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task A_call_that_was_cancelled_before_it_began_looks_for_nothing()
    {
        using var fixture = new ClientFixture();
        using var invoker = new HttpMessageInvoker(new M3AuthHandler(fixture.Options()) { InnerHandler = fixture.Server });
        using var provider = new M3TokenProvider(fixture.Options());
        using var request = new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address);
        var cancelled = new CancellationToken(canceled: true);

        using (Assert.EnterMultipleScope())
        {
            await Assert.ThatAsync(() => invoker.SendAsync(request, cancelled), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(() => invoker.Send(request, cancelled), Throws.InstanceOf<OperationCanceledException>());
            await Assert.ThatAsync(async () => await provider.GetTokenAsync(cancelled), Throws.InstanceOf<OperationCanceledException>());
            await Assert.ThatAsync(async () => await provider.RenewTokenAsync(new M3AccessToken("a.b.c"), cancelled), Throws.InstanceOf<OperationCanceledException>());
            Assert.That((fixture.Reads, fixture.Server.Arrivals.Count), Is.EqualTo((0, 0)));
        }
    }

    [Test]
    public async Task What_belongs_to_all_does_not_run_in_the_first_callers_context()
    {
        var user = new AsyncLocal<string?>();
        string? seen = "nobody looked";
        using var fixture = new ClientFixture(options => options.TokenSource = TokenSources.From(_ =>
        {
            seen = user.Value;
            return new(new FakeIssuer().Token(ClientFixture.Noon));
        }));
        user.Value = "the first caller";

        using HttpResponseMessage response = await fixture.CallAsync();

        Assert.That(seen, Is.Null);
    }

    [Test]
    public async Task A_source_that_hangs_is_given_up_after_two_minutes()
    {
        using var fixture = new ClientFixture(options => options.TokenSource = TokenSources.From(async cancellationToken =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return null;
        }));
        Task<HttpResponseMessage> call = fixture.CallAsync();

        fixture.Clock.Advance(TimeSpan.FromMinutes(2));

        await Assert.ThatAsync(() => call, Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.Contains("no token within 2 min").And.Property("IsTransient").True);
    }

    [Test]
    public async Task A_disposed_provider_tells_those_who_wait_and_gives_no_token_any_more()
    {
        using var fixture = new ClientFixture();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldKeys(fixture, gate);
        var provider = new M3TokenProvider(fixture.Options());
        Task<M3AccessToken> waiting = provider.GetTokenAsync().AsTask();

        provider.Dispose();
        provider.Dispose();

        await Assert.ThatAsync(() => waiting, Throws.TypeOf<ObjectDisposedException>());
        await Assert.ThatAsync(async () => await provider.GetTokenAsync(), Throws.TypeOf<ObjectDisposedException>());
        await Assert.ThatAsync(async () => await provider.RenewTokenAsync(new M3AccessToken("a.b.c")), Throws.TypeOf<ObjectDisposedException>());
        gate.SetResult();
    }

    [Test]
    public async Task A_disposed_provider_gives_no_cached_token_either()
    {
        using var fixture = new ClientFixture();
        var provider = new M3TokenProvider(fixture.Options());
        M3AccessToken token = await provider.GetTokenAsync();

        provider.Dispose();

        await Assert.ThatAsync(async () => await provider.GetTokenAsync(), Throws.TypeOf<ObjectDisposedException>());
        await Assert.ThatAsync(async () => await provider.RenewTokenAsync(token), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(fixture.Reads, Is.EqualTo(1), "its source is left alone");
    }

    private static void HoldKeys(ClientFixture fixture, TaskCompletionSource gate)
    {
        Func<HttpRequestMessage, Task<HttpResponseMessage>> answer = fixture.Issuer.AnswerJwks;
        fixture.Issuer.AnswerJwks = async request =>
        {
            await gate.Task;
            return await answer(request);
        };
    }
}
