using System.Text;
using M3.Client.Auth.IntegrationTests.Budget;

namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>Machines with one subject and one budget over Redis, each played by a shared state of its own, in front of a server that counts as M3 does.</summary>
internal sealed class BudgetFleet : IAsyncDisposable
{
    public const string Subject = "the-fleets-subject";
    public const int Limit = 10;

    public static readonly TimeSpan Window = TimeSpan.FromSeconds(2);

    private readonly List<RedisSharedState> _states = [];
    private readonly List<HttpClient> _clients = [];
    private TestIssuer _issuer = null!;
    private string _configuration = null!;
    private int _lastId = -1;

    public RedisServer Redis { get; private set; } = null!;

    public M3Counter M3 { get; private set; } = null!;

    public static async Task<BudgetFleet> StartAsync(int machines, RateLimitMode mode = RateLimitMode.Reject, Action<M3AuthRedisOptions>? configure = null,
        Func<int, Course>? course = null, TimeSpan? window = null, RedisServer? redis = null, string? configuration = null)
    {
        redis ??= await RedisServer.StartAsync();
        var fleet = new BudgetFleet { Redis = redis, _configuration = configuration ?? redis.Configuration, _issuer = await TestIssuer.StartAsync() };
        fleet.M3 = await M3Counter.StartAsync(Limit, window ?? Window, course);
        for (int i = 0; i < machines; i++)
            await fleet.AddAsync(mode, configure, window ?? Window);
        // At the very first start nobody knows whether data were lost.
        await fleet.CallUntilKnownAsync();
        return fleet;
    }

    public Task CallAsync(int machine) => CallWithinAsync(machine, TimeSpan.FromSeconds(60));

    public async Task CallWithinAsync(int machine, TimeSpan time)
    {
        using var patience = new CancellationTokenSource(time);
        using var content = new StringContent($$$"""{"jsonrpc":"2.0","id":{{{Interlocked.Increment(ref _lastId)}}},"method":"tools/call","params":{"name":"any"}}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await _clients[machine].PostAsync("", content, patience.Token);
        await response.Content.ReadAsStringAsync(patience.Token);
    }

    public async Task CallUntilLetThroughAsync(int machine)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (true)
        {
            try
            {
                await CallAsync(machine);
                return;
            }
            catch (RateLimitExceededException) when (!patience.IsCancellationRequested)
            {
                await timer.WaitForNextTickAsync(patience.Token);
            }
        }
    }

    public async Task DisposeStatesAsync()
    {
        foreach (RedisSharedState state in _states)
            await state.DisposeAsync();
        _states.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        _clients.ForEach(client => client.Dispose());
        await DisposeStatesAsync();
        await M3.DisposeAsync();
        await _issuer.DisposeAsync();
        await Redis.DisposeAsync();
    }

    public async Task AddAsync(RateLimitMode mode, Action<M3AuthRedisOptions>? configure, TimeSpan window)
    {
        var options = new M3AuthRedisOptions { KeyPrefix = "m3-test", Timeout = TimeSpan.FromSeconds(1), LongestHold = TimeSpan.FromSeconds(10), RecoveryTime = TimeSpan.FromSeconds(1) };
        configure?.Invoke(options);
        RedisSharedState state = await RedisSharedState.ConnectAsync(_configuration, options);
        M3AuthOptions settings = _issuer.OptionsWith(_issuer.CreateToken(subject: Subject));
        (settings.SharedState, settings.RateLimitMode, settings.RateLimitRequests, settings.RateLimitWindow) = (state, mode, Limit, window);
        _states.Add(state);
        _clients.Add(M3HttpClient.Create(M3.Endpoint, settings));
    }

    // A subject of its own, so that the tests' budget is untouched.
    private async Task CallUntilKnownAsync()
    {
        M3AuthOptions settings = _issuer.OptionsWith(_issuer.CreateToken(subject: "warm-up"));
        (settings.SharedState, settings.RateLimitMode) = (_states[0], RateLimitMode.Wait);
        await using RecordingServer nobody = await RecordingServer.StartAsync();
        using HttpClient client = M3HttpClient.Create(nobody.Address, settings);
        (await client.PostAsync("", new StringContent("""{"jsonrpc":"2.0","id":1,"method":"tools/call"}""", Encoding.UTF8, "application/json"))).Dispose();
    }
}
