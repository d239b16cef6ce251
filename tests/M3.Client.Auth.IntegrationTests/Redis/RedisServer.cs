using System.Globalization;
using System.Net;
using System.Net.Sockets;
using StackExchange.Redis;

namespace M3.Client.Auth.IntegrationTests.Redis;

/// <summary>A real Redis on loopback, which a test may kill, stop and start. It keeps nothing on disk unless it is told to.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("m3-redis-").FullName;
    private readonly string[] _more;
    private readonly int _port = FindFreePort();
    private Example? _server;

    private RedisServer(string[] more) => _more = more;

    public string Port => _port.ToString(CultureInfo.InvariantCulture);

    public string Configuration => $"127.0.0.1:{Port}";

    /// <summary>Starts one; where there is none, Debian's is installed once, and else the test is skipped and says why.</summary>
    public static async Task<RedisServer> StartAsync(params string[] more)
    {
        if (await DebianPackage.FindAsync("redis-server", "redis-server") is null)
            Assert.Ignore("redis-server is not on the PATH (Debian: apt-get install -y redis-server, which as root the tests try themselves)");
        var server = new RedisServer(more);
        await server.StartAgainAsync();
        return server;
    }

    /// <summary>Starts a Sentinel that watches another server, and puts its replica in its place a second after that has died.</summary>
    public static async Task<RedisServer> StartSentinelAsync(RedisServer primary)
    {
        var sentinel = new RedisServer([]);
        string settings = Path.Combine(sentinel._folder, "sentinel.conf");
        await File.WriteAllTextAsync(settings, $"""
            port {sentinel.Port}
            bind 127.0.0.1
            sentinel monitor primary 127.0.0.1 {primary.Port} 1
            sentinel down-after-milliseconds primary 1000
            sentinel failover-timeout primary 3000
            """);
        sentinel._server = Example.StartProgram("redis-server", [settings, "--sentinel"]);
        await sentinel._server.ReadUntilAsync(line => line.Contains("+slave slave", StringComparison.Ordinal));
        return sentinel;
    }

    /// <summary>Starts it on the same port as before.</summary>
    public async Task StartAgainAsync()
    {
        _server = Example.StartProgram("redis-server", ["--port", Port, "--bind", "127.0.0.1", "--dir", _folder, "--save", "", "--loglevel", "notice", .. _more]);
        await _server.ReadUntilAsync(line => line.Contains("Ready to accept connections", StringComparison.Ordinal));
    }

    /// <summary>What kill -9 does.</summary>
    public async Task KillAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _server = null;
    }

    /// <summary>It takes connections, and answers nothing.</summary>
    public void Stop() => _server!.Send(19);

    public void Continue() => _server!.Send(18);

    public async Task<T> AskAsync<T>(Func<IServer, IDatabase, Task<T>> ask)
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync($"{Configuration},allowAdmin=true");
        return await ask(connection.GetServer("127.0.0.1", _port), connection.GetDatabase());
    }

    /// <summary>The names of everything that is in it.</summary>
    public Task<string[]> KeysAsync() => AskAsync(async (server, _) =>
    {
        List<string> keys = [];
        await foreach (RedisKey key in server.KeysAsync())
            keys.Add(key.ToString());
        return keys.ToArray();
    });

    /// <summary>Gives it a command, and returns the answer as text.</summary>
    public Task<string?> ExecuteAsync(string command, params object[] arguments) =>
        AskAsync(async (server, _) => (string?)await server.ExecuteAsync(command, arguments));

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static int FindFreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
