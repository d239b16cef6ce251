using System.Net;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;

namespace M3.Client.Auth.Tests.Handler;

/// <summary><c>M3_OAUTH2_ENABLED</c> is off: every request passes untouched.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class DisabledTests
{
    [Test]
    public async Task Requests_pass_untouched_wherever_they_go([Values] bool synchronous)
    {
        using var fixture = new ClientFixture(options =>
        {
            (options.Enabled, options.RateLimitRequests) = (false, 1);
            // Not looked at either, so that a half-made configuration can be switched off.
            options.AllowedOrigins.Add(new Uri("m3.test", UriKind.Relative));
        });
        fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer");

        foreach (string url in (string[])["https://m3.test/sse", "http://other.test/"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, url);
            using HttpResponseMessage response = synchronous ? fixture.Client.Send(request) : await fixture.Client.SendAsync(request);
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        }

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(2).And.All.Property("Token").Null);
        Assert.That((fixture.Reads, fixture.Issuer.DiscoveryRequests), Is.EqualTo((0, 0)));
        Assert.That(fixture.Log.Lines, Is.Empty);
    }

    [Test]
    public async Task One_warning_says_that_a_token_is_set_in_vain()
    {
        using var fixture = new ClientFixture();
        IConfiguration configuration = new ConfigurationBuilder()
            .AddInMemoryCollection([new("M3_OAUTH2_ENABLED", "false"), new("M3_OAUTH2_TOKEN", fixture.Token), new("M3_OAUTH2_VALIDATE_AUD", "false")])
            .Build();
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, M3AuthOptions.FromConfiguration(configuration), fixture.Server, fixture.Log);

        for (int i = 0; i < 3; i++)
            (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(3).And.All.Property("Token").Null);
        Assert.That(fixture.Log.Lines, Has.Count.EqualTo(1));
        Assert.That(fixture.Log.Warnings.Single(), Does.StartWith("OAuth2 for M3 is off (M3_OAUTH2_ENABLED is not 'true'), but M3_OAUTH2_TOKEN is set: requests go without it"));
    }

    [Test]
    public async Task A_provider_says_that_it_has_no_token_and_none_instead_of_a_refused_one()
    {
        using var fixture = new ClientFixture(options => options.Enabled = false);
        using var provider = new M3TokenProvider(fixture.Options());

        foreach (Func<ValueTask<M3AccessToken>> ask in (Func<ValueTask<M3AccessToken>>[])[() => provider.GetTokenAsync(), () => provider.RenewTokenAsync(new M3AccessToken("made.up.token"))])
        {
            await Assert.ThatAsync(async () => await ask(), Throws.TypeOf<MissingTokenException>()
                .With.Message.EqualTo("Missing OAuth2 access token: OAuth2 is off (M3_OAUTH2_ENABLED is not 'true'), so there is no token"));
        }

        Assert.That(fixture.Reads, Is.Zero);
    }
}
