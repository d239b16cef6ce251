using System.Diagnostics;

namespace M3.Client.Auth;

/// <summary>
/// The issuer's keys. A hit takes no lock and no I/O; one fetch at a time is shared by however many callers wait, on its own timeout;
/// a failed fetch never replaces good keys. Three durations explain it:
/// <list type="bullet">
/// <item>the lifetime: fresh until then, refreshed in the background from 80 % of it on;</item>
/// <item>the cool-down (<see cref="RefetchAllowance"/>): unknown kids make the issuer be asked again twice at once, then once in 30 s;</item>
/// <item>the outage: known keys are used up to 24 h past their lifetime (stale-if-error, RFC 5861) while the issuer is down (M3 remains the gate).</item>
/// </list>
/// </summary>
internal sealed class JwksCache : IDisposable
{
    private readonly TimeSpan _lifetime;
    private readonly JwksFetcher _fetcher;
    private readonly Log _log;
    private readonly Telemetry _telemetry;
    private readonly Clock _clock;
    private readonly CancellationTokenSource _disposed = new();

    // Guards everything below it; _snapshot, _lastFailure and the next check are read without, too.
    private readonly Lock _gate = new();
    private readonly Backoff _backoff = new();
    private readonly RefetchAllowance _allowance = new();
    private readonly SingleFlight<KeySet> _fetch;
    private readonly JwksSharing? _sharing;
    private Moment _lastFetch;
    private DateTimeOffset? _fetchedAt;
    private bool _mayBeShared;
    private BackchannelException? _lastFailure;
    private JwksSnapshot? _snapshot;
    private long _nextCheckUtcTicks = long.MaxValue;
    private long _nextCheckMonotonic = long.MaxValue;

    /// <param name="lifetime">How long fetched keys are fresh.</param>
    /// <param name="timeProvider">The clock and the timers.</param>
    /// <param name="backchannel">Fetches.</param>
    /// <param name="metadata">Says where.</param>
    /// <param name="log">Told when keys come, and when they no longer do.</param>
    /// <param name="telemetry">Told of each fetch, and asks for the keys' state.</param>
    /// <param name="sharing">Has documents that other processes fetched; null: none.</param>
    public JwksCache(TimeSpan lifetime, TimeProvider timeProvider, Backchannel backchannel, IssuerMetadata metadata, Log log, Telemetry telemetry, JwksSharing? sharing = null)
    {
        _lifetime = lifetime;
        _fetcher = new JwksFetcher(backchannel, metadata, sharing, timeProvider, log);
        _sharing = sharing;
        _log = log;
        _telemetry = telemetry;
        _clock = new Clock(timeProvider);
        _fetch = new SingleFlight<KeySet>(timeProvider, sharing is null ? Backchannel.Timeout : Backchannel.Timeout + JwksDocument.LongestSharing, _disposed.Token);
        telemetry.Keys = () => Volatile.Read(ref _snapshot) is { } known
            ? new KeyState(known.AgeAt(_clock.Now).TotalSeconds, known.Keys.Count, known.Keys.Ignored.Count)
            : null;
    }

    /// <summary>The keys in use, whatever their age; null before the first load, and always when no signature is checked.</summary>
    public KeySet? Current => Volatile.Read(ref _snapshot)?.Keys;

    /// <summary>Where the keys in use came from; null: there are none.</summary>
    public Uri? Address => Current?.Address;

    /// <summary>From when on <see cref="GetAsync"/> has something to do, so that nobody needs to ask before.</summary>
    public Deadline NextCheck => new(Volatile.Read(ref _nextCheckUtcTicks), Volatile.Read(ref _nextCheckMonotonic));

    /// <summary>Whether a verdict on the current keys holds without asking the issuer: they are fresh, or the issuer is known to be down.</summary>
    public bool CanServe(Moment now) => Volatile.Read(ref _snapshot) is { } known
        && (!known.FreshUntil.IsPast(now) || (Volatile.Read(ref _lastFailure) is not null && !known.UsableUntil.IsPast(now)));

    /// <summary>The keys, fetched first where needed.</summary>
    /// <exception cref="JwksUnavailableException">There are none.</exception>
    public ValueTask<KeySet> GetAsync(CancellationToken cancellationToken)
    {
        JwksSnapshot? snapshot = Volatile.Read(ref _snapshot);
        return snapshot is not null && !snapshot.RefreshAt.IsPast(_clock.Now)
            ? new(snapshot.Keys)
            : RefreshAsync(cancellationToken);
    }

