using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.IdentityModel.Tokens;
using StackExchange.Redis;

namespace M3.Client.Auth.Benchmarks;

/// <summary>
/// Fleets of up to 10,000 workers on one Redis, all with one subject and one client: each a shared state and a provider of its own, in this one process and over one
/// connection. What the issuer sees when all start (1,000 at the same moment), what Redis has to do when all of them wait for permits, and what it keeps. Run with <c>fleet</c>; needs redis-server.
/// </summary>
internal static class FleetSimulation
{
    // More than these two cores can have start at the same moment; the others follow as these are done.
    private const int AtOnce = 1000;

    private static readonly TimeSpan Waiting = TimeSpan.FromSeconds(30);

    public static async Task RunAsync()
    {
        Console.WriteLine("workers   token requests   key fetches   until all have both   scripts a second, all waiting   of Redis's one core   bytes of the budget and its line");
        foreach (int workers in (int[])[1, 10, 100, 1_000, 10_000])
            await RunAsync(workers);
    }

    private static async Task RunAsync(int workers)
    {
        using var redis = new RedisProcess();
        using var issuer = new CountingIssuer();
        var ring = new EphemeralDataProtectionProvider();
        RedisSharedState[] states = [.. Enumerable.Range(0, workers).Select(_ => new RedisSharedState(redis.Connection, new M3AuthRedisOptions { DataProtection = ring, Timeout = TimeSpan.FromSeconds(10) }))];
        M3AuthOptions[] settings = [.. states.Select(state => SettingsOf(issuer, state))];
        M3TokenProvider[] providers = [.. settings.Select(options => new M3TokenProvider(options))];

        long start = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(providers, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (provider, cancellation) => await provider.GetTokenAsync(cancellation));
        TimeSpan cold = Stopwatch.GetElapsedTime(start);

        using var stop = new CancellationTokenSource();
        Task[] calling = [.. providers.Select((provider, i) => Task.Run(() => CallAsync(provider, settings[i], stop.Token)))];
        // Until the budget is spent, and everybody stands in line.
        await Task.Delay(TimeSpan.FromSeconds(20));
        IServer server = redis.Connection.GetServers().Single();
        (double before, double busyBefore) = await ReadAsync(server);
        await Task.Delay(Waiting);
        (double after, double busyAfter) = await ReadAsync(server);
        long bytes = 0;
        await foreach (RedisKey key in server.KeysAsync())
        {
            if (!key.ToString().Contains(":value:", StringComparison.Ordinal))
                bytes += (long)await redis.Connection.GetDatabase().ExecuteAsync("MEMORY", "USAGE", key);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{workers,7} {issuer.TokenRequests,16} {issuer.KeyFetches,13} {cold.TotalSeconds,19:0.00} s {(after - before) / Waiting.TotalSeconds,31:0.0} {(busyAfter - busyBefore) / Waiting.TotalSeconds,21:p1} {bytes,34}"));
        await stop.CancelAsync();
        await Task.WhenAll(calling);
        foreach (M3TokenProvider provider in providers)
            provider.Dispose();
        await Task.WhenAll(states.Select(state => state.DisposeAsync().AsTask()));
    }

    private static M3AuthOptions SettingsOf(CountingIssuer issuer, RedisSharedState state) => new()
    {
        IssuerUrl = Fixture.Issuer,
        Audience = Fixture.Audience,
        TokenSource = TokenSources.ClientCredentials("fleet", "made-up"),
        BackchannelHttpHandler = issuer,
        SharedState = state,
        RateLimitMode = RateLimitMode.Wait,
    };

    // M3's own limit: 100 of them get through, and the others wait.
    private static async Task CallAsync(M3TokenProvider provider, M3AuthOptions options, CancellationToken cancellationToken)
    {
        using var invoker = new HttpMessageInvoker(new M3AuthHandler(provider, options) { InnerHandler = new EndHandler() });
        try
        {
            while (true)
                await invoker.SendAsync(new HttpRequestMessage(HttpMethod.Post, "https://m3.example/sse"), cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // It is over.
        }
    }

    // Scripts that ran, and seconds of the processor.
    private static async Task<(double Scripts, double Busy)> ReadAsync(IServer server)
    {
        string text = (await server.InfoRawAsync("all"))!;
        return (Value("cmdstat_eval:calls=") + Value("cmdstat_evalsha:calls="), Value("used_cpu_sys:") + Value("used_cpu_user:"));

        double Value(string name) => text.Split('\n').FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
            ? double.Parse(line[name.Length..].Split(',')[0], CultureInfo.InvariantCulture)
            : 0;
    }

    /// <summary>An issuer that takes a tenth of a second for an answer.</summary>
    private sealed class CountingIssuer : HttpMessageHandler
    {
        private readonly Fixture _fixture = new();
        private int _tokenRequests, _keyFetches;

        public int TokenRequests => _tokenRequests;

        public int KeyFetches => _keyFetches;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            await Task.Delay(100, cancellationToken);
            string body = request.RequestUri!.AbsolutePath switch
            {
                "/token" => Count(ref _tokenRequests, $$"""{"access_token":"{{_fixture.Token(SecurityAlgorithms.RsaSha256)}}","token_type":"Bearer","expires_in":3600}"""),
                "/jwks" => Count(ref _keyFetches, Encoding.UTF8.GetString(_fixture.Jwks.Span)),
                _ => $$"""{"issuer":"{{Fixture.Issuer}}","jwks_uri":"{{Fixture.Issuer}}jwks","token_endpoint":"{{Fixture.Issuer}}token"}""",
            };
            return new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request, Content = new StringContent(body, Encoding.UTF8, "application/json") };
        }

        private static string Count(ref int count, string body)
        {
            Interlocked.Increment(ref count);
            return body;
        }
    }
}
