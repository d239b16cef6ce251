using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Benchmarks;

/// <summary>The same calls from many callers at once, on every core: throughput beside a header set by hand. Run with <c>contention</c>.</summary>
internal static class Contention
{
    private const int Calls = 100_000;
    private const int Rounds = 61;

    public static async Task RunAsync()
    {
        var fixture = new Fixture();
        string token = fixture.Token(SecurityAlgorithms.RsaSha256);
        using var byHand = new HttpMessageInvoker(new HandSetHandler(token) { InnerHandler = new WorkingEndHandler() });
        M3AuthOptions options = fixture.Options(token);
        // Wide enough for every caller's idea of now, and never full.
        (options.RateLimitRequests, options.RateLimitWindow) = (1_000_000, TimeSpan.FromMilliseconds(1));
        using var m3 = new HttpMessageInvoker(new M3AuthHandler(options) { InnerHandler = new WorkingEndHandler() });

        Console.WriteLine($"{Rounds} pairs of rounds, {Calls} calls each; nanoseconds a call (medians), throughput as the median of the pairs' ratios M3.Client.Auth / header set by hand");
        foreach (int callers in (int[])[1, 2, 8, 64])
        {
            List<(double ByHand, double M3)> pairs = await Pairs.RunAsync(Rounds, () => RoundAsync(byHand, callers), () => RoundAsync(m3, callers));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{callers,2} callers   by hand {Pairs.Median(pairs.Select(pair => pair.ByHand)),6:0}   M3.Client.Auth {Pairs.Median(pairs.Select(pair => pair.M3)),6:0}   ratio {Pairs.Median(pairs.Select(pair => pair.ByHand / pair.M3)):0.000}"));
        }
    }

    private static async Task<double> RoundAsync(HttpMessageInvoker invoker, int callers)
    {
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            for (int i = 0; i < Calls / callers; i++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "https://m3.example/sse");
                using HttpResponseMessage response = await invoker.SendAsync(request, default);
            }
        })));
        return Stopwatch.GetElapsedTime(start).TotalNanoseconds / Calls;
    }

    /// <summary>
    /// Far less than any real call: it looks at the host and port, as a connection pool must, and hashes a kilobyte, about a microsecond
    /// of work that contends with nobody.
    /// </summary>
    private sealed class WorkingEndHandler : HttpMessageHandler
    {
        private static readonly byte[] Work = new byte[1024];

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            SHA256.HashData(Work, hash);
            bool isKnown = request.RequestUri is { Port: 443, IdnHost: "m3.example" };
            return Task.FromResult(new HttpResponseMessage(isKnown ? HttpStatusCode.OK : HttpStatusCode.MisdirectedRequest) { RequestMessage = request });
        }
    }
}
