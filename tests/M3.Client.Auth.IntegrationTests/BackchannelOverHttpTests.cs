using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>The built-in way to the issuer.</summary>
public sealed class BackchannelOverHttpTests
{
    private TestIssuer _issuer = null!;

    [SetUp]
    public async Task StartAsync() => _issuer = await TestIssuer.StartAsync();

    [TearDown]
    public async Task StopAsync() => await _issuer.DisposeAsync();

    [Test]
    public async Task An_issuer_that_answers_503_once_is_asked_again_within_the_same_call()
    {
        _issuer.Misbehave = OnFirst(context => context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable);
        using var tokens = new M3TokenProvider(_issuer.OptionsWith(_issuer.CreateToken()));

        Assert.That((await tokens.GetTokenAsync()).KeyId, Is.EqualTo("test-key"));
        Assert.That((_issuer.DiscoveryCount, _issuer.JwksCount), Is.EqualTo((2, 1)));
    }

    [Test]
    public async Task An_issuer_that_drops_the_connection_once_is_asked_again_within_the_same_call()
    {
        _issuer.Misbehave = OnFirst(context => context.Abort());
        using var tokens = new M3TokenProvider(_issuer.OptionsWith(_issuer.CreateToken()));

        Assert.That((await tokens.GetTokenAsync()).KeyId, Is.EqualTo("test-key"));
        Assert.That((_issuer.DiscoveryCount, _issuer.JwksCount), Is.EqualTo((2, 1)));
    }

    [Test]
    public async Task An_issuer_that_stays_down_is_asked_three_times_and_then_JwksUnavailable()
    {
        _issuer.Misbehave = (context, _) =>
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.FromResult(true);
        };
        using var tokens = new M3TokenProvider(_issuer.OptionsWith(_issuer.CreateToken()));

        var error = (await Assert.ThrowsAsync<JwksUnavailableException>(() => tokens.GetTokenAsync().AsTask()))!;

        Assert.That(error.Message, Does.Contain("answered 503"));
        Assert.That(error.IsTransient);
        Assert.That(_issuer.Arrivals, Has.Count.EqualTo(3));

        await Assert.ThatAsync(() => tokens.GetTokenAsync().AsTask(), Throws.TypeOf<JwksUnavailableException>());
        Assert.That(_issuer.Arrivals, Has.Count.EqualTo(3), "it is left alone for a moment");
    }

    [Test]
    public async Task An_issuer_that_does_not_answer_is_JwksUnavailable_after_five_seconds()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
        _issuer.Misbehave = async (context, _) =>
        {
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        M3AuthOptions options = _issuer.OptionsWith(_issuer.CreateToken());
        options.TimeProvider = clock;
        using var tokens = new M3TokenProvider(options);

        Task<M3AccessToken> call = tokens.GetTokenAsync().AsTask();
        await _issuer.FirstArrival;
        clock.Advance(TimeSpan.FromSeconds(4.9));
        Assert.That(call.IsCompleted, Is.False);
        clock.Advance(TimeSpan.FromSeconds(0.2));

        var error = (await Assert.ThrowsAsync<JwksUnavailableException>(() => call))!;
        Assert.That(error.Message, Does.Contain("within 5 s"));
    }

    [Test]
    public async Task A_caller_that_gives_up_waiting_leaves_the_fetch_to_the_others()
    {
        var release = new TaskCompletionSource();
        _issuer.Misbehave = async (_, _) =>
        {
            await release.Task;
            return false;
        };
        using var tokens = new M3TokenProvider(_issuer.OptionsWith(_issuer.CreateToken()));
        using var impatient = new CancellationTokenSource();

        Task<M3AccessToken> first = tokens.GetTokenAsync(impatient.Token).AsTask();
        Task<M3AccessToken> second = tokens.GetTokenAsync().AsTask();
        await _issuer.FirstArrival;
        await impatient.CancelAsync();

        await Assert.ThatAsync(() => first, Throws.InstanceOf<OperationCanceledException>());
        release.SetResult();
        Assert.That((await second).KeyId, Is.EqualTo("test-key"));
        Assert.That((_issuer.DiscoveryCount, _issuer.JwksCount), Is.EqualTo((1, 1)));
    }

    [Test]
    public async Task A_redirect_of_the_issuer_to_another_origin_is_not_followed()
    {
        await using RecordingServer stranger = await RecordingServer.StartAsync();
        _issuer.Misbehave = (context, _) =>
        {
            context.Response.Redirect(stranger.Address.AbsoluteUri);
            return Task.FromResult(true);
        };
        using var tokens = new M3TokenProvider(_issuer.OptionsWith(_issuer.CreateToken()));

        var error = (await Assert.ThrowsAsync<JwksUnavailableException>(() => tokens.GetTokenAsync().AsTask()))!;

        Assert.That(error.Message, Does.Contain("redirects to another origin"));
        Assert.That(stranger.Arrivals, Is.Empty);
    }

    private static Func<HttpContext, int, Task<bool>> OnFirst(Action<HttpContext> misbehave) => (context, arrived) =>
    {
        if (arrived == 1)
            misbehave(context);
        return Task.FromResult(arrived == 1);
    };
}
