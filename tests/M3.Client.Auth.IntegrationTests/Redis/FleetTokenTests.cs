namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>
/// What the issuer sees of a fleet with one client over three lifetimes of a token, each worker a process. Not by default, since it takes minutes:
/// <c>dotnet test tests/M3.Client.Auth.IntegrationTests --filter FullyQualifiedName~FleetTokenTests --logger "console;verbosity=normal"</c> runs it and prints what was counted.
/// </summary>
[Explicit, NonParallelizable]
public sealed class FleetTokenTests
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);

    [Test]
    public async Task Token_requests_and_key_fetches([Values(1, 8, 64)] int workers, [Values] bool isShared)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        issuer.TokenLifetime = Lifetime;
        DirectoryInfo ring = Directory.CreateTempSubdirectory("m3-ring-");
        Dictionary<string, string> settings = new()
        {
            ["M3_OAUTH2_ISSUER_URL"] = issuer.IssuerUrl,
            ["M3_OAUTH2_AUDIENCE"] = TestIssuer.Audience,
            ["M3_OAUTH2_CLIENT_ID"] = "the-fleet",
            ["M3_OAUTH2_CLIENT_SECRET"] = "the-fleets-secret",
            ["M3_OAUTH2_JWKS_CACHE_TTL"] = $"{Lifetime.TotalSeconds}",
            ["M3_OAUTH2_SIGNED_IN"] = "false",
        };
        List<Example> fleet = [];
        for (int i = 0; i < workers; i++)
        {
            fleet.Add(Example.StartHelper("M3.Client.Auth.FleetWorker", settings, "tokens", isShared ? redis.Configuration : "none", ring.FullName));
            await fleet[^1].ReadUntilAsync(line => line == "ready");
        }

        (int tokens, int keys) = (issuer.TokenCount, issuer.JwksCount);
        await Task.Delay(3 * Lifetime);
        (tokens, keys) = (issuer.TokenCount - tokens, issuer.JwksCount - keys);
        int failed = 0;
        await Task.WhenAll(fleet.Select(async worker =>
        {
            await worker.PipeAsync("\n");
            ExampleResult result = await worker.FinishAsync(TimeSpan.FromMinutes(1));
            Interlocked.Add(ref failed, int.Parse(result.Output.Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture));
            await worker.DisposeAsync();
        }));
        ring.Delete(recursive: true);

        TestContext.Out.WriteLine($"{workers,2} processes, {(isShared ? "with Redis" : "without"),10}: {tokens,3} token requests and {keys,3} key fetches over three lifetimes; {failed} calls failed");
        Assert.That(failed, Is.Zero);
        // One before the end of each lifetime, or now and then two within a moment.
        if (isShared)
            Assert.That((tokens, keys), Is.LessThanOrEqualTo((6, 6)));
    }
}
