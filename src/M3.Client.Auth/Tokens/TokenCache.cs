namespace M3.Client.Auth;

/// <summary>
/// The one token that every caller uses, and the refresh in flight that everybody waits for. A call that finds the token cached costs a few
/// comparisons and takes no lock.
/// </summary>
internal sealed class TokenCache : IDisposable
{
    private readonly TokenAcquirer _acquirer;
    private readonly JwksCache _jwks;
    private readonly Log _log;
    private readonly Telemetry _telemetry;
    private readonly string _prefix;
    private readonly TimeSpan _sourceTimeout;
    private readonly Clock _clock;
    private readonly CancellationTokenSource _disposed = new();

    // Guards everything below it but _current, which is read without.
    private readonly Lock _gate = new();
    private readonly SingleFlight<Acquisition> _refresh;
    private CachedToken? _current;

    // A 401 that a newer token does not cure must not make every call ask for one more.
    private readonly Backoff _rejections = new();

    // Logged once, until a renewal succeeds again.
    private bool _renewalFailureLogged;

    // Counted once: each look at a polled source finds the same.
    private Type? _countedFailure;

    public TokenCache(TokenAcquirer acquirer, JwksCache jwks, TimeProvider timeProvider, Log log, Telemetry telemetry, string prefix, TimeSpan sourceTimeout)
    {
        _acquirer = acquirer;
        _jwks = jwks;
        _log = log;
        _telemetry = telemetry;
        _prefix = prefix;
        _sourceTimeout = sourceTimeout;
        _clock = new Clock(timeProvider);
        _refresh = new SingleFlight<Acquisition>(timeProvider, sourceTimeout, _disposed.Token);
        telemetry.SecondsToExpiry = () => GetStatus() is { } status && status.ExpiresAt != DateTimeOffset.MaxValue ? (status.ExpiresAt - timeProvider.GetUtcNow()).TotalSeconds : null;
    }

    /// <summary>The hot path: the cached token while nothing is due, else null.</summary>
    public M3AccessToken? TryGet(Moment now)
    {
        CachedToken? current = Volatile.Read(ref _current);
        return current is not null && !current.NextCheck.IsPast(now) && ReferenceEquals(current.Keys, _jwks.Current) ? current.Token : null;
    }

    public ValueTask<M3AccessToken> GetAsync(CancellationToken cancellationToken)
    {
        CachedToken? usable;
        CachedToken? current = null;
        Task<Acquisition> refresh;
        bool isMine = false;
        lock (_gate)
        {
            if (_disposed.IsCancellationRequested)
                return ValueTask.FromException<M3AccessToken>(Disposed());
            Moment now = _clock.Now;
            if (TryGet(now) is { } token)
                return new(token);

            usable = _current is { } known && known.IsUsable(now, _jwks) ? known : null;
            if (_refresh.InFlight is null)
            {
                current = Announce(now);
                isMine = true;
            }

            refresh = _refresh.InFlight!;
        }

        if (isMine)
            _ = RefreshAsync(current, rejected: null);
        // While the current token is usable, nobody waits for the next; but what a polled source says at once counts at once.
        return usable is not null && !refresh.IsCompleted && !usable.HasExpired(_clock.Now)
            ? new(usable.Token)
            : HandOutAsync(refresh, cancellationToken);
    }

    /// <summary>A newer token than the one that M3 refused; that one itself where there is none.</summary>
    public async ValueTask<M3AccessToken> RenewAsync(M3AccessToken rejected, CancellationToken cancellationToken)
    {
        while (true)
        {
            CachedToken? current = null;
            Task<Acquisition> refresh;
            bool isMine = false;
            lock (_gate)
            {
                if (_disposed.IsCancellationRequested)
                    throw Disposed();
                Moment now = _clock.Now;
                if (_current is { } known && known.Token.Value != rejected.Value && known.IsUsable(now, _jwks))
                    return known.Token;

                if (_refresh.InFlight is null)
                {
                    if (_current is { IsPolled: false } && _rejections.Remaining(now) > TimeSpan.Zero)
                        return rejected;
                    current = Announce(now);
                    isMine = true;
                }

                refresh = _refresh.InFlight!;
            }

            if (isMine)
                _ = RefreshAsync(current, rejected);
            CachedToken found = (await refresh.WaitAsync(cancellationToken).ConfigureAwait(false)).Token!;
            // A refresh that was in flight already may have read the source before M3 refused its token.
            if ((isMine || found.Token.Value != rejected.Value) && !found.HasExpired(_clock.Now))
                return found.Token;
        }
    }

