using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.DataProtection;
using StackExchange.Redis;

namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>Machines with one client credential that share over one Redis: each has a connection, a provider and a copy of the key ring of its own.</summary>
internal sealed class SharingFleet : IAsyncDisposable
{
    private readonly List<RedisSharedState> _states = [];
    private readonly DirectoryInfo _ring = Directory.CreateTempSubdirectory("m3-ring-");
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<string> _results = new();

    public List<M3TokenProvider> Machines { get; } = [];

    public CapturedLog Log { get; } = new();

    public RedisServer Redis { get; private init; } = null!;

    public TestIssuer Issuer { get; private init; } = null!;

    /// <summary>What became of shared values: their kind, the result, and the problem where there was one.</summary>
    public IReadOnlyCollection<string> Results => _results;

    public static async Task<SharingFleet> StartAsync(int machines)
    {
        var fleet = new SharingFleet { Redis = await RedisServer.StartAsync(), Issuer = await TestIssuer.StartAsync() };
        fleet.Listen();
        for (int i = 0; i < machines; i++)
            await fleet.AddAsync();
        return fleet;
    }

    /// <param name="ring">The key ring; null: the fleet's.</param>
    /// <param name="configure">Changes the settings.</param>
    public async Task<M3TokenProvider> AddAsync(IDataProtectionProvider? ring = null, Action<M3AuthOptions>? configure = null)
    {
        var options = new M3AuthRedisOptions { KeyPrefix = "m3-test", Timeout = TimeSpan.FromSeconds(1), DataProtection = ring };
        if (ring is null)
            options.UseKeysIn(_ring.FullName, "the fleet");
        RedisSharedState state = await RedisSharedState.ConnectAsync(Redis.Configuration, options);
        _states.Add(state);
        M3AuthOptions settings = Issuer.OptionsWithClient();
        settings.SharedState = state;
        configure?.Invoke(settings);
        var machine = new M3TokenProvider(settings, Log);
        Machines.Add(machine);
        return machine;
    }

    /// <summary>Has all machines ask for a token at once.</summary>
    public Task<M3AccessToken[]> GetTokensAsync() => Task.WhenAll(Machines.Select(machine => Task.Run(async () => await machine.GetTokenAsync())));

    /// <summary>Where in Redis the one token and the one key set are.</summary>
    public async Task<(RedisKey Token, RedisKey Keys)> FindValuesAsync() => await Redis.AskAsync(async (server, _) =>
    {
        List<string> found = [];
        await foreach (RedisKey key in server.KeysAsync(pattern: "*:value:*"))
            found.Add(key.ToString());
        return ((RedisKey)found.Single(name => name.Contains(":token:", StringComparison.Ordinal)), (RedisKey)found.Single(name => name.Contains(":keys:", StringComparison.Ordinal)));
    });

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        Machines.ForEach(machine => machine.Dispose());
        foreach (RedisSharedState state in _states)
            await state.DisposeAsync();
        await Issuer.DisposeAsync();
        await Redis.DisposeAsync();
        _ring.Delete(recursive: true);
    }

    private void Listen()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "m3.client.auth.shared_value.reads")
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, _, tags, _) => _results.Enqueue(string.Join(' ', tags.ToArray().Where(tag => tag.Key != "m3.client.name").Select(tag => tag.Value))));
        _listener.Start();
    }
}
