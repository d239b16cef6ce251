using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;

namespace M3.Client.Auth;

/// <summary>
/// One client's metrics and activities, under the names of docs/telemetry.md, which never change. It takes strings and numbers: no token, no
/// subject, no secret. Where nobody listens it costs a look at a field; what a listener throws is its own affair.
/// </summary>
internal sealed class Telemetry : IDisposable
{
    /// <summary>The name of the <see cref="Meter"/> and of the <see cref="ActivitySource"/>.</summary>
    public const string Name = "M3.Client.Auth";

    private const string ErrorType = "error.type";
    private const string ClientName = "m3.client.name";

    private static readonly InstrumentAdvice<double> Fetches = new() { HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120] };
    private static readonly InstrumentAdvice<double> Waits = new() { HistogramBucketBoundaries = [0.1, 1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 2700, 3600] };

    private readonly ActivitySource _activities;
    private readonly Meter _meter;
    private readonly bool _ownsMeter;
    private readonly TimeProvider _timeProvider;
    private readonly Counter<long> _attached;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _retried;
    private readonly Counter<long> _renewals;
    private readonly Histogram<double> _tokenRequests;
    private readonly Histogram<double> _keyFetches;
    private readonly Histogram<double> _waits;
    private readonly KeyValuePair<string, object?> _client;

    /// <param name="clientName">The client's name at the factory; null: it was built directly.</param>
    /// <param name="meters">The application's; null: a meter of its own.</param>
    /// <param name="timeProvider">For durations.</param>
    public Telemetry(string? clientName, IMeterFactory? meters, TimeProvider timeProvider)
    {
        string? version = typeof(Telemetry).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        _activities = new ActivitySource(Name, version);
        _meter = meters?.Create(Name, version) ?? new Meter(Name, version);
        _ownsMeter = meters is null;
        _timeProvider = timeProvider;
        _client = new(ClientName, clientName ?? "");
        _attached = _meter.CreateCounter<long>("m3.client.auth.request.attached", "{request}", "Requests sent with a token.");
        _refused = _meter.CreateCounter<long>("m3.client.auth.request.refused", "{request}", "Requests that failed with a typed error, here or by M3's answer.");
        _retried = _meter.CreateCounter<long>("m3.client.auth.request.retried", "{request}", "Requests sent once more with a newer token after M3's 401.");
        _renewals = _meter.CreateCounter<long>("m3.client.auth.token.renewals", "{renewal}", "Tokens that took the place of another, or of none, and attempts that failed.");
        _tokenRequests = _meter.CreateHistogram("m3.client.auth.token.request.duration", "s", "How long a token source that is not polled took.", null, Fetches);
        _keyFetches = _meter.CreateHistogram("m3.client.auth.keys.fetch.duration", "s", "How long the issuer's metadata and keys took to fetch.", null, Fetches);
        _waits = _meter.CreateHistogram("m3.client.auth.budget.wait.duration", "s", "How long calls waited for their turn within M3's rate limit.", null, Waits);
    }

    /// <summary>Whose work an activity belongs to: what runs for many callers is a child of the one that began it.</summary>
    public static ActivityContext Caller => Activity.Current?.Context ?? default;

    /// <summary>A request goes out with a token. On the hot path.</summary>
    public void Attached()
    {
        if (_attached.Enabled)
            Count(_attached, [_client]);
    }

    /// <summary>A request goes out once more after a 401.</summary>
    public void Retried() => Count(_retried, [_client]);

    /// <summary>A token took the place of another, or could not be had.</summary>
    /// <param name="error">Which failure; null: none.</param>
    public void Renewed(string? error) => Count(_renewals, error is null ? [_client] : [_client, new(ErrorType, error)]);

    /// <summary>A request failed with a typed error, and leaves a span that says why.</summary>
    /// <param name="error">Which failure.</param>
    /// <param name="reason">In words.</param>
    /// <param name="status">The status of M3's answer; null: it was refused here.</param>
    /// <param name="target">Where it was to go.</param>
    public void Refused(string error, string reason, int? status, Uri? target)
    {
        KeyValuePair<string, object?> by = new("m3.refused_by", status is null ? "client" : "server");
        Count(_refused, [_client, new(ErrorType, error), by]);
        try
        {
            using Activity? activity = _activities.StartActivity("m3.refuse_request");
            if (activity is null)
                return;
            activity.SetTag(_client.Key, _client.Value).SetTag(ErrorType, error).SetTag(by.Key, by.Value);
            if (target is { IsAbsoluteUri: true })
                activity.SetTag("server.address", target.IdnHost).SetTag("server.port", target.Port);
            if (status is not null)
                activity.SetTag("http.response.status_code", status);
            activity.SetStatus(ActivityStatusCode.Error, Printable.WithoutToken(reason));
        }
        catch (Exception)
        {
            // The listener's.
        }
    }

    /// <summary>A source that is not polled is asked for a token.</summary>
    public TimedOperation StartTokenRequest(ActivityContext caller) => Start("m3.request_token", _tokenRequests, caller);

    /// <summary>The issuer's keys are fetched, with its metadata where those are not known yet.</summary>
    public TimedOperation StartKeyFetch(ActivityContext caller) => Start("m3.fetch_keys", _keyFetches, caller);

    /// <summary>A call waits its turn within M3's rate limit.</summary>
    public TimedOperation StartWait() => Start("m3.wait_for_budget", _waits, Caller);

    /// <summary>Has the token's remaining life asked for.</summary>
    /// <param name="secondsLeft">Null: there is no token, or it never expires.</param>
    public void ObserveToken(Func<double?> secondsLeft) =>
        Observe("m3.client.auth.token.expires_in", "s", "Until the current token expires; negative when it has.", () => secondsLeft() is { } left ? [Measure(left)] : []);

    /// <summary>Has the state of the keys asked for.</summary>
    /// <param name="state">Null: there are none.</param>
    public void ObserveKeys(Func<(double AgeInSeconds, int Usable, int Ignored)?> state)
    {
        Observe("m3.client.auth.keys.age", "s", "Since the keys in use were fetched.", () => state() is { } keys ? [Measure(keys.AgeInSeconds)] : []);
        Observe("m3.client.auth.keys.usable", "{key}", "Keys that can verify a signature.", () => state() is { } keys ? [Measure(keys.Usable)] : []);
        Observe("m3.client.auth.keys.ignored", "{key}", "Keys of the issuer that cannot be used.", () => state() is { } keys ? [Measure(keys.Ignored)] : []);
    }

    /// <summary>Has the budgets asked for.</summary>
    /// <param name="budgets">One for each origin, for the subject of the last call.</param>
    public void ObserveBudgets(Func<IReadOnlyCollection<BudgetState>> budgets)
    {
        Observe("m3.client.auth.budget.limit", "{call}", "Tool calls that M3 takes within its window.", () => budgets().Select(budget => Measure(budget, budget.Limit)));
        Observe("m3.client.auth.budget.used", "{call}", "Tool calls that count now.", () => budgets().Select(budget => Measure(budget, budget.Limit - budget.Left)));
        Observe("m3.client.auth.budget.left", "{call}", "Tool calls that could go out now.", () => budgets().Select(budget => Measure(budget, budget.Left)));
    }

    public void Dispose()
    {
        _activities.Dispose();
        if (_ownsMeter)
            _meter.Dispose();
    }

    private static void Count(Counter<long> counter, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        try
        {
            counter.Add(1, tags);
        }
        catch (Exception)
        {
            // The listener's.
        }
    }

    private TimedOperation Start(string activity, Histogram<double> durations, ActivityContext caller)
    {
        Activity? started = null;
        try
        {
            started = _activities.StartActivity(activity, ActivityKind.Internal, caller);
            started?.SetTag(_client.Key, _client.Value);
        }
        catch (Exception)
        {
            // The listener's.
        }

        return new TimedOperation(started, durations, _client, _timeProvider);
    }

    private void Observe(string name, string unit, string description, Func<IEnumerable<Measurement<double>>> observe) =>
        _meter.CreateObservableGauge(name, observe, unit, description);

    private Measurement<double> Measure(double value) => new(value, _client);

    private Measurement<double> Measure(BudgetState budget, double value) =>
        new(value, _client, new("server.address", budget.Host), new("server.port", budget.Port));
}

/// <summary>What is left of a budget.</summary>
internal readonly record struct BudgetState(string Host, int Port, int Limit, int Left);
