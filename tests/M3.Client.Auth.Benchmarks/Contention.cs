using System.Net;
using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Benchmarks;

/// <summary>The same calls from many callers at once, on every core: throughput beside a header set by hand.</summary>
public class Contention
{
    private const int Calls = 200_000;

    private HttpMessageInvoker _handSet = null!;
    private HttpMessageInvoker _m3 = null!;

    [Params(1, 2, 8, 64)]
    public int Callers { get; set; }

    [GlobalSetup]
    public async Task SetUp()
    {
        var fixture = new Fixture();
        string token = fixture.Token(SecurityAlgorithms.RsaSha256);
        _handSet = new HttpMessageInvoker(new HandSetHandler(token) { InnerHandler = new WorkingEndHandler() });
        M3AuthOptions options = fixture.Options(token);
        // Wide enough for every caller's idea of now, and never full.
        (options.RateLimitRequests, options.RateLimitWindow) = (100_000, TimeSpan.FromMilliseconds(1));
        _m3 = new HttpMessageInvoker(new M3AuthHandler(options) { InnerHandler = new WorkingEndHandler() });
        using var request = new HttpRequestMessage(HttpMethod.Post, "https://m3.example/sse");
        await _m3.SendAsync(request, default);
    }

    [Benchmark(Baseline = true, Description = "header set by hand", OperationsPerInvoke = Calls)]
    public Task HandSet() => RunAsync(_handSet);

    [Benchmark(Description = "M3.Client.Auth", OperationsPerInvoke = Calls)]
    public Task M3() => RunAsync(_m3);

    private Task RunAsync(HttpMessageInvoker invoker) => Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
    {
        for (int i = 0; i < Calls / Callers; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "https://m3.example/sse");
            using HttpResponseMessage response = await invoker.SendAsync(request, default);
        }
    })));

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