    public JwksStatus GetStatus()
    {
        lock (_gate)
        {
            Moment now = _clock.Now;
            return JwksStatus.Of(_snapshot, now, _allowance.Remaining(now), _lastFailure?.Message);
        }
    }

    /// <summary>Asks the issuer again because a token did not fit the keys; for one call at most once.</summary>
    /// <param name="seen">The keys that the token did not fit: if they are no longer in use, their successor is the answer.</param>
    /// <param name="reason">What did not fit, for the error.</param>
    /// <param name="cancellationToken">Ends this caller's wait only.</param>
    /// <exception cref="InvalidTokenSignatureException">The issuer has no newer keys, or was asked a moment ago.</exception>
    /// <exception cref="JwksUnavailableException">The issuer could not be asked.</exception>
    public async ValueTask<KeySet> RefetchAsync(KeySet seen, string reason, CancellationToken cancellationToken)
    {
        // Keys that another process fetched are no answer: they may be older than the token.
        bool hasWaited = await WaitForSharedAsync(cancellationToken).ConfigureAwait(false);
        Task fetch;
        lock (_gate)
        {
            bool hasChanged = !ReferenceEquals(_snapshot!.Keys, seen);
            if (hasChanged && !hasWaited)
                return _snapshot.Keys;

            Moment now = _clock.Now;
            if (_fetch.InFlight is null && !_allowance.TryTake(now))
                return hasChanged ? _snapshot.Keys : throw JwksFetcher.CoolingDown(reason, new TimeSpan(now.Monotonic - _lastFetch.Monotonic), _allowance.Remaining(now), _lastFailure);
            fetch = _fetch.InFlight ?? Start(now, NewerThan(now));
        }

        await WaitAsync(fetch, cancellationToken).ConfigureAwait(false);
        lock (_gate)
        {
            if (!ReferenceEquals(_snapshot.Keys, seen))
                return _snapshot.Keys;
            if (_lastFailure is { } failure)
                throw JwksFetcher.Unavailable($"{reason}, and the issuer could not be asked again: {failure.Message}", failure);
        }

        throw new InvalidTokenSignatureException(reason + " (its keys were fetched just now)");
    }

    /// <summary>Fetches them now, whatever their age; a fetch in flight is waited for.</summary>
    /// <exception cref="JwksUnavailableException">They could not be fetched.</exception>
    public async ValueTask FetchNowAsync(CancellationToken cancellationToken)
    {
        await WaitForSharedAsync(cancellationToken).ConfigureAwait(false);
        Task fetch;
        lock (_gate)
        {
            Moment now = _clock.Now;
            fetch = _fetch.InFlight ?? Start(now, NewerThan(now));
        }

        await WaitAsync(fetch, cancellationToken).ConfigureAwait(false);
        lock (_gate)
        {
            if (_lastFailure is { } failure)
                throw JwksFetcher.Unavailable(failure.Message, failure);
        }
    }

    public void Dispose()
    {
        // Only cancelled: a fetch may begin at this very moment, and would find the source gone. Without a timer it holds nothing.
        _disposed.Cancel();
    }

    private ValueTask<KeySet> RefreshAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            Moment now = _clock.Now;
            JwksSnapshot? known = _snapshot;
            if (known is not null && !known.RefreshAt.IsPast(now))
                return new(known.Keys);

            if (_fetch.InFlight is null && _lastFailure is { } failure && _backoff.Remaining(now) is { } wait && wait > TimeSpan.Zero)
            {
                return known is not null && !known.UsableUntil.IsPast(now)
                    ? new(known.Keys)
                    : ValueTask.FromException<KeySet>(JwksFetcher.Unavailable($"{failure.Message} (next attempt in {Duration.Describe(wait)})", failure));
            }

