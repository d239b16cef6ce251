using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Benchmarks;

/// <summary>
/// Real HTTP: a bare Kestrel in a second process, 64 connections, rounds that take turns between a header set by hand and this
/// library, so that the machine's moods fall on both alike. Run with <c>http</c>; <c>serve</c> is the second process.
/// </summary>
internal static class HttpLoad
{
    private const int Connections = 64;
    private const int CallsPerRound = 5_000;
    private const int Rounds = 401;

    public static async Task ServeAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        await using WebApplication app = builder.Build();
        app.Run(context =>
        {
            context.Response.StatusCode = context.Request.Headers.Authorization.Count == 1 ? StatusCodes.Status200OK : StatusCodes.Status401Unauthorized;
            return Task.CompletedTask;
        });
        await app.StartAsync();
        Console.WriteLine(app.Urls.Single());
        // Until the first process ends.
        await Console.In.ReadToEndAsync();
    }

    public static async Task RunAsync()
    {
        using Process server = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, "serve") { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var address = new Uri((await server.StandardOutput.ReadLineAsync())!);
        var fixture = new Fixture();
        string token = fixture.Token(SecurityAlgorithms.RsaSha256);
        // The same connections for both, since no two of them are equally fast.
        var sockets = new SocketsHttpHandler { MaxConnectionsPerServer = Connections, AllowAutoRedirect = false };
        using var handSet = new HttpClient(new HandSetHandler(token) { InnerHandler = sockets }) { BaseAddress = address };
        M3AuthOptions options = fixture.Options(token);
        // Wide enough for every caller's idea of now, and never full.
        (options.RateLimitRequests, options.RateLimitWindow) = (1_000_000, TimeSpan.FromMilliseconds(1));
        using HttpClient m3 = M3HttpClient.Create(address, options, sockets);

        List<(Round HandSet, Round M3)> pairs = await Pairs.RunAsync(Rounds, () => RoundAsync(handSet), () => RoundAsync(m3));
        server.StandardInput.Close();
        await server.WaitForExitAsync();
        Console.WriteLine($"{Rounds} pairs of rounds, {CallsPerRound} calls each, {Connections} connections; median of the pairs' ratios M3.Client.Auth / header set by hand");
        Print("throughput, calls/s", pairs, round => round.PerSecond);
        Print("p50, microseconds", pairs, round => round.P50);
        Print("p99, microseconds", pairs, round => round.P99);
        Print("bytes a call", pairs, round => round.Bytes);
    }

    private static async Task<Round> RoundAsync(HttpClient client)
    {
        long[] times = new long[CallsPerRound];
        int next = -1;
        long allocated = GC.GetTotalAllocatedBytes(precise: true);
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Connections).Select(_ => Task.Run(async () =>
        {
            int i;
            while ((i = Interlocked.Increment(ref next)) < CallsPerRound)
            {
                long from = Stopwatch.GetTimestamp();
                using HttpResponseMessage response = await client.GetAsync("/sse");
                if (response.StatusCode != HttpStatusCode.OK)
                    throw new InvalidOperationException("the token did not arrive");
                times[i] = Stopwatch.GetTimestamp() - from;
            }
        })));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double bytes = (double)(GC.GetTotalAllocatedBytes(precise: true) - allocated) / CallsPerRound;
        Array.Sort(times);
        return new Round(CallsPerRound / seconds, Microseconds(times[CallsPerRound / 2]), Microseconds(times[CallsPerRound * 99 / 100]), bytes);
    }

    private static double Microseconds(long ticks) => ticks * 1e6 / Stopwatch.Frequency;

    private static void Print(string name, List<(Round HandSet, Round M3)> pairs, Func<Round, double> figure) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{name,-22} by hand {Pairs.Median(pairs.Select(pair => figure(pair.HandSet))),8:0}   M3.Client.Auth {Pairs.Median(pairs.Select(pair => figure(pair.M3))),8:0}   ratio {Pairs.Median(pairs.Select(pair => figure(pair.M3) / figure(pair.HandSet))):0.000}"));

    private sealed record Round(double PerSecond, double P50, double P99, double Bytes);
}
