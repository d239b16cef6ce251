using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace M3.Client.Auth;

/// <summary>Work that takes time: an activity where somebody listens, and a measurement when it has ended, with the failure it ended in.</summary>
internal readonly struct TimedOperation(Activity? activity, Histogram<double> durations, KeyValuePair<string, object?> client, TimeProvider timeProvider)
{
    private readonly long _begun = timeProvider.GetTimestamp();

    /// <param name="error">Which failure; null: none.</param>
    /// <param name="reason">In words, without a token.</param>
    public void End(string? error = null, string? reason = null)
    {
        if (error is not null)
            activity?.SetTag("error.type", error).SetStatus(ActivityStatusCode.Error, reason);
        activity?.Dispose();
        if (durations.Enabled)
            durations.Record(timeProvider.GetElapsedTime(_begun).TotalSeconds, error is null ? [client] : [client, new("error.type", error)]);
    }
}