            Task<KeySet> fetch = _fetch.InFlight ?? Start(now, newerThan: null);
            // Nobody waits while there are usable keys: fresh ones, or stale ones in an outage that is known already (stale-if-error, RFC 5861).
            return CanServe(now) ? new(known!.Keys) : new(fetch.WaitAsync(cancellationToken));
        }
    }

    // However it ends: what is found afterwards tells.
    private static async Task WaitAsync(Task fetch, CancellationToken cancellationToken)
    {
        await fetch.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
    }

    // One that a document of before may answer is none for whoever asks for newer keys than those.
    private async ValueTask<bool> WaitForSharedAsync(CancellationToken cancellationToken)
    {
        Task? fetch;
        lock (_gate)
            fetch = _mayBeShared ? _fetch.InFlight : null;
        if (fetch is not null)
            await WaitAsync(fetch, cancellationToken).ConfigureAwait(false);
        return fetch is not null;
    }

    // Whoever asks again wants keys that were fetched after that, by whatever clock.
    private DateTimeOffset? NewerThan(Moment now) => _sharing is null ? null : now.Utc + JwksDocument.Skew;

    // Under the gate. Newer than what is known, or than a moment.
    private Task<KeySet> Start(Moment now, DateTimeOffset? newerThan)
    {
        _mayBeShared = _sharing is not null && newerThan is null;
        newerThan ??= _fetchedAt;
        _lastFetch = now;
        DeferCheck(Deadline.After(now, Backchannel.Timeout));
        Task<KeySet> fetch = _fetch.Announce();
        ActivityContext caller = Telemetry.Caller;
        TimedOperation? operation = null;
        _ = Detached.Run(() => _fetch.RunAsync(FetchAsync, (fetched, error) => Conclude(operation, fetched, error)));
        return fetch;

        Task<KeySet> FetchAsync(CancellationToken cancellationToken)
        {
            operation = _telemetry.StartKeyFetch(caller);
            return _fetcher.FetchAsync(isFirst: _snapshot is null && _lastFailure is null, newerThan, cancellationToken);
        }
    }

    // Whoever waits gets the keys there are now: a failure is no reason not to use those of before.
    private (KeySet? Keys, Exception? Error) Conclude(TimedOperation? operation, KeySet? fetched, Exception? error)
    {
        BackchannelException? failure = error is null ? null : JwksFetcher.Describe(error, _disposed.IsCancellationRequested);
        (KeySet?, Exception?) answer;
        JwksSnapshot? before;
        bool wasDown;
        lock (_gate)
        {
            (before, wasDown) = (_snapshot, _lastFailure is not null);
            _fetch.Land();
            if (failure is null)
                Publish(fetched!);
            else
                Defer(failure);
            // What came just now is fresh, whatever a clock that was set meanwhile says.
            answer = failure is null || _snapshot?.UsableUntil.IsPast(_clock.Now) == false
                ? (_snapshot!.Keys, null)
                : (null, JwksFetcher.Unavailable(failure.Message, failure));
        }

        operation?.End(failure is null ? null : nameof(M3AuthError.JwksUnavailable), failure?.Message);
        // Keys there were before, and their story goes on: told once for each change.
        if (before is not null && wasDown != failure is not null && !_disposed.IsCancellationRequested)
        {
            if (failure is null)
                _log.KeysBack();
            else
                _log.KeysNotRefreshed(failure.Message, before.UsableUntil.Utc);
        }

        return answer;
    }

    // Under the gate.
    private void Publish(KeySet keys)
    {
        Moment now = _clock.Now;
        _fetchedAt = _fetcher.FetchedAt ?? now.Utc;
        // What another process fetched has had a part of its life already.
        TimeSpan age = _fetchedAt < now.Utc ? now.Utc - _fetchedAt.Value : TimeSpan.Zero;
        // The same document again keeps the same object, and with it every verdict.
        KeySet same = _snapshot is not null && _snapshot.Keys.IsSameAs(keys) ? _snapshot.Keys : keys;
        var snapshot = new JwksSnapshot(same, new Moment(now.UtcTicks - age.Ticks, now.Monotonic - age.Ticks), _lifetime, Random.Shared.NextDouble());

        _backoff.Reset();
        Volatile.Write(ref _lastFailure, null);
        Volatile.Write(ref _snapshot, snapshot);
        DeferCheck(snapshot.RefreshAt);
    }

    // Under the gate.
    private void Defer(BackchannelException failure)
    {
        Moment now = _clock.Now;
        _backoff.Extend(now);
        Volatile.Write(ref _lastFailure, failure);
        // Keys that are fresh still, after a refetch in vain, are nobody's business before their time.
        DeferCheck(_snapshot is not null && !_snapshot.RefreshAt.IsPast(now) ? _snapshot.RefreshAt : Deadline.Pause(now, _backoff.Remaining(now)));
    }

    private void DeferCheck(Deadline until)
    {
        Volatile.Write(ref _nextCheckUtcTicks, until.UtcTicks);
        Volatile.Write(ref _nextCheckMonotonic, until.Monotonic);
    }
}
