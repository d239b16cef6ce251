using BenchmarkDotNet.Attributes;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Benchmarks;

/// <summary>The same calls from many callers at once, on every core: throughput beside a header set by hand.</summary>
public class Contention
{
    private const int Calls = 1_000_000;

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
        _m3 = new HttpMessageInvoker(new M3AuthHandler(fixture.Options(token)) { InnerHandler = new WorkingEndHandler() });
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

    /// <summary>The least that any real call does: a fresh response.</summary>
    private sealed class WorkingEndHandler : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage { RequestMessage = request });
    }
}
