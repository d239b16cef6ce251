using System.Net;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary>What sends a failed call again belongs outside: there each try is a call to M3 with a permit and the token of now, as M3 sees it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RetryTests
{
    private static IEnumerable<Retrier> Retriers => Retrier.All;

    [TestCaseSource(nameof(Retriers))]
    public async Task Outside_each_try_takes_a_permit_and_the_token_of_now(Retrier retrier)
    {
        using var app = new BesideFixture(options => options.RateLimitRequests = 3);
        app.AddClient(Side.Outside, retrier.AddTo);
        FailTwice(app, RenewedMeanwhile(app));

        await app.CallAsync();

        Assert.That(app.Server.Arrivals.Select(arrival => arrival.Token), Is.Unique.And.Exactly(3).Items);
        Assert.That(app.Server.Arrivals[^1].Token, Is.EqualTo(app.ClientFixture.Token));
        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(3));
        Assert.That(app.Warnings, Is.Empty);
    }

    [TestCaseSource(nameof(Retriers))]
    public async Task Outside_a_try_that_found_no_connection_costs_nothing(Retrier retrier)
    {
        using var app = new BesideFixture(options => options.RateLimitRequests = 1);
        app.AddClient(Side.Outside, retrier.AddTo);
        FailTwice(app, _ => throw new HttpRequestException(HttpRequestError.ConnectionError));

        await app.CallAsync();

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(3));
        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
    }

    [TestCaseSource(nameof(Retriers))]
    public async Task Outside_the_limit_ends_the_tries(Retrier retrier)
    {
        using var app = new BesideFixture(options => options.RateLimitRequests = 2);
        app.AddClient(Side.Outside, retrier.AddTo);
        FailTwice(app, Unavailable);

        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Outside_a_typed_error_is_never_tried_again([ValueSource(nameof(Retriers))] Retrier retrier, [Values] Refusal refusal)
    {
        int tries = 0;
        using var app = new BesideFixture();
        app.AddClient(Side.Outside, builder =>
        {
            retrier.AddTo(builder);
            builder.AddHandler(new() { OnTheWay = _ => tries++ });
        });
        if (refusal == Refusal.Expired)
            app.Clock.Advance(TimeSpan.FromDays(2));
        else if (refusal == Refusal.NoKeys)
            app.ClientFixture.Issuer.GoDown();
        else
            app.Server.Answer = request => FakeM3.Refuse(request, "Bearer");

        await Assert.ThatAsync(() => app.CallAsync(), Throws.InstanceOf<M3AuthException>());

        Assert.That(tries, Is.EqualTo(1));
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(refusal == Refusal.FromM3 ? 1 : 0));
    }

    [TestCaseSource(nameof(Retriers))]
    public async Task Inside_three_tries_are_one_call_for_the_budget_and_carry_the_token_of_then(Retrier retrier)
    {
        using var app = new BesideFixture(options => options.RateLimitRequests = 1);
        app.AddClient(Side.Inside, retrier.AddTo);
        string first = app.ClientFixture.Token!;
        FailTwice(app, RenewedMeanwhile(app));

        await app.CallAsync();

        Assert.That(app.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([first, first, first]));
        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
    }

    [TestCaseSource(nameof(Retriers))]
    public async Task Inside_the_log_says_so_once_where_it_is_known(Retrier retrier)
    {
        using var app = new BesideFixture();
        app.AddClient(Side.Inside, retrier.AddTo);

        await app.CallAsync();
        await app.CallAsync();

        Assert.That(app.Warnings.Select(line => line.Event.Id), Is.EqualTo(retrier.IsKnown ? (int[])[11] : []));
        Assert.That(app.Warnings.Select(line => line.Text), Is.All.StartsWith("The client 'm3' has ").And.All.Contains("Add it before AddM3Auth"));
    }

    [Test]
    public void A_chain_that_is_built_anew_is_not_warned_of_again()
    {
        using var app = new BesideFixture();
        app.AddClient(Side.Inside, Retrier.All.First().AddTo);
        LastWordOnHandlers ours = app.Provider.GetServices<IHttpMessageHandlerBuilderFilter>().OfType<LastWordOnHandlers>().Single();
        HttpClientFactoryOptions options = app.Provider.GetRequiredService<IOptionsMonitor<HttpClientFactoryOptions>>().Get("m3");

        for (int i = 0; i < 2; i++)
        {
            HttpMessageHandlerBuilder builder = app.Provider.GetRequiredService<HttpMessageHandlerBuilder>();
            builder.Name = "m3";
            ours.Configure(chain => options.HttpMessageHandlerBuilderActions.ToList().ForEach(action => action(chain)))(builder);
        }

        Assert.That(app.Warnings.Select(line => line.Event.Id), Is.EqualTo([11]));
    }

    [TestCaseSource(nameof(Retriers))]
    public async Task Inside_without_a_limit_there_is_nothing_to_say(Retrier retrier)
    {
        using var app = new BesideFixture(options => options.RateLimitEnabled = false);
        app.AddClient(Side.Inside, retrier.AddTo);

        await app.CallAsync();

        Assert.That(app.Warnings, Is.Empty);
    }

    public enum Refusal
    {
        Expired,
        NoKeys,
        FromM3,
    }

    private static HttpResponseMessage Unavailable(HttpRequestMessage request) => new(HttpStatusCode.ServiceUnavailable) { RequestMessage = request };

    private static Func<HttpRequestMessage, HttpResponseMessage> RenewedMeanwhile(BesideFixture app) => request =>
    {
        app.Clock.Advance(TimeSpan.FromSeconds(1));
        app.ClientFixture.Token = app.ClientFixture.NewToken();
        return Unavailable(request);
    };

    private static void FailTwice(BesideFixture app, Func<HttpRequestMessage, HttpResponseMessage> failure) =>
        app.Server.Answer = request => app.Server.Arrivals.Count <= 2 ? failure(request) : new HttpResponseMessage { RequestMessage = request };
}
