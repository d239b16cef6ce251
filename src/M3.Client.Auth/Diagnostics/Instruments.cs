using System.Diagnostics.Metrics;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace M3.Client.Auth;

/// <summary>
/// The instruments of one <see cref="Meter"/>, under the names of docs/telemetry.md, which never change. All clients of a container, or all
/// that were built directly, have the same ones: a meter for each would silence the others' with its end, since OpenTelemetry takes
/// instruments of one name for one.
/// </summary>
internal sealed class Instruments
{
    /// <summary>The name of the <see cref="Meter"/> and of the <see cref="System.Diagnostics.ActivitySource"/>.</summary>
    public const string Name = "M3.Client.Auth";

    private static readonly double[] Fetches = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
    private static readonly double[] Waits = [0.1, 1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 2700, 3600];

    // Whoever forgets to dispose its client is not kept alive by it.
    private readonly ConditionalWeakTable<Telemetry, Telemetry> _clients = [];

    /// <param name="meters">The application's; null: for what is built directly.</param>
    public Instruments(IMeterFactory? meters)
    {
        Meter meter = meters?.Create(Name, Version) ?? new Meter(Name, Version);
        Attached = meter.CreateCounter<long>("m3.client.auth.request.attached", "{request}", "Requests sent with a token.");
        Refused = meter.CreateCounter<long>("m3.client.auth.request.refused", "{request}", "Requests that failed with a typed error, here or by M3's answer.");
        Retried = meter.CreateCounter<long>("m3.client.auth.request.retried", "{request}", "Requests sent once more with a newer token after M3's 401.");
        Renewals = meter.CreateCounter<long>("m3.client.auth.token.renewals", "{renewal}", "Tokens that took the place of another or of none, and attempts that failed.");
        SharedValues = meter.CreateCounter<long>("m3.client.auth.shared_value.reads", "{value}", "Tokens and key sets that processes share: used, fetched for all, or ignored.");
        TokenRequests = CreateHistogram("m3.client.auth.token.request.duration", "How long a token source that is not polled took.", Fetches);
        KeyFetches = CreateHistogram("m3.client.auth.keys.fetch.duration", "How long the issuer's metadata and keys took to fetch.", Fetches);
        BudgetWaits = CreateHistogram("m3.client.auth.budget.wait.duration", "How long calls waited for their turn within M3's rate limit.", Waits);
        Observe("m3.client.auth.token.expires_in", "s", "Until the current token expires; negative when it has.", Math.Min, client => client.MeasureToken());
        Observe("m3.client.auth.keys.age", "s", "Since the keys in use were fetched.", Math.Max, client => client.MeasureKeys(keys => keys.AgeInSeconds));
        Observe("m3.client.auth.keys.usable", "{key}", "Keys that can verify a signature.", Math.Min, client => client.MeasureKeys(keys => keys.Usable));
        Observe("m3.client.auth.keys.ignored", "{key}", "Keys of the issuer that cannot be used.", Math.Max, client => client.MeasureKeys(keys => keys.Ignored));
        Observe("m3.client.auth.budget.limit", "{call}", "Tool calls that M3 takes within its window.", Math.Min, client => client.MeasureBudgets(budget => budget.Limit));
        Observe("m3.client.auth.budget.used", "{call}", "Tool calls that count now.", Math.Max, client => client.MeasureBudgets(budget => budget.Used));
        Observe("m3.client.auth.budget.reachable", "1", "1, or 0 while the budget that processes share cannot be reached.", Math.Min, client => client.MeasureBudgets(budget => budget.Problem is null ? 1 : 0));
        Observe("m3.client.auth.budget.left", "{call}", "Tool calls that could go out now.", Math.Min, client => client.MeasureBudgets(budget => budget.Left));

        Histogram<double> CreateHistogram(string name, string description, double[] boundaries) =>
            meter.CreateHistogram(name, "s", description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = boundaries });

        // Of clients that are told apart by no tag, as those that are built directly, the worst one counts.
        void Observe(string name, string unit, string description, Func<double, double, double> worst, Func<Telemetry, IEnumerable<Measurement<double>>> measure) =>
            meter.CreateObservableGauge(name, () => _clients.SelectMany(client => measure(client.Key)).GroupBy(DescribeTags)
                .Select(same => new Measurement<double>(same.Select(one => one.Value).Aggregate(worst), same.First().Tags)), unit, description);
    }

    private static string DescribeTags(Measurement<double> measurement) => string.Join('\n', measurement.Tags.ToArray().Select(tag => tag.Value));

    public static readonly string? Version = typeof(Instruments).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;

    /// <summary>For what is built directly. Lives as long as the process, as any library's.</summary>
    public static readonly Instruments Shared = new(meters: null);

    public readonly Counter<long> Attached;

    public readonly Counter<long> Refused;

    public readonly Counter<long> Retried;

    public readonly Counter<long> Renewals;

    public readonly Counter<long> SharedValues;

    public readonly Histogram<double> TokenRequests;

    public readonly Histogram<double> KeyFetches;

    public readonly Histogram<double> BudgetWaits;

    public void Add(Telemetry client) => _clients.Add(client, client);

    public void Remove(Telemetry client) => _clients.Remove(client);
}
