using System.Net.Http.Headers;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Origins;

/// <summary>A retry policy outside sends the same message again, with the header that this library attached the first time.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RepeatedMessageTests
{
    [Test]
    public async Task The_same_message_sent_again_carries_the_token_of_now()
    {
        using var fixture = new ClientFixture();
        using HttpMessageInvoker invoker = Invoker(fixture);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        string first = fixture.Token!;
        (await invoker.SendAsync(request, default)).Dispose();

        string second = Renew(fixture);
        (await invoker.SendAsync(request, default)).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([first, second]));
        Assert.That(fixture.Log.Warnings, Is.Empty);
    }

    [TestCase(1)]
    [TestCase(2)]
    public async Task A_clone_with_the_header_copied_as_text_carries_the_token_of_now(int renewals)
    {
        using var fixture = new ClientFixture();
        using HttpMessageInvoker invoker = Invoker(fixture);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (await invoker.SendAsync(request, default)).Dispose();

        for (int i = 0; i < renewals; i++)
        {
            Renew(fixture);
            using HttpRequestMessage clone = Clone(request);
            (await invoker.SendAsync(clone, default)).Dispose();
            request.Headers.Authorization = AuthenticationHeaderValue.Parse(clone.Headers.Authorization!.ToString());
        }

        Assert.That(fixture.Server.Arrivals[^1].Token, Is.EqualTo(fixture.Token));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(renewals + 1));
        Assert.That(fixture.Log.Warnings, Is.Empty);
    }

    [TestCase(3)]
    [TestCase(10)]
    public async Task A_clone_of_a_message_that_waited_through_several_renewals_carries_the_token_of_now_too(int renewals)
    {
        using var fixture = new ClientFixture();
        using HttpMessageInvoker invoker = Invoker(fixture);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (await invoker.SendAsync(request, default)).Dispose();
        for (int i = 0; i < renewals; i++)
        {
            Renew(fixture);
            using var other = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
            (await invoker.SendAsync(other, default)).Dispose();
        }

        using HttpRequestMessage clone = Clone(request);
        (await invoker.SendAsync(clone, default)).Dispose();

        Assert.That(fixture.Server.Arrivals[^1].Token, Is.EqualTo(fixture.Token));
        Assert.That(fixture.Log.Warnings, Is.Empty);
    }

    [Test]
    public async Task A_clone_that_was_moved_elsewhere_does_not_take_an_old_token_along()
    {
        using var fixture = new ClientFixture();
        using HttpMessageInvoker invoker = Invoker(fixture);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (await invoker.SendAsync(request, default)).Dispose();
        for (int i = 0; i < 3; i++)
        {
            Renew(fixture);
            using var other = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
            (await invoker.SendAsync(other, default)).Dispose();
        }

        using HttpRequestMessage clone = Clone(request);
        clone.RequestUri = new Uri("https://evil.test/");

        await Assert.ThatAsync(() => invoker.SendAsync(clone, default), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Url), Is.All.EqualTo(ClientFixture.Address));
    }

    [Test]
    public async Task Users_who_take_turns_do_not_make_each_others_clones_foreign()
    {
        using var server = new FakeM3();
        using var log = new RecordingLoggerFactory();
        var tokens = new FixedTokenProvider();
        using var invoker = new HttpMessageInvoker(new M3AuthHandler(tokens, new M3AuthOptions(), log) { InnerHandler = server });
        HttpRequestMessage[] requests = [.. Enumerable.Range(0, 5).Select(_ => new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address))];
        for (int i = 0; i < requests.Length; i++)
        {
            tokens.Token = new M3AccessToken($"token.of.user-{i}", subject: $"user-{i}");
            (await invoker.SendAsync(requests[i], default)).Dispose();
        }

        using HttpRequestMessage clone = Clone(requests[0]);
        (await invoker.SendAsync(clone, default)).Dispose();

        Assert.That(server.Arrivals[^1].Token, Is.EqualTo("token.of.user-4"), "whoever is the user now");
        Assert.That(log.Warnings, Is.Empty);
        Array.ForEach(requests, request => request.Dispose());
    }

    [Test]
    public async Task A_clone_is_recognised_after_another_call_sent_the_renewed_token()
    {
        using var fixture = new ClientFixture();
        using HttpMessageInvoker invoker = Invoker(fixture);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        using var other = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (await invoker.SendAsync(request, default)).Dispose();
        string second = Renew(fixture);
        (await invoker.SendAsync(other, default)).Dispose();

        using HttpRequestMessage clone = Clone(request);
        (await invoker.SendAsync(clone, default)).Dispose();

        Assert.That(fixture.Server.Arrivals[^1].Token, Is.EqualTo(second));
        Assert.That(fixture.Log.Warnings, Is.Empty);
    }

    [Test]
    public async Task A_clone_of_a_message_whose_token_was_replaced_after_a_401_carries_the_token_of_now()
    {
        using var fixture = new ClientFixture();
        using HttpMessageInvoker invoker = Invoker(fixture);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        string refused = fixture.Token!;
        fixture.Server.Answer = received =>
        {
            if (received.Headers.Authorization!.Parameter != refused)
                return new HttpResponseMessage { RequestMessage = received };
            fixture.Token = fixture.NewToken();
            return FakeM3.Refuse(received, "Bearer");
        };
        (await invoker.SendAsync(request, default)).Dispose();

        using HttpRequestMessage clone = Clone(request);
        (await invoker.SendAsync(clone, default)).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([refused, fixture.Token, fixture.Token]));
    }

    [Test]
    public async Task Each_repetition_counts_against_the_budget_as_M3_counts_it()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 2);
        using HttpMessageInvoker invoker = Invoker(fixture);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (await invoker.SendAsync(request, default)).Dispose();
        (await invoker.SendAsync(request, default)).Dispose();

        await Assert.ThatAsync(() => invoker.SendAsync(request, default), Throws.TypeOf<RateLimitExceededException>());

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task A_message_that_was_moved_elsewhere_meanwhile_does_not_take_the_token_along()
    {
        using var fixture = new ClientFixture();
        using HttpMessageInvoker invoker = Invoker(fixture);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (await invoker.SendAsync(request, default)).Dispose();

        request.RequestUri = new Uri("https://evil.test/");

        await Assert.ThatAsync(() => invoker.SendAsync(request, default), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Url), Is.EqualTo([ClientFixture.Address]));
    }

    [Test]
    public async Task A_message_that_another_registration_authenticated_gets_this_ones_token()
    {
        using var one = new ClientFixture();
        using var other = new ClientFixture { Token = new FakeIssuer().Token(ClientFixture.Noon, claims => claims["sub"] = "other") };
        using HttpMessageInvoker first = Invoker(one);
        using HttpMessageInvoker second = Invoker(other);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (await first.SendAsync(request, default)).Dispose();

        (await second.SendAsync(request, default)).Dispose();

        Assert.That(other.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(other.Token));
    }

    private static HttpMessageInvoker Invoker(ClientFixture fixture) => new(new M3AuthHandler(fixture.Options(), fixture.Log) { InnerHandler = fixture.Server });

    private static string Renew(ClientFixture fixture)
    {
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        return fixture.Token = fixture.NewToken();
    }

    private static HttpRequestMessage Clone(HttpRequestMessage request)
    {
        var clone = new HttpRequestMessage(request.Method, request.RequestUri);
        foreach ((string name, IEnumerable<string> values) in request.Headers)
            clone.Headers.TryAddWithoutValidation(name, values);
        return clone;
    }
}
