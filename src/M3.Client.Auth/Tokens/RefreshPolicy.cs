namespace M3.Client.Auth;

/// <summary>What becomes of the current token when a refresh has ended.</summary>
internal enum RefreshOutcome
{
    /// <summary>The new token replaces it.</summary>
    Use,

    /// <summary>The refresh failed, and the current token is used on.</summary>
    Keep,

    /// <summary>Whoever waits gets the failure; the current token, if any, stays for when its keys or its source are back.</summary>
    Fail,

    /// <summary>Whoever waits gets the failure, and the current token is not sent any more.</summary>
    FailAndDrop,
}

/// <summary>When to refresh, and what to do with the result: rules alone, without state.</summary>
internal static class RefreshPolicy
{
    /// <summary>No source is asked twice within it while a token is usable.</summary>
    public static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan MaxRetryInterval = TimeSpan.FromSeconds(30);

    /// <summary>
    /// A minute before the expiry, but never more than a fifth of what is left: short tokens are to be used, too. The jitter keeps processes
    /// that started together from asking together. What is polled, or never expires, is not renewed ahead.
    /// </summary>
    /// <param name="now">The moment of the validation.</param>
    /// <param name="expiresAt">The token's expiry.</param>
    /// <param name="isPolled">Whether its source is read all the time.</param>
    /// <param name="jitter">From 0 to 1.</param>
    public static Deadline RenewAt(Moment now, DateTimeOffset expiresAt, bool isPolled, double jitter)
    {
        if (isPolled || expiresAt == DateTimeOffset.MaxValue)
            return Deadline.At(expiresAt);
        TimeSpan left = expiresAt - now.Utc;
        return Deadline.After(now, left - (RenewalMargin.Of(left) * (1 + (jitter * RenewalMargin.Jitter))));
    }

    /// <summary>When a usable token's source or keys are to be checked again.</summary>
    /// <param name="now">The moment.</param>
    /// <param name="renewAt">When the token is to be renewed.</param>
    /// <param name="pollInterval">The provider's source's; null: it is not polled.</param>
    /// <param name="keysCheck">When the keys are due.</param>
    public static Deadline NextCheck(Moment now, Deadline renewAt, TimeSpan? pollInterval, Deadline keysCheck)
    {
        // Due already: the source has nothing newer yet, and is asked again soon.
        Deadline due = renewAt.IsPast(now) ? Deadline.Pause(now, MinInterval) : renewAt;
        if (pollInterval is { } interval)
            due = due.Or(Deadline.Pause(now, interval));
        return due.Or(keysCheck);
    }

    /// <summary>When to try again after a refresh that failed while the current token is usable.</summary>
    public static Deadline RetryAt(Moment now, DateTimeOffset expiresAt, bool isPolled)
    {
        TimeSpan tenth = (expiresAt - now.Utc) / 10;
        TimeSpan wait = isPolled || tenth < MinInterval ? MinInterval : tenth < MaxRetryInterval ? tenth : MaxRetryInterval;
        return Deadline.Pause(now, wait);
    }

    /// <param name="error">What the refresh failed with; null: it did not.</param>
    /// <param name="isPolled">Whether the source that answered is polled.</param>
    /// <param name="isUsable">Whether the current token may be sent on.</param>
    public static RefreshOutcome Decide(Exception? error, bool isPolled, bool isUsable)
    {
        if (error is null)
            return RefreshOutcome.Use;
        if (isPolled && IsDefinitive(error))
            return RefreshOutcome.FailAndDrop;
        return isUsable ? RefreshOutcome.Keep : RefreshOutcome.Fail;
    }

    // What a polled source says anew is somebody's decision, and is followed even to a worse token; that it cannot be read is none.
    private static bool IsDefinitive(Exception error) =>
        error is M3AuthException and not TokenRequestFailedException and not JwksUnavailableException;
}
