using System.Globalization;
using System.Net.Http.Headers;

namespace M3.Client.Auth;

/// <summary>
/// M3's rate limit for one origin, as one registration keeps it: a call beyond it fails, or waits. The permits may be others' as well.
/// </summary>
/// <param name="permits">One for each call that M3 may count within its window.</param>
/// <param name="mode">What becomes of a call beyond the limit.</param>
/// <param name="progress">Told how long a call has to wait; null: nobody.</param>
/// <param name="log">Told so, too.</param>
/// <param name="telemetry">Told how long it was in the end.</param>
internal sealed class RequestBudget(PermitPool permits, RateLimitMode mode, IProgress<TimeSpan>? progress, Log log, Telemetry telemetry)
{
    private string Rate => $"{permits.Limit.ToString(CultureInfo.InvariantCulture)} per {Duration.Describe(permits.Window)}";

    /// <summary>Takes permits that are at hand.</summary>
    /// <param name="subject">The token's; null: none.</param>
    /// <param name="count">How many tool calls there are.</param>
    /// <param name="now">By the monotonic clock.</param>
    /// <param name="permit">What was taken.</param>
    /// <returns>False: <see cref="AcquireAsync"/> has to decide.</returns>
    public bool TryAcquire(string? subject, int count, long now, out Permit permit) => permits.TryAcquire(subject, count, now, out permit);

    /// <summary>Takes permits, by the rules of the mode.</summary>
    /// <param name="subject">The token's; null: none.</param>
    /// <param name="count">How many tool calls there are.</param>
    /// <param name="cancellationToken">Ends the wait. Whoever is cancelled has taken nothing.</param>
    /// <exception cref="RateLimitExceededException">The limit is reached, or M3 has asked for a pause.</exception>
    public async ValueTask<Permit> AcquireAsync(string? subject, int count, CancellationToken cancellationToken)
    {
        PermitResult result = mode == RateLimitMode.Wait
            ? await WaitAsync(subject, count, cancellationToken).ConfigureAwait(false)
            : await permits.AcquireAsync(subject, count, onWait: null, cancellationToken).ConfigureAwait(false);
        if (result.Permit is { } permit)
            return permit;
        if (result is { Problem: { } problem, RetryAfter: null })
            throw new RateLimitExceededException(null, problem);
        string why = result.Problem ?? (result.IsPaused ? "M3 asked for a pause (Retry-After)" : $"limit of {Rate} reached");
        throw new RateLimitExceededException(result.RetryAfter, result.RetryAfter is { } retryAfter
            ? $"{why}; retry after {Duration.Describe(retryAfter)}"
            : $"{why} by calls that M3 has not answered yet; retry when one is answered");
    }

    /// <summary>M3 itself says to wait (RFC 9110, section 10.2.3): nothing goes before then.</summary>
    public void Pause(RetryConditionHeaderValue retryAfter, DateTimeOffset now)
    {
        TimeSpan duration = retryAfter.Delta ?? (retryAfter.Date - now).GetValueOrDefault();
        if (duration > TimeSpan.Zero)
            permits.Pause(duration);
    }

    /// <summary>The window, which may be a stricter one than this registration's.</summary>
    public TimeSpan Window => permits.Window;

    /// <summary>How many calls of one subject there may be within any window, and how many there have been.</summary>
    public PermitCount Count(string? subject) => permits.Count(subject);

    /// <inheritdoc cref="PermitPool.IsShared" />
    public bool IsShared => permits.IsShared;

    /// <summary>Why no call is let through although the limit may not be reached; null: nothing stands in the way.</summary>
    public string? Problem => permits.Problem;

    /// <summary>The budget in words, for the log.</summary>
    public string Describe(string? subject) => $"{permits.Count(subject).Left.ToString(CultureInfo.InvariantCulture)} left of {Rate}";

    private async ValueTask<PermitResult> WaitAsync(string? subject, int count, CancellationToken cancellationToken)
    {
        // What need not wait is no wait, wherever it is asked for.
        TimedOperation? wait = null;
        string? error = null;
        try
        {
            return await permits.AcquireAsync(subject, count, OnWait, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            error = e.GetType().FullName;
            throw;
        }
        finally
        {
            wait?.End(error);
        }

        void OnWait(TimeSpan? time)
        {
            wait ??= telemetry.StartWait();
            if (time is { } known)
                TellWait(known);
        }
    }

    private void TellWait(TimeSpan wait)
    {
        log.WaitingForBudget(wait);
        progress?.Report(wait);
    }
}
