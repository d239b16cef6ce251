using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests.Registration;

/// <summary>A call that waits its turn in the budget must not be cut off by a timeout that nobody chose.</summary>
public sealed class TimeoutTests
{
    [TestCase(RateLimitMode.Wait, true, ExpectedResult = -1)]
    [TestCase(RateLimitMode.Wait, false, ExpectedResult = 100_000)]
    [TestCase(RateLimitMode.Reject, true, ExpectedResult = 100_000)]
    public double A_client_whose_calls_may_wait_has_no_timeout_unless_it_was_given_one(RateLimitMode mode, bool rateLimit) =>
        TimeoutOf(mode, rateLimit, _ => { });

    [Test]
    public void A_timeout_that_was_chosen_stays() =>
        Assert.That(TimeoutOf(RateLimitMode.Wait, true, client => client.Timeout = TimeSpan.FromSeconds(5)), Is.EqualTo(5000));

    private static double TimeoutOf(RateLimitMode mode, bool rateLimit, Action<HttpClient> configure)
    {
        var services = new ServiceCollection();
        services.AddHttpClient("m3", configure).AddM3Auth(options =>
        {
            (options.IssuerUrl, options.Audience) = (FakeIssuer.Url, ClientFixture.Audience);
            (options.RateLimitMode, options.RateLimitEnabled) = (mode, rateLimit);
        });
        using ServiceProvider provider = services.BuildServiceProvider();
        using HttpClient client = provider.GetRequiredService<IHttpClientFactory>().CreateClient("m3");
        return client.Timeout.TotalMilliseconds;
    }
}
