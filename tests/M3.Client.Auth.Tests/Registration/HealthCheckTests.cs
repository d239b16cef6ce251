using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace M3.Client.Auth.Tests.Registration;

/// <summary><c>AddHealthChecks().AddM3Auth("m3")</c>.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class HealthCheckTests
{
    [Test]
    public async Task With_a_valid_token_it_is_healthy_and_tells_what_it_knows()
    {
        using var observed = new ObservedClient();
        await observed.CallAsync();

        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That((entry.Status, entry.Description), Is.EqualTo((HealthStatus.Healthy, "Calls can go out.")));
        Assert.That(entry.Data, Is.EquivalentTo(new Dictionary<string, object>
        {
            ["client"] = observed.Name,
            ["token.expires_at"] = "2026-11-23 12:30:00Z",
            ["token.expires_in"] = 1800.0,
            ["keys.state"] = "Fresh",
            ["keys.usable"] = 2,
            ["keys.ignored"] = 0,
            ["keys.fresh_until"] = "2026-11-23 13:00:00Z",
            ["budget.host"] = "m3.test",
            ["budget.left"] = 99,
            ["budget.limit"] = 100,
            ["budget.window_seconds"] = 3600.0,
        }));
    }

    [Test]
    public async Task Without_a_token_no_call_could_go_out()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Token = null;

        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That(entry.Status, Is.EqualTo(HealthStatus.Unhealthy));
        Assert.That(entry.Description, Does.StartWith("No call can go out: Missing OAuth2 access token: looked in ").And.Contains("Set M3_OAUTH2_TOKEN"));
        Assert.That(entry.Data["error.type"], Is.EqualTo("MissingToken"));
        Assert.That(entry.Exception, Is.Null);
    }

    [Test]
    public async Task An_expired_token_and_one_for_others_are_unhealthy_too()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["exp"] = observed.Fixture.Now.AddSeconds(-1).ToUnixTimeSeconds());
        Assert.That((await observed.CheckHealthAsync()).Data["error.type"], Is.EqualTo("TokenExpired"));

        observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["aud"] = "others");
        observed.Advance(TimeSpan.FromSeconds(2));
        Assert.That((await observed.CheckHealthAsync()).Data["error.type"], Is.EqualTo("InvalidAudience"));
    }

    [Test]
    public async Task With_the_issuer_down_from_the_start_it_is_unhealthy()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Issuer.GoDown();

        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That((entry.Status, entry.Data["error.type"], entry.Data["keys.state"]), Is.EqualTo((HealthStatus.Unhealthy, "JwksUnavailable", "Empty")));
    }

    // What is only looked at has to be put there by somebody, who wants to know in time.
    [Test]
    public async Task A_token_that_nobody_renews_is_degraded_in_its_last_five_minutes()
    {
        using var observed = new ObservedClient();
        observed.Advance(TimeSpan.FromMinutes(24.9));
        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));

        observed.Advance(TimeSpan.FromMinutes(0.2));
        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That(entry.Status, Is.EqualTo(HealthStatus.Degraded));
        Assert.That(entry.Description, Is.EqualTo("The token expires in 5 min, and its source has no newer one: somebody has to put it there"));
    }

    [Test]
    public async Task A_short_token_is_degraded_in_the_last_fifth_of_its_life_only()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["exp"] = observed.Fixture.Now.AddMinutes(5).ToUnixTimeSeconds());
        observed.Advance(TimeSpan.FromMinutes(3.9));
        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));

        observed.Advance(TimeSpan.FromMinutes(0.2));
        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Degraded));
    }

    [Test]
    public async Task The_margin_can_be_set()
    {
        using var observed = new ObservedClient(addHealth: (checks, name) => checks.AddM3Auth(name, expiryMargin: TimeSpan.FromMinutes(20)));
        observed.Advance(TimeSpan.FromMinutes(11));

        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Degraded));
    }

    [Test]
    public async Task A_token_that_renews_itself_is_degraded_only_once_that_has_failed()
    {
        bool isDown = false;
        using var other = new ClientFixture();
        using var observed = new ObservedClient(options => options.TokenSource = TokenSources.From(_ => isDown
            ? throw new HttpRequestException("down")
            : new ValueTask<string?>(other.Token)), (checks, name) => checks.AddM3Auth(name, expiryMargin: TimeSpan.FromMinutes(10)));
        await observed.CallAsync();
        observed.Advance(TimeSpan.FromMinutes(25));
        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy), "five minutes are left, and it will be renewed");

        isDown = true;
        observed.Advance(TimeSpan.FromMinutes(4.2));
        await observed.CallAsync();
        await KeyCacheFixture.UntilAsync(() => observed.Fixture.Log.Warnings.Any(), "the renewal has failed");

        HealthReportEntry entry = await observed.CheckHealthAsync();
        Assert.That((entry.Status, entry.Description), Is.EqualTo((HealthStatus.Degraded, "The token expires in 48 s, and could not be renewed")));
    }

    [Test]
    public async Task Stale_keys_are_degraded_and_say_why()
    {
        using var observed = new ObservedClient();
        await observed.CallAsync();
        observed.Fixture.Issuer.GoDown();
        observed.Advance(TimeSpan.FromMinutes(61));
        observed.Fixture.Token = observed.Fixture.NewToken();

        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That((entry.Status, entry.Data["keys.state"]), Is.EqualTo((HealthStatus.Degraded, "Stale")));
        Assert.That(entry.Description, Does.StartWith("The issuer's keys are stale, and used until 2026-11-24 13:00:00Z at the latest: "));
    }

    [Test]
    public async Task A_budget_below_the_margin_is_degraded_and_a_spent_one_unhealthy()
    {
        using var observed = new ObservedClient(options => options.RateLimitRequests = 10, (checks, name) => checks.AddM3Auth(name, budgetMargin: 0.3));
        for (int i = 0; i < 7; i++)
            await observed.CallAsync();
        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy), "3 of 10 are left");

        await observed.CallAsync();
        HealthReportEntry low = await observed.CheckHealthAsync();
        await observed.CallAsync();
        await observed.CallAsync();
        HealthReportEntry spent = await observed.CheckHealthAsync();

        Assert.That((low.Status, low.Description), Is.EqualTo((HealthStatus.Degraded, "2 of 10 calls to m3.test are left within 60 min")));
        Assert.That((spent.Status, spent.Description), Is.EqualTo((HealthStatus.Unhealthy, "No call can go out: 0 of 10 calls to m3.test are left within 60 min")));
    }

    [Test]
    public async Task A_spent_budget_that_calls_wait_for_is_degraded()
    {
        using var observed = new ObservedClient(options => (options.RateLimitRequests, options.RateLimitMode) = (1, RateLimitMode.Wait),
            (checks, name) => checks.AddM3Auth(name, budgetMargin: 0));
        await observed.CallAsync();

        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Degraded));
    }

    [Test]
    public async Task One_spent_origin_of_two_is_degraded_since_calls_to_the_other_go_and_two_are_unhealthy()
    {
        using var observed = new ObservedClient(options =>
        {
            options.RateLimitRequests = 1;
            options.AllowedOrigins.Add(ClientFixture.Address);
            options.AllowedOrigins.Add(new Uri("https://second.test"));
        });
        await observed.CallAsync();
        HealthReportEntry one = await observed.CheckHealthAsync();
        (await observed.Client.PostAsync("https://second.test/", new StringContent("{}"))).Dispose();
        HealthReportEntry both = await observed.CheckHealthAsync();

        Assert.That((one.Status, one.Description), Is.EqualTo((HealthStatus.Degraded, "0 of 1 calls to m3.test are left within 60 min")));
        Assert.That((both.Status, both.Description), Is.EqualTo((HealthStatus.Unhealthy,
            "No call can go out: 0 of 1 calls to m3.test are left within 60 min; 0 of 1 calls to second.test are left within 60 min")));
    }

    [Test]
    public async Task The_budget_is_the_one_of_the_next_calls_subject()
    {
        using var observed = new ObservedClient(options => options.RateLimitRequests = 1);
        await observed.CallAsync();
        observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["sub"] = "somebody else");
        observed.Advance(TimeSpan.FromSeconds(2));

        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Healthy));
        await observed.CallAsync();
        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Unhealthy));
    }

    // Who the next call is for only the application knows.
    [Test]
    public async Task A_spent_budget_of_a_provider_of_the_applications_own_is_degraded_only()
    {
        using var observed = new ObservedClient(options => options.RateLimitRequests = 1, addOthers: (services, name, fixture) =>
            services.AddKeyedSingleton<IM3TokenProvider>(name, (_, _) => new UsersInTurn(fixture)));
        await observed.CallAsync();

        Assert.That((await observed.CheckHealthAsync()).Status, Is.EqualTo(HealthStatus.Degraded));
        await observed.CallAsync();
    }

    [Test]
    public async Task A_pause_that_M3_asked_for_is_named_and_the_window_is_the_pools()
    {
        var shared = M3SharedState.CreateInProcess();
        using var sender = new ObservedClient(options => (options.SharedState, options.RateLimitWindow) = (shared, TimeSpan.FromHours(2)));
        await sender.CallAsync();
        using var observed = new ObservedClient(options => (options.SharedState, options.TimeProvider) = (shared, sender.Fixture.Clock));
        observed.Fixture.Server.Answer = request => FakeM3.AskForPause(request, "30");
        await observed.CallAsync();

        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That((entry.Status, entry.Description), Is.EqualTo((HealthStatus.Unhealthy, "No call can go out: M3 has asked for a pause (Retry-After): no call goes to m3.test for 30 s")));
        Assert.That((entry.Data["budget.left"], entry.Data["budget.window_seconds"]), Is.EqualTo((0, 7200.0)));
    }

    [Test]
    public async Task With_OAuth2_off_it_is_healthy_and_says_so()
    {
        using var observed = new ObservedClient(options => options.Enabled = false);

        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That((entry.Status, entry.Description), Is.EqualTo((HealthStatus.Healthy, "OAuth2 is off (M3_OAUTH2_ENABLED is not 'true'): requests go without a token.")));
    }

    [Test]
    public async Task A_failure_is_reported_as_the_application_wants_it()
    {
        using var observed = new ObservedClient(addHealth: (checks, name) => checks.AddM3Auth(name, failureStatus: HealthStatus.Degraded, tags: ["ready"]));
        observed.Fixture.Token = null;

        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That((entry.Status, entry.Tags.Single()), Is.EqualTo((HealthStatus.Degraded, "ready")));
    }

    [Test]
    public async Task A_client_that_does_not_exist_is_named()
    {
        using var observed = new ObservedClient(addHealth: (checks, _) => checks.AddM3Auth("nobody"));

        HealthReportEntry entry = await observed.CheckHealthAsync();

        Assert.That(entry.Exception, Is.TypeOf<InvalidOperationException>()
            .With.Message.EqualTo("There is no client 'nobody' with M3's authentication: add it with AddHttpClient(\"nobody\").AddM3Auth()."));
    }

    [Test]
    public void A_margin_that_is_none_is_refused_at_once()
    {
        IHealthChecksBuilder checks = new ServiceCollection().AddHealthChecks();

        Assert.That(() => checks.AddM3Auth("m3", expiryMargin: TimeSpan.FromSeconds(-1)), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("expiryMargin"));
        Assert.That(() => checks.AddM3Auth("m3", budgetMargin: 10), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("budgetMargin"));
        Assert.That(() => checks.AddM3Auth("m3", budgetMargin: double.NaN), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public async Task The_report_shows_no_token_and_no_subject()
    {
        using var observed = new ObservedClient();
        await observed.CallAsync();
        string token = observed.Fixture.Token!;
        HealthReportEntry good = await observed.CheckHealthAsync();
        observed.Fixture.Token = token[..^20];
        observed.Advance(TimeSpan.FromSeconds(2));
        HealthReportEntry bad = default;
        // The known token is good until the keys, which are asked for anew, have told about the other.
        await KeyCacheFixture.UntilAsync(async () => (bad = await observed.CheckHealthAsync()).Status == HealthStatus.Unhealthy, "the token is found wrong");

        foreach (HealthReportEntry entry in (HealthReportEntry[])[good, bad])
        {
            Assert.That($"{entry.Description} {string.Join(' ', entry.Data)} {entry.Exception}", Does.Not.Contain("eyJ").And.Not.Contains("researcher"));
            Assert.That(entry.Data.Values, Is.All.TypeOf<string>().Or.TypeOf<int>().Or.TypeOf<double>());
        }
    }

    private sealed class UsersInTurn(ClientFixture fixture) : IM3TokenProvider
    {
        private int _calls;

        public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default) =>
            new(new M3AccessToken(fixture.NewToken(), subject: $"user {_calls++ / 2}"));

        public ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default) => new(rejected);
    }
}