    /// <summary>The token at hand and what is known of its successor; null: there is none.</summary>
    public TokenStatus? GetStatus()
    {
        lock (_gate)
        {
            return _current is { } current
                ? new TokenStatus(current.ExpiresAt, current.IsPolled, _renewalFailureLogged)
                : null;
        }
    }

    public void Dispose()
    {
        if (_disposed.IsCancellationRequested)
            return;
        _disposed.Cancel();
        lock (_gate)
            Volatile.Write(ref _current, null);
    }

    private async ValueTask<M3AccessToken> HandOutAsync(Task<Acquisition> refresh, CancellationToken cancellationToken)
    {
        CachedToken found = (await refresh.WaitAsync(cancellationToken).ConfigureAwait(false)).Token!;
        // Whoever waited may have waited past the expiry, be it for a thread: that is judged now, and nothing is awaited behind it.
        return found.HasExpired(_clock.Now) ? await GetAsync(cancellationToken).ConfigureAwait(false) : found.Token;
    }

    // Under the gate.
    private CachedToken? Announce(Moment now)
    {
        if (_current is not null && _current.IsUsable(now, _jwks))
            _current.DeferCheck(Deadline.Pause(now, RefreshPolicy.MinInterval));
        _refresh.Announce();
        return _current;
    }

    // It begins on the caller's thread, so that what a polled source says counts for this very call.
    private Task RefreshAsync(CachedToken? current, M3AccessToken? rejected) => _refresh.RunAsync(
        cancellationToken => _acquirer.AcquireAsync(current, rejected, cancellationToken),
        (found, failure) => Conclude(current, rejected, found ?? new Acquisition(null, failure is TimeoutException
            ? new TokenRequestFailedException($"no token within {Duration.Describe(_sourceTimeout)}", isTransient: true)
            : failure, null)));

    private (Acquisition? Found, Exception? Error) Conclude(CachedToken? current, M3AccessToken? rejected, Acquisition found)
    {
        string? notRenewed = null;
        Exception? failure = found.Error;
        bool isCounted;
        if (failure is M3AuthException error)
            error.Prefix ??= _prefix;

        lock (_gate)
        {
            _refresh.Land();
            if (_disposed.IsCancellationRequested)
                return (null, Disposed());

            isCounted = failure is null ? found.Token!.Token.Value != _current?.Token.Value : found.HasAsked || failure.GetType() != _countedFailure;
            _countedFailure = failure?.GetType();
            Moment now = _clock.Now;
            bool isPolled = found.Source?.PollInterval is not null;
            bool isUsable = rejected is null && current is not null && current.IsUsable(now, _jwks);
            switch (RefreshPolicy.Decide(found.Error, isPolled, isUsable))
            {
                case RefreshOutcome.Use:
                    // Only what was had counts; a source that failed has a pause of its own, and the two would add up.
                    if (rejected is not null)
                        _rejections.Extend(now);
                    _renewalFailureLogged = false;
                    Volatile.Write(ref _current, found.Token);
                    break;

                case RefreshOutcome.Keep:
                    current!.DeferCheck(RefreshPolicy.RetryAt(now, current.ExpiresAt, isPolled));
                    notRenewed = _renewalFailureLogged ? null : found.Error!.Message;
                    _renewalFailureLogged = true;
                    found = new Acquisition(current, null, found.Source);
                    break;

                case RefreshOutcome.FailAndDrop:
                    Volatile.Write(ref _current, null);
                    break;
            }
        }

        if (isCounted)
            _telemetry.Renewed(failure is null ? null : (failure as M3AuthException)?.Error.ToString() ?? failure.GetType().FullName);
        if (notRenewed is not null)
            _log.NotRenewed(notRenewed, found.Token!.ExpiresAt);
        return (found, found.Error);
    }

    private static ObjectDisposedException Disposed() => new(nameof(M3TokenProvider));
}
