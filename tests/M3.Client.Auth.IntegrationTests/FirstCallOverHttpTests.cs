namespace M3.Client.Auth.IntegrationTests;

/// <summary>However many callers begin at once, the issuer is asked once.</summary>
public sealed class FirstCallOverHttpTests
{
    [Test]
    public async Task A_thousand_first_calls_at_once_cost_one_discovery_and_one_JWKS_fetch()
    {
        const int calls = 1000;
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        await using RecordingServer m3 = await RecordingServer.StartAsync();
        string token = issuer.CreateToken();
        int reads = 0;
        M3AuthOptions options = issuer.OptionsWith(TokenSources.From(_ =>
        {
            Interlocked.Increment(ref reads);
            return new(token);
        }));
        options.RateLimitRequests = calls;
        using HttpClient http = M3HttpClient.Create(m3.Address, options, new SocketsHttpHandler { MaxConnectionsPerServer = 50 });

        HttpResponseMessage[] responses = await Task.WhenAll(Enumerable.Range(0, calls).Select(_ => Task.Run(() => http.PostAsync(m3.Address, null))));

        Assert.Multiple(() =>
        {
            Assert.That(responses.All(response => response.IsSuccessStatusCode));
            Assert.That(issuer.DiscoveryCount, Is.EqualTo(1), "discovery");
            Assert.That(issuer.JwksCount, Is.EqualTo(1), "JWKS");
            Assert.That(reads, Is.EqualTo(1), "the source");
            Assert.That(m3.Authorizations.Count(header => header == $"Bearer {token}"), Is.EqualTo(calls), "M3");
        });
        await Assert.ThatAsync(() => http.PostAsync(m3.Address, null), Throws.TypeOf<RateLimitExceededException>(), "each was counted once");
    }
}
