using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace M3.Client.Auth;

/// <summary>
/// One client's metrics and activities. It takes strings and numbers: no token, no subject, no secret. Where nobody listens it costs a look
/// at a field.
/// </summary>
internal sealed class Telemetry : IDisposable
{
    private const string ErrorType = "error.type";

    private static readonly ActivitySource Activities = new(Instruments.Name, Instruments.Version);

    private readonly Instruments _instruments;
    private readonly TimeProvider _timeProvider;
    private readonly KeyValuePair<string, object?> _client;

    /// <param name="clientName">The client's name at the factory; null: it was built directly.</param>
    /// <param name="instruments">The container's, or <see cref="Instruments.Shared"/>.</param>
    /// <param name="timeProvider">For durations.</param>
    public Telemetry(string? clientName, Instruments instruments, TimeProvider timeProvider)
    {
        _instruments = instruments;
        _timeProvider = timeProvider;
        _client = new("m3.client.name", clientName ?? "");
        instruments.Add(this);
    }

    /// <summary>Where to read the token's remaining life; what it returns is null when there is no token, or one that never expires.</summary>
    public Func<double?>? SecondsToExpiry;

    /// <summary>Where to read the state of the keys; what it returns is null when there are none.</summary>
    public Func<KeyState?>? Keys;

    /// <summary>Where to read the budgets: one for each origin, for the subject of the last call.</summary>
    public Func<IReadOnlyCollection<BudgetState>>? Budgets;

    /// <summary>Whose work an activity belongs to: what runs for many callers is a child of the one that began it.</summary>
    public static ActivityContext Caller => Activity.Current?.Context ?? default;

    /// <summary>A request goes out with a token. On the hot path.</summary>
    public void Attached()
    {
        if (_instruments.Attached.Enabled)
            _instruments.Attached.Add(1, _client);
    }

    /// <summary>A request goes out once more after a 401.</summary>
    public void Retried() => _instruments.Retried.Add(1, _client);

    /// <summary>A token took the place of another, or could not be had.</summary>
    /// <param name="error">Which failure; null: none.</param>
    public void Renewed(string? error)
    {
        if (_instruments.Renewals.Enabled)
            _instruments.Renewals.Add(1, error is null ? [_client] : [_client, new(ErrorType, error)]);
    }

    /// <summary>A request failed with a typed error, and leaves a span that says why.</summary>
    /// <param name="error">Which failure.</param>
    /// <param name="reason">In words.</param>
    /// <param name="status">The status of M3's answer; null: it was refused here.</param>
    /// <param name="target">Where it was to go.</param>
    public void Refused(string error, string reason, int? status, Uri? target)
    {
        KeyValuePair<string, object?> by = new("m3.refused_by", status is null ? "client" : "server");
        _instruments.Refused.Add(1, _client, new(ErrorType, error), by);
        using Activity? activity = Activities.StartActivity("m3.refuse_request");
        if (activity is null)
            return;
        activity.SetTag(_client.Key, _client.Value).SetTag(ErrorType, error).SetTag(by.Key, by.Value);
        if (target is { IsAbsoluteUri: true })
            activity.SetTag("server.address", target.IdnHost).SetTag("server.port", target.Port);
        if (status is not null)
            activity.SetTag("http.response.status_code", status);
        activity.SetStatus(ActivityStatusCode.Error, Printable.WithoutToken(reason));
    }

    /// <summary>A source that is not polled is asked for a token.</summary>
    public TimedOperation StartTokenRequest(ActivityContext caller) => Start("m3.request_token", _instruments.TokenRequests, caller);

    /// <summary>The issuer's keys are fetched, with its metadata where those are not known yet.</summary>
    public TimedOperation StartKeyFetch(ActivityContext caller) => Start("m3.fetch_keys", _instruments.KeyFetches, caller);

    /// <summary>A shared value was used, was fetched for all, or was none.</summary>
    /// <param name="kind">What it is: <c>token</c> or <c>keys</c>.</param>
    /// <param name="result">What became of it.</param>
    /// <param name="problem">Why it was none.</param>
    public void SharedValue(string kind, string result, string? problem = null)
    {
        KeyValuePair<string, object?>[] tags = [_client, new("m3.shared_value.kind", kind), new("m3.shared_value.result", result)];
        _instruments.SharedValues.Add(1, problem is null ? tags : [.. tags, new(ErrorType, problem)]);
    }

    /// <summary>A call waits its turn within M3's rate limit.</summary>
    public TimedOperation StartWait() => Start("m3.wait_for_budget", _instruments.BudgetWaits, Caller);

    public IEnumerable<Measurement<double>> MeasureToken() => SecondsToExpiry?.Invoke() is { } left ? [new(left, _client)] : [];

    public IEnumerable<Measurement<double>> MeasureKeys(Func<KeyState, double> what) => Keys?.Invoke() is { } keys ? [new(what(keys), _client)] : [];

    public IEnumerable<Measurement<double>> MeasureBudgets(Func<BudgetState, double> what) => Budgets is null ? []
        : Budgets().Select(budget => new Measurement<double>(what(budget), _client, new("server.address", budget.Host), new("server.port", budget.Port)));

    public void Dispose() => _instruments.Remove(this);

    private TimedOperation Start(string activity, Histogram<double> durations, ActivityContext caller)
    {
        Activity? started = Activities.StartActivity(activity, ActivityKind.Internal, caller);
        started?.SetTag(_client.Key, _client.Value);
        return new TimedOperation(started, durations, _client, _timeProvider);
    }
}

/// <summary>How the budget for one host stands; a pause is one that M3 itself has asked for, and else zero.</summary>
internal readonly record struct BudgetState(string Host, int Port, int Limit, int Used, int Left, TimeSpan Window, TimeSpan Pause, string? Problem = null);

/// <summary>The keys in use.</summary>
internal readonly record struct KeyState(double AgeInSeconds, int Usable, int Ignored);
