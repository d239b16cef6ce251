using System.Net;
using System.Net.Http.Headers;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Origins;

/// <summary>A request that its caller authenticates is the caller's: not touched, not counted, not translated.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ForeignHeaderTests
{
    [TestCase("Basic", "dXNlcjpwYXNz")]
    [TestCase("Bearer", "a.different.token")]
    [TestCase("Negotiate", null)]
    public async Task A_header_of_the_callers_goes_as_it_is(string scheme, string? parameter)
    {
        using var fixture = new ClientFixture();
        using HttpRequestMessage request = Request();
        request.Headers.Authorization = new AuthenticationHeaderValue(scheme, parameter);

        using HttpResponseMessage response = await fixture.Client.SendAsync(request);

        Assert.That(fixture.Server.Arrivals, Is.EqualTo([new Arrival(HttpMethod.Get, ClientFixture.Address, scheme, parameter)]));
        Assert.That(fixture.Reads, Is.Zero);
    }

    [TestCase("not a valid (header")]
    [TestCase("")]
    public async Task A_header_that_is_no_valid_one_is_still_the_callers(string raw)
    {
        using var fixture = new ClientFixture();
        using HttpRequestMessage request = Request();
        request.Headers.TryAddWithoutValidation("Authorization", raw);
        string? arrived = null;
        fixture.Server.Answer = received =>
        {
            arrived = received.Headers.NonValidated["Authorization"].ToString();
            return new HttpResponseMessage();
        };

        using HttpResponseMessage response = await fixture.Client.SendAsync(request);

        Assert.That(arrived, Is.EqualTo(raw));
        Assert.That(fixture.Reads, Is.Zero);
    }

    [Test]
    public async Task A_clients_default_header_is_the_callers_too()
    {
        using var fixture = new ClientFixture();
        fixture.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", "dXNlcjpwYXNz");

        using HttpResponseMessage response = await fixture.CallAsync();

        Assert.That(fixture.Server.Arrivals, Has.Exactly(1).With.Property("Scheme").EqualTo("Basic"));
    }

    [Test]
    public async Task It_uses_up_no_budget_and_the_log_says_so_once()
    {
        using var fixture = new ClientFixture(options => options.RateLimitRequests = 1);
        for (int i = 0; i < 5; i++)
        {
            using HttpRequestMessage request = Request();
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", "dXNlcjpwYXNz");
            (await fixture.Client.SendAsync(request)).Dispose();
        }

        using HttpResponseMessage response = await fixture.CallAsync();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(6));
        Assert.That(fixture.Log.Warnings.Count(), Is.EqualTo(1));
        Assert.That(fixture.Log.Warnings.Single(), Does.StartWith("A request to https://m3.test:443 has an Authorization header of its own").And.Not.Contain("dXNlcjpwYXNz"));
    }

    [Test]
    public async Task Its_401_is_the_callers_as_it_came([Values] bool throws)
    {
        using var fixture = new ClientFixture(options => options.ThrowOnRejection = throws);
        fixture.Server.Answer = request => FakeM3.Refuse(request, """Bearer error="invalid_token" """);
        using HttpRequestMessage request = Request();
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", "dXNlcjpwYXNz");

        using HttpResponseMessage response = await fixture.Client.SendAsync(request);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task It_may_go_anywhere_since_it_is_not_our_token()
    {
        using var fixture = new ClientFixture();
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://other.test/");
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", "dXNlcjpwYXNz");

        using HttpResponseMessage response = await fixture.Client.SendAsync(request);

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    private static HttpRequestMessage Request() => new(HttpMethod.Get, ClientFixture.Address);
}
