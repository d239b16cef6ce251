using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>A factory's client, with OpenTelemetry's own SDK and the health checks watching it. Its name is its own, so that tests beside it do not count.</summary>
internal sealed class ObservedClient : IDisposable
{
    private readonly ServiceProvider _services;
    private readonly ConcurrentQueue<Activity> _activities = new();
    private readonly List<Metric> _metrics = [];
    private readonly MeterProvider _meterProvider;
    private readonly TracerProvider _tracerProvider;

    public ObservedClient(Action<M3AuthOptions>? configure = null, Action<IHealthChecksBuilder, string>? addHealth = null,
        Action<IServiceCollection, string, ClientFixture>? addOthers = null)
    {
        _tracerProvider = Sdk.CreateTracerProviderBuilder().AddSource("M3.Client.Auth").AddProcessor(new Collector(this)).Build();
        _meterProvider = Sdk.CreateMeterProviderBuilder().AddMeter("M3.Client.Auth").AddInMemoryExporter(_metrics).Build();

        var services = new ServiceCollection();
        services.AddSingleton<ILoggerFactory>(Fixture.Log);
        services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddHttpClient(Name, client => client.BaseAddress = ClientFixture.Address).ConfigurePrimaryHttpMessageHandler(() => Fixture.Server).AddM3Auth(options =>
        {
            (options.IssuerUrl, options.Audience) = (FakeIssuer.Url, ClientFixture.Audience);
            Fixture.Wire(options);
            configure?.Invoke(options);
        });
        (addHealth ?? ((checks, name) => checks.AddM3Auth(name)))(services.AddHealthChecks(), Name);
        addOthers?.Invoke(services, Name, Fixture);
        _services = services.BuildServiceProvider();
    }

    public string Name { get; } = $"m3-{Guid.NewGuid():N}";

    public ClientFixture Fixture { get; } = new();

    public HttpClient Client => _services.GetRequiredService<IHttpClientFactory>().CreateClient(Name);

    public M3TokenProvider Provider => _services.GetRequiredKeyedService<M3TokenProvider>(Name);

    /// <summary>This client's spans that have ended.</summary>
    public IReadOnlyList<Activity> Activities => [.. _activities.Where(activity => Equals(activity.GetTagItem("m3.client.name"), Name))];

    /// <summary>A span that the calls made within it belong to, and that is recorded.</summary>
    public static Activity StartCaller()
    {
        var caller = new Activity("caller");
        caller.SetIdFormat(ActivityIdFormat.W3C).ActivityTraceFlags = ActivityTraceFlags.Recorded;
        return caller.Start();
    }

    public void Advance(TimeSpan time) => Fixture.Clock.Advance(time);

    public async Task CallAsync() => (await Client.PostAsync("", new StringContent("{}"))).Dispose();

    /// <summary>Has the time pass that a call waits for; the token lasts meanwhile, however late the call wakes up.</summary>
    public async Task PassTheTurnAsync(Task waiting)
    {
        await KeyCacheFixture.UntilAsync(() =>
        {
            Advance(TimeSpan.FromSeconds(30));
            Fixture.Token = Fixture.NewToken();
            return waiting.IsCompleted;
        }, "the turn comes");
        await waiting;
    }

    public async Task<M3AuthException> FailAsync()
    {
        try
        {
            await CallAsync();
        }
        catch (M3AuthException e)
        {
            return e;
        }

        throw new AssertionException("the call should have failed, and did not");
    }

    /// <summary>This client's points, by the instrument's name and the tags besides the client's: a sum, a gauge's value, or how often a histogram was written.</summary>
    public IReadOnlyDictionary<string, double> Collect()
    {
        lock (_metrics)
        {
            _metrics.Clear();
            _meterProvider.ForceFlush();
            Dictionary<string, double> points = [];
            foreach (Metric metric in _metrics)
            {
                foreach (ref readonly MetricPoint point in metric.GetMetricPoints())
                {
                    List<string> tags = [];
                    bool isMine = false;
                    foreach (KeyValuePair<string, object?> tag in point.Tags)
                    {
                        if (tag.Key == "m3.client.name")
                            isMine = Equals(tag.Value, Name);
                        else
                            tags.Add($"{tag.Key}={tag.Value}");
                    }

                    if (isMine)
                        points[string.Join(' ', [metric.Name, .. tags])] = Read(metric, point);
                }
            }

            return points;
        }
    }

    public async Task<HealthReportEntry> CheckHealthAsync() =>
        (await _services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries.Single().Value;

    public void Dispose()
    {
        _services.Dispose();
        _meterProvider.Dispose();
        _tracerProvider.Dispose();
        Fixture.Dispose();
    }

    private static double Read(Metric metric, in MetricPoint point) => metric.MetricType switch
    {
        MetricType.LongSum => point.GetSumLong(),
        MetricType.DoubleGauge => point.GetGaugeLastValueDouble(),
        MetricType.Histogram => point.GetHistogramCount(),
        _ => throw new InvalidOperationException($"{metric.Name} is a {metric.MetricType}"),
    };

    private sealed class Collector(ObservedClient client) : BaseProcessor<Activity>
    {
        public override void OnEnd(Activity data) => client._activities.Enqueue(data);
    }
}
