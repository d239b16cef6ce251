using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace M3.Client.Auth.IntegrationTests.Browser;

/// <summary>What a person sees who opens the example service's page.</summary>
[Platform(Exclude = "Win")]
public sealed class StatusPageTests : BrowserFixture
{
    [Test]
    public async Task With_a_good_token_it_shows_the_chart_whose_token_it_is_and_each_call_drain_the_budget()
    {
        string token = M3.CreateToken(subject: "dr-example");
        await using ServicePage page = await OpenAsync(("M3_OAUTH2_TOKEN", token));

        await Expect(page.Part("Health")).ToContainTextAsync("Healthy");
        await Expect(page.Part("Health")).ToContainTextAsync("Calls can go out.");
        await Expect(page.Page).ToHaveTitleAsync("Healthy: M3 client");

        ILocator races = page.Part("Race distribution").GetByRole(AriaRole.Row);
        await Expect(races).ToHaveCountAsync(1 + 8);
        await Expect(races.Nth(1)).ToContainTextAsync("WHITE");
        double[] widths = await page.Part("Race distribution").Locator(".bar").EvaluateAllAsync<double[]>("bars => bars.map(bar => bar.getBoundingClientRect().width)");
        Assert.That(widths, Is.Ordered.Descending.And.All.Positive);
        Assert.That(widths[^1], Is.LessThan(widths[0]), "the bars tell more from less");

        await Expect(page.Definition("Token", "Subject")).ToHaveTextAsync("dr-example");
        await Expect(page.Definition("Token", "Expires")).ToContainTextAsync(new Regex("in 2[0-9] min"));
        await Expect(page.Definition("Token", "Issuer")).ToHaveTextAsync(M3.IssuerUrl);
        string signedBy = await page.Definition("Token", "Signed by key").InnerTextAsync();
        await Expect(page.Definition("Issuer's keys", "State")).ToContainTextAsync("Fresh: until 2");
        await Expect(page.Definition("Issuer's keys", "Usable").GetByRole(AriaRole.Listitem).Filter(new() { HasText = signedBy })).ToHaveCountAsync(1);
        await Expect(page.Definition("Issuer's keys", "Ignored")).ToHaveTextAsync("none");

        await Expect(page.Part("Budget")).ToContainTextAsync("99 of 100 calls to 127.0.0.1 are left within 1 h.");
        await page.Button("Call M3").ClickAsync();
        await Expect(page.Part("Budget")).ToContainTextAsync("98 of 100 calls");
        await Expect(page.Part("Budget")).ToContainTextAsync("M3 answered with 8 rows.");
        await Expect(page.Part("Budget").GetByRole(AriaRole.Meter)).ToHaveJSPropertyAsync("value", 98);
        await Expect(page.Part("Last refusals")).ToContainTextAsync("None since the service started.");

        await page.Page.KeepPicturesAsync("good-token");
        await page.AssertNothingLeftAsync(token);

        ExampleResult service = await page.StopServiceAsync();
        Assert.That(service.ExitCode, Is.Zero, service.All);
        Assert.That(service.All.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the output");
        await Expect(page.Part("Health")).ToContainTextAsync("Unknown");
        await Expect(page.Part("Health")).ToContainTextAsync("This page gets no answer from its service.");
    }

    [Test]
    public async Task It_counts_down_to_the_expiry_also_while_the_service_is_out_of_reach()
    {
        await using ServicePage page = await OpenAsync(("M3_OAUTH2_TOKEN", M3.CreateToken()));
        await page.Page.Clock.InstallAsync();
        await page.Page.ReloadAsync();
        ILocator expires = page.Definition("Token", "Expires");
        await Expect(expires).ToContainTextAsync(new Regex("in 2[0-9] min"));

        await page.Page.RouteAsync("**/status", route => route.AbortAsync());
        await page.Page.Clock.FastForwardAsync("10:00");
        await Expect(expires).ToContainTextAsync(new Regex("in 1[0-9] min"));
        await Expect(page.Part("Health")).ToContainTextAsync("This page gets no answer from its service.");
        await page.Page.Clock.FastForwardAsync("20:00");
        await Expect(expires).ToContainTextAsync("now");
    }

    [Test]
    public async Task With_an_expired_token_it_says_so_and_what_to_do()
    {
        string token = M3.CreateToken(TimeSpan.FromMinutes(-5));
        await using ServicePage page = await OpenAsync(("M3_OAUTH2_TOKEN", token));

        await Expect(page.Part("Health")).ToContainTextAsync("Unhealthy");
        await Expect(page.Part("Health")).ToContainTextAsync("No call can go out: Token has expired");
        await Expect(page.Part("Token")).ToContainTextAsync("There is no valid token. Token has expired: at ");
        await Expect(page.Part("Race distribution")).ToContainTextAsync("There is no chart yet: the call failed.");
        await Expect(page.Part("Budget")).ToContainTextAsync("Refused. Token has expired");
        await Expect(page.Part("Budget")).ToContainTextAsync("Not known before a first call went out.");
        ILocator refusals = page.Part("Last refusals").GetByRole(AriaRole.Listitem);
        await Expect(refusals).ToHaveCountAsync(1);
        await Expect(refusals.First).ToContainTextAsync("/race-distribution");
        await Expect(refusals.First).ToContainTextAsync("Get a new token from your provider");
        await Expect(refusals.GetByRole(AriaRole.Link)).ToHaveAttributeAsync("href", new Regex("/TROUBLESHOOTING.md#token-has-expired$"));

        for (int call = 2; call <= 7; call++)
        {
            await page.Button("Call M3").ClickAsync();
            await Expect(refusals).ToHaveCountAsync(Math.Min(call, 5));
            await Expect(page.Button("Call M3")).ToHaveAttributeAsync("aria-disabled", "false");
        }

        await page.Page.KeepPicturesAsync("expired-token");
        await page.AssertNothingLeftAsync(token);
    }

    [Test]
    public async Task With_the_issuer_down_before_any_key_came_it_says_that_the_keys_cannot_be_fetched()
    {
        string issuer;
        await using (RecordingServer gone = await RecordingServer.StartAsync())
            issuer = gone.Address.AbsoluteUri;
        string token = M3.CreateToken(issuer: issuer);
        await using ServicePage page = await OpenAsync(("M3_OAUTH2_ISSUER_URL", issuer), ("M3_OAUTH2_TOKEN", token));

        await Expect(page.Part("Health")).ToContainTextAsync("Unhealthy");
        await Expect(page.Part("Token")).ToContainTextAsync("There is no valid token. Invalid token signature");
        await Expect(page.Definition("Issuer's keys", "State")).ToHaveTextAsync("Empty: none were fetched");
        await Expect(page.Part("Issuer's keys")).ToContainTextAsync("The issuer could not be asked: ");
        await Expect(page.Part("Last refusals")).ToContainTextAsync("Invalid token signature");
        await Expect(page.Part("Last refusals").GetByRole(AriaRole.Link)).ToHaveAttributeAsync("href", new Regex("#jwks-unavailable$"));

        await page.Page.KeepPicturesAsync("issuer-down");
        await page.AssertNothingLeftAsync(token);
    }

    [Test]
    public async Task With_the_issuer_down_later_calls_go_on_and_it_says_until_when()
    {
        string keys;
        using (var http = new HttpClient())
            keys = await http.GetStringAsync(new Uri(M3.BaseAddress, ".well-known/jwks.json"));
        bool isDown = false;
        await using RecordingServer issuer = await RecordingServer.StartAsync(context =>
        {
            context.Response.StatusCode = Volatile.Read(ref isDown) ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK;
            return context.Response.WriteAsync(keys);
        });
        await using ServicePage page = await OpenAsync(
            ("M3_OAUTH2_JWKS_URL", issuer.Address.AbsoluteUri), ("M3_OAUTH2_JWKS_CACHE_TTL", "1"), ("M3_OAUTH2_TOKEN", M3.CreateToken()));
        await Expect(page.Part("Health")).ToContainTextAsync("Healthy");

        Volatile.Write(ref isDown, true);

        await Expect(page.Part("Health")).ToContainTextAsync("Degraded");
        await Expect(page.Part("Health")).ToContainTextAsync("The issuer's keys are stale");
        await Expect(page.Definition("Issuer's keys", "State")).ToContainTextAsync("Stale: past their lifetime; used until 2");
        await page.Button("Call M3").ClickAsync();
        await Expect(page.Part("Budget")).ToContainTextAsync("M3 answered with 8 rows.");
        await page.Page.KeepPicturesAsync("stale-keys");
    }

    [Test]
    public async Task With_the_budget_spent_it_says_when_there_is_more_and_keeps_the_chart()
    {
        string token = M3.CreateToken();
        await using ServicePage page = await OpenAsync(("M3_OAUTH2_RATE_LIMIT_REQUESTS", "3"), ("M3_OAUTH2_TOKEN", token));

        foreach (int left in (int[])[2, 1, 0])
        {
            await Expect(page.Part("Budget")).ToContainTextAsync($"{left} of 3 calls");
            await Expect(page.Button("Call M3")).ToHaveAttributeAsync("aria-disabled", "false");
            await page.Button("Call M3").ClickAsync();
        }

        await Expect(page.Part("Budget")).ToContainTextAsync("Refused. Rate limit exceeded");
        await Expect(page.Part("Budget").GetByRole(AriaRole.Meter)).ToHaveJSPropertyAsync("value", 0);
        await Expect(page.Part("Health")).ToContainTextAsync("Unhealthy");
        await Expect(page.Part("Health")).ToContainTextAsync("0 of 3 calls to 127.0.0.1 are left");
        await Expect(page.Part("Race distribution")).ToContainTextAsync("the last call failed");
        await Expect(page.Part("Race distribution").GetByRole(AriaRole.Row)).ToHaveCountAsync(1 + 8);
        await Expect(page.Part("Last refusals").GetByRole(AriaRole.Listitem)).ToContainTextAsync(["Rate limit exceeded"]);
        await Expect(page.Definition("Token", "Expires")).ToContainTextAsync(new Regex("in 2[0-9] min"));

        await page.Page.KeepPicturesAsync("budget-spent");
        await page.AssertNothingLeftAsync(token);
    }

    [Test]
    public async Task With_M3_down_it_says_that_M3_did_not_answer()
    {
        Uri m3;
        await using (RecordingServer gone = await RecordingServer.StartAsync())
            m3 = gone.Address;
        await using ServicePage page = await OpenAsync(("M3_URL", m3.AbsoluteUri), ("M3_OAUTH2_TOKEN", M3.CreateToken()));

        await Expect(page.Part("Race distribution")).ToContainTextAsync("There is no chart yet: the call failed.");
        await Expect(page.Part("Budget")).ToContainTextAsync("M3 did not answer as it should: Connection refused");
        await Expect(page.Definition("Token", "Subject")).ToHaveTextAsync(M3.ClientId);
        await Expect(page.Part("Last refusals")).ToContainTextAsync("None since the service started.");
        Assert.That(await page.Page.InnerTextAsync("body"), Does.Not.Contain(" at System."));
    }

    private Task<ServicePage> OpenAsync(params (string Name, string Value)[] environment) =>
        ServicePage.OpenAsync(Browser, [.. M3.ClientEnvironment, .. environment.Select(variable => KeyValuePair.Create(variable.Name, variable.Value))]);
}
