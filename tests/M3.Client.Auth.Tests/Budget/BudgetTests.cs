using System.Globalization;
using System.Net;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Budget;

/// <summary>M3's rate limit, kept here: by default 100 requests within any hour, per subject.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class BudgetTests
{
    [Test]
    public async Task The_101st_call_within_an_hour_is_refused_with_the_exact_time_to_wait_and_goes_when_the_oldest_leaves()
    {
        using var fixture = new ClientFixture();
        fixture.Token = fixture.NewToken(claims => claims["exp"] = fixture.Now.AddHours(3).ToUnixTimeSeconds());
        for (int i = 0; i < 100; i++)
        {
            (await fixture.CallAsync()).Dispose();
            fixture.Clock.Advance(TimeSpan.FromSeconds(10));
        }

        // The oldest went at 12:00:00; it is 12:16:40 now.
        RateLimitExceededException error = await fixture.FailAsync<RateLimitExceededException>();
        Assert.That(error.RetryAfter, Is.EqualTo(new TimeSpan(0, 43, 20)));
        Assert.That(error.Message, Is.EqualTo("Rate limit exceeded: limit of 100 per 60 min reached; retry after 43 min"));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(100));

        fixture.Clock.Advance(error.RetryAfter!.Value - TimeSpan.FromTicks(1));
        Assert.That((await fixture.FailAsync<RateLimitExceededException>()).RetryAfter, Is.EqualTo(TimeSpan.FromTicks(1)));

        // The oldest leaves the window: one may go, and the next in ten seconds.
        fixture.Clock.Advance(TimeSpan.FromTicks(1));
        (await fixture.CallAsync()).Dispose();
        Assert.That((await fixture.FailAsync<RateLimitExceededException>()).RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(10)));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(101));
    }

    [Test]
    public async Task A_limit_of_one_lets_one_through_in_each_window()
    {
        using var fixture = new ClientFixture(options => (options.RateLimitRequests, options.RateLimitWindow) = (1, TimeSpan.FromSeconds(10)));

        for (int i = 0; i < 5; i++)
        {
            (await fixture.CallAsync()).Dispose();
            Assert.That((await fixture.FailAsync<RateLimitExceededException>()).RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(10)));
            fixture.Clock.Advance(TimeSpan.FromSeconds(10));
        }

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(5));
    }

    [Test]
    public async Task Each_subject_has_a_budget_of_its_own_and_finds_it_again()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        string one = fixture.NewToken(claims => claims["sub"] = "one");
        string two = fixture.NewToken(claims => claims["sub"] = "two");

        foreach (string token in (string[])[one, two])
        {
            Use(fixture, token);
            (await fixture.CallAsync()).Dispose();
        }

        foreach (string token in (string[])[one, two])
        {
            Use(fixture, token);
            await fixture.FailAsync<RateLimitExceededException>();
        }
    }

    [Test]
    public async Task A_renewed_token_of_the_same_subject_has_the_same_budget()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        (await fixture.CallAsync()).Dispose();

        Use(fixture, fixture.NewToken());

        await fixture.FailAsync<RateLimitExceededException>();
    }

    [Test]
    public async Task Tokens_without_a_subject_share_one_budget()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 2);

        foreach (string issuedTo in (string[])["a", "b"])
        {
            Use(fixture, fixture.NewToken(claims =>
            {
                claims.Remove("sub");
                claims["azp"] = issuedTo;
            }));
            (await fixture.CallAsync()).Dispose();
        }

        await fixture.FailAsync<RateLimitExceededException>();
    }

    [Test]
    public async Task A_refused_token_uses_up_nothing()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        string good = fixture.Token!;
        fixture.Token = fixture.NewToken(claims => claims["exp"] = 1);
        for (int i = 0; i < 5; i++)
            await fixture.FailAsync<TokenExpiredException>();

        Use(fixture, good);

        (await fixture.CallAsync()).Dispose();
    }

    [Test]
    public async Task An_untrusted_origin_uses_up_nothing()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        for (int i = 0; i < 5; i++)
            await Assert.ThatAsync(() => fixture.Client.GetAsync(new Uri("https://other.test")), Throws.TypeOf<UntrustedOriginException>());

        (await fixture.CallAsync()).Dispose();
    }

    [Test]
    public async Task The_one_repetition_after_a_401_is_free()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 2);
        fixture.RefuseUntilRenewed();

        (await fixture.CallAsync()).Dispose();
        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(3));
        await fixture.FailAsync<RateLimitExceededException>();
    }

    [Test]
    public async Task Switched_off_there_is_no_limit()
    {
        using var fixture = new ClientFixture(options => (options.RateLimitEnabled, options.RateLimitRequests) = (false, 1));

        for (int i = 0; i < 5; i++)
            (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(5));
    }

    // MCP's housekeeping is free: M3 counts tool calls.
    [TestCase("POST", null, null, true)]
    [TestCase("POST", "tools/call", null, true)]
    [TestCase("POST", "tools/call", "session", true)]
    [TestCase("POST", null, "session", true)]
    [TestCase("POST", "initialize", null, false)]
    [TestCase("POST", "tools/list", "session", false)]
    [TestCase("POST", "notifications/initialized", "session", false)]
    [TestCase("POST", "Tools/Call", null, false)]
    [TestCase("GET", null, null, false)]
    [TestCase("GET", null, "session", false)]
    [TestCase("GET", "tools/list", null, false)]
    [TestCase("GET", "tools/call", null, true)]
    [TestCase("DELETE", null, null, false)]
    [TestCase("DELETE", null, "session", false)]
    [TestCase("PUT", null, "session", true)]
    public async Task What_M3_counts_is_counted(string method, string? mcpMethod, string? session, bool isCounted)
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        using (var request = new HttpRequestMessage(new HttpMethod(method), ClientFixture.Address))
        {
            if (mcpMethod is not null)
                request.Headers.Add("Mcp-Method", mcpMethod);
            if (session is not null)
                request.Headers.Add("Mcp-Session-Id", session);
            (await fixture.Client.SendAsync(request)).Dispose();
        }

        if (isCounted)
            await fixture.FailAsync<RateLimitExceededException>();
        else
            (await fixture.CallAsync()).Dispose();
    }

    [Test]
    public async Task Housekeeping_goes_even_when_the_budget_is_used_up()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        (await fixture.CallAsync()).Dispose();
        using var request = new HttpRequestMessage(HttpMethod.Delete, ClientFixture.Address);
        request.Headers.Add("Mcp-Session-Id", "session");

        (await fixture.Client.SendAsync(request)).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2).And.All.Property("Token").EqualTo(fixture.Token));
    }

    [Test]
    public async Task Many_calls_at_once_send_exactly_the_limit()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 100);
        (await fixture.CallAsync()).Dispose();
        int refused = 0;

        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 16 }, _ =>
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
                fixture.Client.Send(request).Dispose();
            }
            catch (RateLimitExceededException)
            {
                Interlocked.Increment(ref refused);
            }
        });

        Assert.That((fixture.Server.Arrivals.Count, refused), Is.EqualTo((100, 301)));
    }

    // RFC 9110, section 10.2.3: a number of seconds, or a date. No slip of the server's silences its client for longer than a window.
    [TestCase("20", "00:00:15")]
    [TestCase("Mon, 23 Nov 2026 12:00:20 GMT", "00:00:15")]
    [TestCase("7200", "00:59:55")]
    [TestCase("Tue, 24 Nov 2026 12:00:00 GMT", "00:59:55")]
    public async Task M3s_own_Retry_After_is_kept_as_a_pause(string retryAfter, string leftAfterFiveSeconds)
    {
        using var fixture = new ClientFixture();
        fixture.Server.Answer = request => FakeM3.AskForPause(request, retryAfter);
        using HttpResponseMessage answer = await fixture.CallAsync();
        Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests));

        fixture.Clock.Advance(TimeSpan.FromSeconds(5));

        Assert.That((await fixture.FailAsync<RateLimitExceededException>()).RetryAfter, Is.EqualTo(TimeSpan.Parse(leftAfterFiveSeconds, CultureInfo.InvariantCulture)));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Category("ManyRounds")]
    [Test]
    public void Of_two_pauses_that_come_at_once_the_longer_one_stays()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UnixEpoch);
        InProcessPermitPool[] pools = [.. Enumerable.Range(0, 20_000).Select(_ => new InProcessPermitPool("https://m3.test:443", 100, TimeSpan.FromHours(1), clock))];

        int rounds = Together.RunRounds(pools.Length, Pause(seconds: 20), Pause(seconds: 30));

        foreach (InProcessPermitPool pool in pools.Take(rounds))
        {
            PermitResult refused = pool.AcquireAsync("subject", 1, onWait: null, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            Assert.That(refused, Is.EqualTo(new PermitResult(null, TimeSpan.FromSeconds(30), IsPaused: true)));
        }

        Action<int> Pause(int seconds) => round => pools[round].Pause(TimeSpan.FromSeconds(seconds));
    }

    [Test]
    public async Task A_pause_is_called_a_pause_and_a_full_window_that_lasts_longer_a_full_window()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 2);
        fixture.Server.Answer = request => FakeM3.AskForPause(request, "20");
        (await fixture.CallAsync()).Dispose();

        RateLimitExceededException paused = await fixture.FailAsync<RateLimitExceededException>();
        Assert.That(paused.Message, Is.EqualTo("Rate limit exceeded: M3 asked for a pause (Retry-After); retry after 20 s"));

        fixture.Clock.Advance(TimeSpan.FromSeconds(20));
        (await fixture.CallAsync()).Dispose();
        RateLimitExceededException both = await fixture.FailAsync<RateLimitExceededException>();
        Assert.That(both.RetryAfter, Is.EqualTo(new TimeSpan(0, 59, 40)));
        Assert.That(both.Message, Does.Contain("limit of 2 per 60 min reached"));
    }

    [TestCase("0")]
    [TestCase("Mon, 23 Nov 2026 11:59:00 GMT")]
    [TestCase("soon")]
    public async Task A_Retry_After_that_asks_for_nothing_is_no_pause(string retryAfter)
    {
        using var fixture = new ClientFixture();
        fixture.Server.Answer = request => FakeM3.AskForPause(request, retryAfter);

        for (int i = 0; i < 2; i++)
        {
            using HttpResponseMessage answer = await fixture.CallAsync();
            Assert.That(answer.StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests));
        }
    }

    // A polled source is looked at again a second later.
    private static void Use(ClientFixture fixture, string token)
    {
        fixture.Token = token;
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
    }
}
