using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace HttpClientFactory;

/// <summary>OpenTelemetry: the library's metrics and activities beside ASP.NET Core's and HttpClient's.</summary>
internal static class Telemetry
{
    // The name of the library's meter and of its activity source.
    private const string M3 = "M3.Client.Auth";

    public static void AddTelemetry(this WebApplicationBuilder builder)
    {
        OpenTelemetryBuilder telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(builder.Environment.ApplicationName))
            .WithMetrics(metrics => metrics.AddMeter(M3).AddAspNetCoreInstrumentation().AddHttpClientInstrumentation().AddPrometheusExporter())
            .WithTracing(tracing => tracing.AddSource(M3).AddAspNetCoreInstrumentation().AddHttpClientInstrumentation());

        // Without a collector nothing is sent: the exporter would look for one on this machine.
        if (!string.IsNullOrEmpty(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
            telemetry.UseOtlpExporter();
    }
}
