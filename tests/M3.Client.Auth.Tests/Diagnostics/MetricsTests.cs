using System.Net;
using System.Runtime.CompilerServices;
using M3.Client.Auth.Tests.Kit;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace M3.Client.Auth.Tests.Diagnostics;

/// <summary>
/// The metrics, as OpenTelemetry's own SDK reads them. It takes meters of one name for one, and the end of any for the end of all: no other
/// container may end beside it.
/// </summary>
[NonParallelizable]
public sealed class MetricsTests
{
    private const string Budget = "server.address=m3.test server.port=443";

    [Test]
    public async Task A_call_is_counted_and_its_state_can_be_read()
    {
        using var observed = new ObservedClient();
        await observed.CallAsync();
        observed.Advance(TimeSpan.FromSeconds(10));
        await observed.CallAsync();

        Assert.That(observed.Collect(), Is.EquivalentTo(new Dictionary<string, double>
        {
            ["m3.client.auth.request.attached"] = 2,
            ["m3.client.auth.token.renewals"] = 1,
            ["m3.client.auth.keys.fetch.duration"] = 1,
            ["m3.client.auth.token.expires_in"] = 1790,
            ["m3.client.auth.keys.age"] = 10,
            ["m3.client.auth.keys.usable"] = 2,
            ["m3.client.auth.keys.ignored"] = 0,
            [$"m3.client.auth.budget.limit {Budget}"] = 100,
            [$"m3.client.auth.budget.used {Budget}"] = 2,
            [$"m3.client.auth.budget.left {Budget}"] = 98,
        }));
    }

