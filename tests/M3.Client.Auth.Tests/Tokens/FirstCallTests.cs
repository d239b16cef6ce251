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
        using var scene = new Scene(options => options.RateLimitRequests = Callers);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldKeys(scene, gate);
        var calls = new Task<HttpResponseMessage>[Callers];
        Parallel.For(0, Callers, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i => calls[i] = scene.CallAsync());
        Assert.That(calls.Select(call => call.IsCompleted), Is.All.False, "all of them wait for the keys");

        gate.SetResult();
        HttpResponseMessage[] responses = await Task.WhenAll(calls);

        Assert.That(responses.Select(response => response.StatusCode), Is.All.EqualTo(HttpStatusCode.OK));
        Assert.That((scene.Reads, scene.Issuer.DiscoveryRequests, scene.Issuer.JwksRequests), Is.EqualTo((1, 1, 1)));
        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(Callers).And.All.Property("Token").EqualTo(scene.Token));
    }

    [Test]
    public async Task A_thousand_first_calls_share_one_failure_too()
    {
        using var scene = new Scene();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        scene.Issuer.AnswerJwks = async _ =>
        {
            await gate.Task;
            return FakeIssuer.Status(HttpStatusCode.ServiceUnavailable);
        };
        Task<HttpResponseMessage>[] calls = [.. Enumerable.Range(0, Callers).Select(_ => scene.CallAsync())];

        gate.SetResult();

        foreach (Task<HttpResponseMessage> call in calls)
            await Assert.ThatAsync(() => call, Throws.TypeOf<JwksUnavailableException>());
        Assert.That((scene.Reads, scene.Issuer.DiscoveryRequests, scene.Issuer.JwksRequests), Is.EqualTo((1, 1, 1)));
        Assert.That(scene.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task A_caller_that_gives_up_ends_its_own_wait_only()
    {
        using var scene = new Scene();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldKeys(scene, gate);
        using var cancellation = new CancellationTokenSource();
        // The one that began the work gives up, and one that joined it.
        Task<HttpResponseMessage> first = scene.CallAsync(cancellation.Token);
        Task<HttpResponseMessage> second = scene.CallAsync();
        Task<HttpResponseMessage> third = scene.CallAsync(cancellation.Token);

        await cancellation.CancelAsync();

        await Assert.ThatAsync(() => first, Throws.InstanceOf<OperationCanceledException>());
        await Assert.ThatAsync(() => third, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(second.IsCompleted, Is.False);
        gate.SetResult();
        using HttpResponseMessage response = await second;
        Assert.That(scene.Server.Arrivals, Has.Count.EqualTo(1));
        Assert.That(scene.Issuer.JwksRequests, Is.EqualTo(1));
    }

    [Test]
    public async Task When_everybody_gave_up_the_next_caller_still_has_the_result()
    {
        using var scene = new Scene();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldKeys(scene, gate);
        using var cancellation = new CancellationTokenSource();
        Task<HttpResponseMessage> first = scene.CallAsync(cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThatAsync(() => first, Throws.InstanceOf<OperationCanceledException>());

        Task<HttpResponseMessage> next = scene.CallAsync();
        gate.SetResult();
        using HttpResponseMessage response = await next;

        Assert.That((scene.Reads, scene.Issuer.JwksRequests), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task A_call_that_was_cancelled_before_it_began_looks_for_nothing()
    {
        using var scene = new Scene();
        using var invoker = new HttpMessageInvoker(new M3AuthHandler(scene.Options()) { InnerHandler = scene.Server });
        using var provider = new M3TokenProvider(scene.Options());
        using var request = new HttpRequestMessage(HttpMethod.Get, Scene.Address);
        var cancelled = new CancellationToken(canceled: true);

        using (Assert.EnterMultipleScope())
        {
            await Assert.ThatAsync(() => invoker.SendAsync(request, cancelled), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(() => invoker.Send(request, cancelled), Throws.InstanceOf<OperationCanceledException>());
            await Assert.ThatAsync(async () => await provider.GetTokenAsync(cancelled), Throws.InstanceOf<OperationCanceledException>());
            await Assert.ThatAsync(async () => await provider.RenewTokenAsync(new M3AccessToken("a.b.c"), cancelled), Throws.InstanceOf<OperationCanceledException>());
            Assert.That((scene.Reads, scene.Server.Arrivals.Count), Is.EqualTo((0, 0)));
        }
    }

    [Test]
    public async Task What_belongs_to_all_does_not_run_in_the_first_callers_context()
    {
        var user = new AsyncLocal<string?>();
        string? seen = "nobody looked";
        using var scene = new Scene(options => options.TokenSource = TokenSources.From(_ =>
        {
            seen = user.Value;
            return new(new FakeIssuer().Token(Scene.Noon));
        }));
        user.Value = "the first caller";

        using HttpResponseMessage response = await scene.CallAsync();

        Assert.That(seen, Is.Null);
    }

    [Test]
    public async Task A_source_that_hangs_is_given_up_after_two_minutes()
    {
        using var scene = new Scene(options => options.TokenSource = TokenSources.From(async cancellationToken =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return null;
        }));
        Task<HttpResponseMessage> call = scene.CallAsync();

        scene.Clock.Advance(TimeSpan.FromMinutes(2));

        await Assert.ThatAsync(() => call, Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.Contains("no token within 2 min").And.Property("IsTransient").True);
    }

    [Test]
    public async Task A_disposed_provider_tells_those_who_wait_and_gives_no_token_any_more()
    {
        using var scene = new Scene();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        HoldKeys(scene, gate);
        var provider = new M3TokenProvider(scene.Options());
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
        using var scene = new Scene();
        var provider = new M3TokenProvider(scene.Options());
        M3AccessToken token = await provider.GetTokenAsync();

        provider.Dispose();

        await Assert.ThatAsync(async () => await provider.GetTokenAsync(), Throws.TypeOf<ObjectDisposedException>());
        await Assert.ThatAsync(async () => await provider.RenewTokenAsync(token), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(scene.Reads, Is.EqualTo(1), "its source is left alone");
    }

    private static void HoldKeys(Scene scene, TaskCompletionSource gate)
    {
        Func<HttpRequestMessage, Task<HttpResponseMessage>> answer = scene.Issuer.AnswerJwks;
        scene.Issuer.AnswerJwks = async request =>
        {
            await gate.Task;
            return await answer(request);
        };
    }
}
