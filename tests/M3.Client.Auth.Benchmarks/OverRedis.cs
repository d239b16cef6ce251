using BenchmarkDotNet.Attributes;
using Microsoft.IdentityModel.Tokens;
using StackExchange.Redis;

namespace M3.Client.Auth.Benchmarks;

/// <summary>What a call costs whose permit comes from Redis on loopback, beside one without Redis and beside a plain round trip. Needs redis-server.</summary>
[MemoryDiagnoser]
public class OverRedis
{
    private readonly HttpRequestMessage _request = new(HttpMethod.Post, "https://m3.example/sse");
    private readonly List<RedisSharedState> _states = [];
    private RedisProcess _redis = null!;
    private IDatabase _database = null!;
    private HttpMessageInvoker _alone = null!;
    private HttpMessageInvoker _shared = null!;
    private HttpMessageInvoker _reserving = null!;

    [GlobalSetup]
    public async Task SetUp()
    {
        _redis = new RedisProcess();
        _database = _redis.Connection.GetDatabase();
        var fixture = new Fixture();
        string token = fixture.Token(SecurityAlgorithms.RsaSha256);
        _alone = new HttpMessageInvoker(new M3AuthHandler(fixture.Options(token)) { InnerHandler = new EndHandler() });
        _shared = await SharingAsync(fixture, token, "exact", reserveAhead: 0);
        _reserving = await SharingAsync(fixture, token, "ahead", reserveAhead: 10);
        await _alone.SendAsync(_request, default);
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _states.ForEach(state => state.Dispose());
        _redis.Dispose();
    }

    [Benchmark(Description = "a plain round trip (PING)")]
    public Task<TimeSpan> Ping() => _database.PingAsync();

    [Benchmark(Baseline = true, Description = "a call without Redis")]
    public Task<HttpResponseMessage> Alone() => _alone.SendAsync(_request, default);

    [Benchmark(Description = "a call with Redis")]
    public Task<HttpResponseMessage> Shared() => _shared.SendAsync(_request, default);

    [Benchmark(Description = "a call with Redis, 10 reserved ahead")]
    public Task<HttpResponseMessage> Reserving() => _reserving.SendAsync(_request, default);

    private async Task<HttpMessageInvoker> SharingAsync(Fixture fixture, string token, string prefix, int reserveAhead)
    {
        var state = new RedisSharedState(_redis.Connection, new M3AuthRedisOptions { KeyPrefix = prefix, ReserveAhead = reserveAhead, RecoveryTime = TimeSpan.FromSeconds(1) });
        _states.Add(state);
        M3AuthOptions options = fixture.Options(token);
        // As many are held as of 100 an hour, and none is ever waited for.
        (options.SharedState, options.RateLimitMode, options.RateLimitWindow) = (state, RateLimitMode.Wait, TimeSpan.FromMilliseconds(10));
        var invoker = new HttpMessageInvoker(new M3AuthHandler(options) { InnerHandler = new EndHandler() });
        // At the very first start it waits.
        await invoker.SendAsync(_request, default);
        return invoker;
    }
}
