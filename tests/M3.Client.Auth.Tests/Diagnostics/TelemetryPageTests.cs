using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Diagnostics;

/// <summary>docs/telemetry.md, the dashboard and the alert rules know the code's names, and no others.</summary>
[Parallelizable(ParallelScope.All)]
public sealed partial class TelemetryPageTests
{
    private static readonly string[] Labels = ["m3_client_name", "error_type", "m3_refused_by", "m3_shared_value_kind", "m3_shared_value_result", "server_address", "server_port", "le"];

    [Test]
    public void Every_instrument_has_its_row_and_no_other() =>
        Assert.That(Page.Rows("docs/telemetry.md", "## Metrics").Select(row => $"{row[0].Trim('`')} {row[1]} {row[2].Trim('`')}"),
            Is.EquivalentTo(Instruments().Select(instrument => $"{instrument.Name} {Kind(instrument)} {instrument.Unit}")));

    [Test]
    public void Every_instrument_says_what_it_tells() =>
        Assert.That(Instruments().Select(instrument => instrument.Description), Is.All.EndsWith("."));

    // By the rules of OpenTelemetry's Prometheus exporter, whose own output the example's tests read.
    [TestCase("docs/production/grafana-dashboard.json", 12)]
    [TestCase("docs/production/prometheus-rules.yml", 8)]
    [TestCase("docs/production.md", 4)]
    [TestCase("docs/telemetry.md", 3)]
    public void Every_metric_for_Prometheus_is_one_that_the_code_has(string path, int fewest)
    {
        string[] used = [.. PrometheusName().Matches(Page.Read(path)).Select(match => match.Value).Except(Labels)];

        Assert.That(used, Has.Length.GreaterThanOrEqualTo(fewest));
        Assert.That(used.Except(Instruments().SelectMany(PrometheusNames)), Is.Empty);
    }

    [Test]
    public void The_dashboard_shows_every_instrument()
    {
        string dashboard = Page.Read("docs/production/grafana-dashboard.json");

        Assert.That(Instruments().Where(instrument => !PrometheusNames(instrument).Any(name => dashboard.Contains(name, StringComparison.Ordinal))).Select(instrument => instrument.Name), Is.Empty);
    }

    [Test]
    public void Every_alert_has_its_row_and_no_other() =>
        Assert.That(AlertName().Matches(Page.Read("docs/production/prometheus-rules.yml")).Select(match => $"{match.Groups[1].Value} {match.Groups[2].Value}"),
            Is.EqualTo(Page.Rows("docs/production.md", "## Alerts").Select(row => $"{row[0].Trim('`')} {row[2]}")));

    private static List<Instrument> Instruments()
    {
        using var fixture = new ClientFixture();
        using var provider = new M3TokenProvider(fixture.Options());
        List<Instrument> instruments = [];
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == "M3.Client.Auth")
                    instruments.Add(instrument);
            },
        };
        listener.Start();
        return [.. instruments.DistinctBy(instrument => instrument.Name)];
    }

    private static string Kind(Instrument instrument) => instrument switch
    {
        Counter<long> => "counter",
        Histogram<double> => "histogram",
        ObservableGauge<double> => "gauge",
        _ => instrument.GetType().Name,
    };

    private static string[] PrometheusNames(Instrument instrument)
    {
        string name = instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "");
        return Kind(instrument) switch
        {
            "counter" => [name + "_total"],
            "histogram" => [name + "_bucket", name + "_count", name + "_sum"],
            _ => [name],
        };
    }

    [GeneratedRegex("m3_[a-z][a-z_0-9]+")]
    private static partial Regex PrometheusName();

    [GeneratedRegex(@"- alert: (\w+)[\s\S]*?severity: (\w+)")]
    private static partial Regex AlertName();
}
