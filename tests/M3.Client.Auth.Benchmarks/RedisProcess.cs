using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using StackExchange.Redis;

namespace M3.Client.Auth.Benchmarks;

/// <summary>A redis-server of our own on loopback, which keeps nothing on disk.</summary>
internal sealed class RedisProcess : IDisposable
{
    private readonly Process _process;

    public RedisProcess()
    {
        string port = FindFreePort().ToString(CultureInfo.InvariantCulture);
        Address = $"127.0.0.1:{port}";
        _process = Process.Start(new ProcessStartInfo("redis-server", ["--port", port, "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]) { RedirectStandardOutput = true })!;
        // Until it is there.
        Connection = ConnectionMultiplexer.Connect($"{Address},allowAdmin=true,connectRetry=50,connectTimeout=5000,syncTimeout=60000,asyncTimeout=60000");
    }

    public string Address { get; }

    public ConnectionMultiplexer Connection { get; }

    public void Dispose()
    {
        Connection.Dispose();
        _process.Kill();
        _process.Dispose();
    }

    private static int FindFreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
