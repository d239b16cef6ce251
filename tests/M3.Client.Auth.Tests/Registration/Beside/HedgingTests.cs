using System.Net.Http.Json;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http.Resilience;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary><c>AddStandardHedgingHandler</c> sends a slow call once more while the first is under way: M3 counts both.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class HedgingTests
{
    [Test]
    public async Task Outside_each_send_takes_a_permit_and_carries_the_token([Values] bool json)
    {
        using var line = new FirstOfThree();
        using var app = new BesideFixture(options => options.RateLimitRequests = 3) { Line = line };
        app.AddClient(Side.Outside, Hedge);

        using HttpContent content = json ? JsonContent.Create(new { method = "tools/call" }) : new StringContent("{}");
        (await app.Client().PostAsync(ClientFixture.Address, content)).Dispose();

        Assert.That(app.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo(Enumerable.Repeat(app.ClientFixture.Token, 3)));
        Assert.That(app.Warnings, Is.Empty);
        // M3 may have counted those that were called off, too.
        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(3));
        // And forgets them: no permit is lost.
        app.Clock.Advance(TimeSpan.FromHours(1) + AnswerEnd.Grace);
        (await app.Client().PostAsync(ClientFixture.Address, null)).Dispose();
        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(6));
    }

    // A refusal is an answer as good as any to hedging.
    [Test]
    public async Task Outside_a_send_beyond_the_limit_ends_the_call_although_another_is_under_way()
    {
        using var line = new FirstOfThree();
        using var app = new BesideFixture(options => options.RateLimitRequests = 2) { Line = line };
        app.AddClient(Side.Outside, Hedge);
        // With the token at hand each send is on its way before the next begins; the refusal would call off one that still waits for the keys.
        await app.Provider.GetRequiredKeyedService<IM3TokenProvider>("m3").GetTokenAsync();

        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());

        Assert.That(app.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Inside_three_sends_are_one_call_for_the_budget_and_the_log_says_so()
    {
        using var line = new FirstOfThree();
        using var app = new BesideFixture(options => options.RateLimitRequests = 1) { Line = line };
        app.AddClient(Side.Inside, Hedge);

        await app.CallAsync();

        Assert.That(app.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo(Enumerable.Repeat(app.ClientFixture.Token, 3)));
        Assert.That(app.Warnings.Select(line => line.Event.Id), Is.EqualTo([11]));
        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<RateLimitExceededException>());
    }

    [Test]
    public async Task A_send_to_another_server_does_not_take_the_token_along([Values] Side side)
    {
        using var app = new BesideFixture(options => options.AllowedOrigins.Add(ClientFixture.Address));
        app.AddClient(side, builder => builder.AddStandardHedgingHandler(routing => routing.ConfigureOrderedGroups(options =>
            options.Groups.Add(new UriEndpointGroup { Endpoints = [new WeightedUriEndpoint { Uri = new Uri("https://replica.test") }] }))));

        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("https://replica.test:443"));

        Assert.That(app.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task A_send_to_another_server_that_is_allowed_does([Values] Side side)
    {
        using var app = new BesideFixture(options =>
        {
            options.AllowedOrigins.Add(ClientFixture.Address);
            options.AllowedOrigins.Add(new Uri("https://replica.test"));
        });
        app.AddClient(side, builder => builder.AddStandardHedgingHandler(routing => routing.ConfigureOrderedGroups(options =>
            options.Groups.Add(new UriEndpointGroup { Endpoints = [new WeightedUriEndpoint { Uri = new Uri("https://replica.test") }] }))));

        await app.CallAsync();

        Assert.That(app.Server.Arrivals.Select(arrival => (arrival.Url!.Host, arrival.Token)), Is.EqualTo([("replica.test", app.ClientFixture.Token)]));
    }

    private static void Hedge(IHttpClientBuilder builder) => builder.AddStandardHedgingHandler().Configure(options =>
        (options.Hedging.MaxHedgedAttempts, options.Hedging.Delay) = (2, TimeSpan.Zero));

    /// <summary>Holds what arrives until there are three, and answers the last; the others are called off.</summary>
    private sealed class FirstOfThree : DelegatingHandler
    {
        private int _arrived;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            HttpResponseMessage response = await base.SendAsync(request, cancellationToken);
            if (Interlocked.Increment(ref _arrived) % 3 != 0)
                await Task.Delay(Timeout.Infinite, cancellationToken);
            return response;
        }
    }
}
