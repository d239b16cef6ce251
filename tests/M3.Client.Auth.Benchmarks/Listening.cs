using BenchmarkDotNet.Attributes;
using Microsoft.IdentityModel.Tokens;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace M3.Client.Auth.Benchmarks;

/// <summary>What a call costs more while OpenTelemetry's SDK listens to metrics, to traces, or to both.</summary>
[MemoryDiagnoser]
public class Listening
{
    private readonly HttpRequestMessage _request = new(HttpMethod.Post, "https://m3.example/sse");
    private HttpMessageInvoker _m3 = null!;
    private Telemetry _telemetry = null!;
    private MeterProvider? _metrics;
    private TracerProvider? _traces;

    [Params("nobody", "metrics", "traces", "both")]
    public string Listens { get; set; } = "";

    [GlobalSetup]
    public async Task SetUp()
    {
        if (Listens is "metrics" or "both")
            _metrics = Sdk.CreateMeterProviderBuilder().AddMeter("M3.Client.Auth").AddReader(new BaseExportingMetricReader(new NoMetrics())).Build();
        if (Listens is "traces" or "both")
            _traces = Sdk.CreateTracerProviderBuilder().AddSource("M3.Client.Auth").AddProcessor(new SimpleActivityExportProcessor(new NoActivities())).Build();

        _telemetry = new Telemetry(clientName: null, Instruments.Shared, TimeProvider.System);
        var fixture = new Fixture();
        _m3 = new HttpMessageInvoker(new M3AuthHandler(fixture.Options(fixture.Token(SecurityAlgorithms.RsaSha256))) { InnerHandler = new EndHandler(later: false) });
        await _m3.SendAsync(_request, default);
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _metrics?.Dispose();
        _traces?.Dispose();
    }

    [Benchmark(Description = "M3.Client.Auth")]
    public Task<HttpResponseMessage> M3() => _m3.SendAsync(_request, default);

    [Benchmark(Description = "the count alone")]
    public void Count() => _telemetry.Attached();

    private sealed class NoMetrics : BaseExporter<Metric>
    {
        public override ExportResult Export(in Batch<Metric> batch) => ExportResult.Success;
    }

    private sealed class NoActivities : BaseExporter<System.Diagnostics.Activity>
    {
        public override ExportResult Export(in Batch<System.Diagnostics.Activity> batch) => ExportResult.Success;
    }
}
