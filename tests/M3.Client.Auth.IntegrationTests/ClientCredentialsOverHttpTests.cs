using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>Client credentials at a real token endpoint (OpenIddict), found by discovery.</summary>
public sealed class ClientCredentialsOverHttpTests
{
    [Test]
    public async Task An_id_and_a_secret_in_the_settings_are_enough_to_call_a_tool()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, OptionsWithSecret(m3));
        await using McpClient mcp = await Mcp.ConnectAsync(http, m3.Endpoint);

        Assert.That(await mcp.CallAsync("get_race_distribution"), Does.Contain("WHITE"));
        Assert.That(m3.Received.Select(request => request.Token).Distinct().Count(), Is.EqualTo(1), "one token for all of it");
    }

    [Test]
    public async Task The_token_asked_for_has_the_required_scopes_and_the_audience()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = OptionsWithSecret(m3);
        options.RequiredScopes.Add("write:mimic-data");
        options.Audience = "https://m3.example.org/api";
        using var tokens = new M3TokenProvider(options);

        M3AccessToken token = await tokens.GetTokenAsync();

        Assert.Multiple(() =>
        {
            Assert.That(token.Scopes, Is.EquivalentTo(["read:mimic-data", "write:mimic-data"]));
            Assert.That(token.Audiences, Is.EqualTo(["https://m3.example.org/api"]));
            Assert.That(token.Issuer, Is.EqualTo(m3.IssuerUrl));
        });
    }

    [Test]
    public async Task A_token_is_renewed_before_it_expires_and_no_call_waits_for_it()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using LocalM3Server m3 = await LocalM3Server.StartAsync(new() { TimeProvider = clock, TokenLifetime = TimeSpan.FromMinutes(30) });
        M3AuthOptions options = OptionsWithSecret(m3);
        options.TimeProvider = clock;
        using var tokens = new M3TokenProvider(options);
        M3AccessToken first = await tokens.GetTokenAsync();

        clock.Advance(TimeSpan.FromMinutes(28));
        Assert.That(await tokens.GetTokenAsync(), Is.SameAs(first), "two minutes are enough");

        clock.Advance(TimeSpan.FromSeconds(90));
        Assert.That(await tokens.GetTokenAsync(), Is.SameAs(first), "it still serves while the next one is fetched");
        M3AccessToken second = await EventuallyAnotherAsync(tokens, first);

        Assert.That(second.ExpiresAt, Is.GreaterThan(first.ExpiresAt + TimeSpan.FromMinutes(29)));
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.That(await tokens.GetTokenAsync(), Is.SameAs(second), "the first one has expired meanwhile");
    }

    [Test]
    public async Task A_token_that_M3_refuses_is_replaced_within_the_same_call()
    {
        await using LocalM3Server issuer = await LocalM3Server.StartAsync();
        int arrived = 0;
        await using RecordingServer m3 = await RecordingServer.StartAsync(context =>
        {
            context.Response.StatusCode = ++arrived == 1 ? 401 : 200;
            return Task.CompletedTask;
        });
        M3AuthOptions options = OptionsWithSecret(issuer);
        options.RateLimitRequests = 1;
        using HttpClient http = M3HttpClient.Create(m3.Address, options);

        using HttpResponseMessage response = await http.PostAsync(m3.Address, new StringContent("{}"));

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(m3.Authorizations.Distinct().Count(), Is.EqualTo(2), "the second attempt carried another token");
        Assert.That(m3.Arrivals, Has.Count.EqualTo(2), "and was free");
    }

    [Test]
    public async Task A_wrong_secret_is_TokenRequestFailed_and_neither_secret_nor_token_stands_in_it()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = OptionsWithSecret(m3);
        options.ClientSecret = "a-wrong-secret";
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, options);

        var error = (await Assert.ThrowsAsync<TokenRequestFailedException>(() => http.GetAsync(m3.Endpoint)))!;

        Assert.Multiple(() =>
        {
            Assert.That(error.Message, Does.Contain("invalid_client").And.Contain(m3.ClientId));
            Assert.That(error.IsTransient, Is.False);
            Assert.That(error.ToString(), Does.Not.Contain("a-wrong-secret"));
            Assert.That(m3.Received, Is.Empty);
        });
    }

    private static M3AuthOptions OptionsWithSecret(LocalM3Server m3) => M3AuthOptions.FromConfiguration(new ConfigurationBuilder()
        .AddInMemoryCollection(m3.ClientEnvironment.Select(pair => new KeyValuePair<string, string?>(pair.Key, pair.Value)))
        .AddInMemoryCollection([new("M3_OAUTH2_CLIENT_ID", m3.ClientId), new("M3_OAUTH2_CLIENT_SECRET", m3.ClientSecret)])
        .Build());

    private static async Task<M3AccessToken> EventuallyAnotherAsync(M3TokenProvider tokens, M3AccessToken than)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (true)
        {
            M3AccessToken token = await tokens.GetTokenAsync(patience.Token);
            if (token.Value != than.Value)
                return token;
            await Task.Yield();
        }
    }
}