    [Test]
    public async Task A_refused_request_is_counted_by_its_error_and_by_who_refused_it()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Token = null;
        await observed.FailAsync();
        observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["aud"] = "others");
        observed.Advance(TimeSpan.FromSeconds(2));
        await observed.FailAsync();
        observed.Fixture.Token = observed.Fixture.NewToken();
        observed.Fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer");
        observed.Advance(TimeSpan.FromSeconds(2));
        await observed.FailAsync();

        IReadOnlyDictionary<string, double> points = observed.Collect();

        Assert.That(points.Where(point => point.Key.Contains("refused", StringComparison.Ordinal)), Is.EquivalentTo(new Dictionary<string, double>
        {
            ["m3.client.auth.request.refused error.type=MissingToken m3.refused_by=client"] = 1,
            ["m3.client.auth.request.refused error.type=InvalidAudience m3.refused_by=client"] = 1,
            ["m3.client.auth.request.refused error.type=Rejected m3.refused_by=server"] = 1,
        }));
        Assert.That(points["m3.client.auth.token.renewals error.type=MissingToken"], Is.EqualTo(1));
    }

    [Test]
    public async Task A_refusal_that_is_returned_rather_than_thrown_counts_as_well()
    {
        using var observed = new ObservedClient(options => options.ThrowOnRejection = false);
        observed.Fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer error=\"insufficient_scope\"", HttpStatusCode.Forbidden);

        await observed.CallAsync();

        Assert.That(observed.Collect(), Does.ContainKey("m3.client.auth.request.refused error.type=MissingScopes m3.refused_by=server"));
    }

    [Test]
    public async Task A_retry_after_401_is_counted_and_so_are_both_sendings()
    {
        using var observed = new ObservedClient();
        observed.Fixture.RefuseUntilRenewed();

        await observed.CallAsync();

        IReadOnlyDictionary<string, double> points = observed.Collect();
        Assert.That(points["m3.client.auth.request.retried"], Is.EqualTo(1));
        Assert.That(points["m3.client.auth.request.attached"], Is.EqualTo(2));
        Assert.That(points["m3.client.auth.token.renewals"], Is.EqualTo(2));
        Assert.That(points.Keys, Has.None.Contains("refused"));
    }

    [Test]
    public async Task A_failed_attempt_to_renew_after_401_is_not_a_second_refusal()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Server.Answer = request =>
        {
            observed.Fixture.Token = null;
            return FakeM3.Refuse(request, "Bearer");
        };

        await observed.FailAsync();

        Assert.That(observed.Collect().Where(point => point.Key.Contains("refused", StringComparison.Ordinal)).Select(point => point.Value).ToArray(), Is.EqualTo((double[])[1]));
    }

    [Test]
    public async Task A_token_request_is_timed_and_says_what_it_failed_with()
    {
        bool isDown = true;
        using var observed = new ObservedClient();
        using var second = new ObservedClient(options => options.TokenSource = TokenSources.From(_ => isDown
            ? throw new HttpRequestException("down")
            : new ValueTask<string?>(observed.Fixture.NewToken())));

        await second.FailAsync();
        isDown = false;
        second.Advance(TimeSpan.FromMinutes(1));
        await second.CallAsync();

        IReadOnlyDictionary<string, double> points = second.Collect();
        Assert.That(points["m3.client.auth.token.request.duration error.type=TokenRequestFailed"], Is.EqualTo(1));
        Assert.That(points["m3.client.auth.token.request.duration"], Is.EqualTo(1));
        Assert.That(observed.Collect().Keys, Has.None.Contains("token.request"), "the other client has asked nobody");
    }

    [Test]
    public async Task A_failed_key_fetch_is_timed_with_its_error()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Issuer.GoDown();

        await observed.FailAsync();

        Assert.That(observed.Collect()["m3.client.auth.keys.fetch.duration error.type=JwksUnavailable"], Is.EqualTo(1));
    }

    [Test]
    public async Task A_wait_for_the_budget_is_timed_and_a_call_that_needs_none_is_not()
    {
        using var observed = new ObservedClient(options => (options.RateLimitRequests, options.RateLimitWindow, options.RateLimitMode) = (1, TimeSpan.FromMinutes(5), RateLimitMode.Wait));
        await observed.CallAsync();
        Assert.That(observed.Collect().Keys, Has.None.Contains("wait"));

        Task waiting = observed.CallAsync();
        await observed.PassTheTurnAsync(waiting);

        Assert.That(observed.Collect()["m3.client.auth.budget.wait.duration"], Is.EqualTo(1));
    }

    [Test]
    public async Task A_wait_that_is_cancelled_is_timed_as_such()
    {
        using var observed = new ObservedClient(options => (options.RateLimitRequests, options.RateLimitWindow, options.RateLimitMode) = (1, TimeSpan.FromMinutes(5), RateLimitMode.Wait));
        await observed.CallAsync();
        using var cancellation = new CancellationTokenSource();
        Task waiting = observed.Client.PostAsync("", new StringContent("{}"), cancellation.Token);
        await KeyCacheFixture.UntilAsync(() => observed.Fixture.Log.Lines.Any(line => line.Event.Name == "WaitingForBudget"), "it waits");
        await cancellation.CancelAsync();

        await Assert.ThatAsync(() => waiting, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(observed.Collect().Keys, Has.Some.StartsWith("m3.client.auth.budget.wait.duration error.type=System."));
    }

    // M3's own pause: whatever the permits say, nothing may go.
    [Test]
    public async Task Nothing_is_left_while_M3_asks_for_a_pause()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Server.Answer = request => FakeM3.AskForPause(request, "30");

        await observed.CallAsync();
        IReadOnlyDictionary<string, double> paused = observed.Collect();
        Assert.That((paused[$"m3.client.auth.budget.left {Budget}"], paused[$"m3.client.auth.budget.used {Budget}"]), Is.EqualTo((0, 1)));
        observed.Advance(TimeSpan.FromSeconds(31));
        Assert.That(observed.Collect()[$"m3.client.auth.budget.left {Budget}"], Is.EqualTo(99));
    }

    [Test]
    public async Task A_failure_that_is_only_told_again_is_no_further_attempt_to_renew()
    {
        int asked = 0;
        using var onDemand = new ObservedClient(options => options.TokenSource = TokenSources.From(_ =>
        {
            asked++;
            throw new HttpRequestException("down");
        }));
        using var polled = new ObservedClient();
        polled.Fixture.Token = null;
        for (int i = 0; i < 5; i++)
        {
            await onDemand.FailAsync();
            await polled.FailAsync();
            polled.Advance(TimeSpan.FromSeconds(2));
        }

        Assert.That((asked, onDemand.Collect()["m3.client.auth.token.renewals error.type=TokenRequestFailed"]), Is.EqualTo((1, 1)));
        Assert.That(polled.Collect()["m3.client.auth.token.renewals error.type=MissingToken"], Is.EqualTo(1));

        onDemand.Advance(TimeSpan.FromMinutes(1));
        await onDemand.FailAsync();
        polled.Fixture.Token = polled.Fixture.NewToken();
        await polled.CallAsync();
        polled.Fixture.Token = null;
        polled.Advance(TimeSpan.FromHours(1));
        await polled.FailAsync();

        Assert.That((asked, onDemand.Collect()["m3.client.auth.token.renewals error.type=TokenRequestFailed"]), Is.EqualTo((2, 2)));
        Assert.That(polled.Collect()["m3.client.auth.token.renewals error.type=MissingToken"], Is.EqualTo(2), "it had a token in between");
    }

    // What gives no answer is found by its duration, too.
    [Test]
    public async Task A_source_that_never_answers_is_timed_and_its_span_ends()
    {
        using var observed = new ObservedClient(options => options.TokenSource = TokenSources.From(_ => new(new TaskCompletionSource<string?>().Task)));
        Task<M3AuthException> failing = observed.FailAsync();

        await KeyCacheFixture.UntilAsync(() =>
        {
            observed.Advance(TimeSpan.FromMinutes(1));
            return failing.IsCompleted;
        }, "its time is up");

        Assert.That((await failing).Error, Is.EqualTo(M3AuthError.TokenRequestFailed));
        await KeyCacheFixture.UntilAsync(() => observed.Collect().ContainsKey("m3.client.auth.token.request.duration error.type=TokenRequestFailed"), "it is timed");
        Assert.That(observed.Activities.Select(activity => activity.OperationName), Does.Contain("m3.request_token"));
    }

    [Test]
    public async Task A_token_whose_expiry_is_not_checked_expires_never()
    {
        using var observed = new ObservedClient(options => options.ValidateLifetime = false);
        observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["exp"] = observed.Fixture.Now.AddMinutes(-5).ToUnixTimeSeconds());

        await observed.CallAsync();

        Assert.That(observed.Collect().Keys, Has.None.Contains("expires_in"));
    }

    // No tag tells them apart, so that OpenTelemetry would keep whichever came last.
    [Test]
    public async Task Of_clients_that_were_built_directly_the_worst_one_is_told()
    {
        List<Metric> metrics = [];
        using MeterProvider provider = Sdk.CreateMeterProviderBuilder().AddMeter("M3.Client.Auth").AddInMemoryExporter(metrics).Build();
        using var first = new ClientFixture();
        using var second = new ClientFixture();
        first.Token = first.NewToken(claims => claims["exp"] = first.Now.AddSeconds(17).ToUnixTimeSeconds());
        (await first.CallAsync()).Dispose();
        (await second.CallAsync()).Dispose();

        provider.ForceFlush();

        foreach (ref readonly MetricPoint point in metrics.Single(metric => metric.Name == "m3.client.auth.token.expires_in").GetMetricPoints())
            Assert.That(point.GetGaugeLastValueDouble(), Is.EqualTo(17).Or.LessThan(17), "another test's may be older");
    }

    [Test]
    public async Task Ignored_keys_are_counted()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Issuer.Keys[0]["use"] = "enc";
        observed.Fixture.Token = observed.Fixture.NewToken(algorithm: "ES256");

        await observed.CallAsync();

        IReadOnlyDictionary<string, double> points = observed.Collect();
        Assert.That((points["m3.client.auth.keys.usable"], points["m3.client.auth.keys.ignored"]), Is.EqualTo((1, 1)));
    }

    // One ends, and OpenTelemetry must not take that for the end of the others' instruments.
    [Test]
    public async Task Clients_that_were_built_directly_do_not_silence_each_other()
    {
        List<Metric> metrics = [];
        using MeterProvider provider = Sdk.CreateMeterProviderBuilder().AddMeter("M3.Client.Auth").AddInMemoryExporter(metrics).Build();
        using var first = new ClientFixture();
        using (var second = new ClientFixture())
            (await second.CallAsync()).Dispose();

        (await first.CallAsync()).Dispose();
        provider.ForceFlush();

        Metric attached = metrics.Single(metric => metric.Name == "m3.client.auth.request.attached");
        long sent = 0;
        foreach (ref readonly MetricPoint point in attached.GetMetricPoints())
            sent += point.GetSumLong();
        Assert.That(sent, Is.GreaterThanOrEqualTo(2));
        Assert.That(metrics.Where(metric => metric.Name == "m3.client.auth.token.expires_in"), Has.Exactly(1).Items);
    }

    [Test]
    public void A_client_that_nobody_disposed_is_not_kept_alive_by_its_metrics()
    {
        WeakReference forgotten = Forget();

        for (int i = 0; i < 10 && forgotten.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.That(forgotten.IsAlive, Is.False);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference Forget()
        {
            using var fixture = new ClientFixture();
            var handler = new M3AuthHandler(fixture.Options()) { InnerHandler = fixture.Server };
            new HttpMessageInvoker(handler, disposeHandler: false).Send(new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address), default).Dispose();
            return new WeakReference(handler);
        }
    }
}
