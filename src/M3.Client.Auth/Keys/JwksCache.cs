namespace M3.Client.Auth;

/// <summary>
/// The issuer's keys. A hit takes no lock and no I/O; one fetch at a time serves however many callers wait, on its own timeout;
/// a failed fetch never replaces good keys. Three durations explain it:
/// <list type="bullet">
/// <item>the lifetime: fresh until then, refreshed in the background from 80 % of it on;</item>
/// <item>the cool-down: an unknown kid makes the issuer be asked again at most once in 30 s, so that bad tokens cannot flood it;</item>
/// <item>the outage: known keys serve up to 24 h past their lifetime while the issuer is down (M3 remains the gate).</item>
/// </list>
/// </summary>
internal sealed class JwksCache : IDisposable
{
    private const double RefreshFrom = 0.80;
    private const double RefreshJitter = 0.05;

    private static readonly TimeSpan Cooldown = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan StaleLimit = TimeSpan.FromHours(24);
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(30);

    private readonly M3AuthOptions _options;
    private readonly Backchannel _backchannel;
    private readonly IssuerMetadata _metadata;
    private readonly Log _log;
    private readonly CancellationTokenSource _disposed = new();

    // Guards everything below it but _snapshot and _nextLook, which are read without.
    private readonly Lock _gate = new();
    private Task? _fetch;
    private int _failures;
    private Exception? _lastFailure;
    private DateTimeOffset _nextAttempt = DateTimeOffset.MinValue;
    private DateTimeOffset _lastLook = DateTimeOffset.MinValue;
    private Snapshot? _snapshot;
    private long _nextLook = long.MaxValue;

    public JwksCache(M3AuthOptions options, Backchannel backchannel, IssuerMetadata metadata, Log log)
    {
        _options = options;
        _backchannel = backchannel;
        _metadata = metadata;
        _log = log;
    }

    /// <summary>The keys in use, whatever their age; null before the first load, and always when no signature is checked.</summary>
    public KeySet? Current => Volatile.Read(ref _snapshot)?.Keys;

    /// <summary>From when on (UTC ticks) <see cref="GetAsync"/> has something to do, so that nobody needs to ask before.</summary>
    public long NextLook => Volatile.Read(ref _nextLook);

    /// <summary>Whether a verdict on the current keys holds without another look: they are fresh, or the issuer is known to be down.</summary>
    public bool ServesWithoutWait(DateTimeOffset now) => Volatile.Read(ref _snapshot) is { } known
        && (now < known.FreshUntil || (Volatile.Read(ref _failures) > 0 && now < known.FreshUntil + StaleLimit));

    private DateTimeOffset Now => _options.TimeProvider.GetUtcNow();

    /// <summary>The keys, fetched first where needed.</summary>
    /// <exception cref="JwksUnavailableException">There are none.</exception>
    public ValueTask<KeySet> GetAsync(CancellationToken cancellationToken)
    {
        Snapshot? snapshot = Volatile.Read(ref _snapshot);
        return snapshot is not null && Now < snapshot.RefreshAt
            ? new(snapshot.Keys)
            : RefreshAsync(cancellationToken);
    }

    public JwksStatus GetStatus()
    {
        lock (_gate)
        {
            DateTimeOffset now = Now;
            DateTimeOffset? usableUntil = _snapshot?.FreshUntil + StaleLimit;
            JwksState state = _snapshot is null ? JwksState.Empty
                : now < _snapshot.FreshUntil ? JwksState.Fresh
                : now < usableUntil ? JwksState.Stale
                : JwksState.Expired;
            return new JwksStatus(state, _snapshot?.FetchedAt, _snapshot?.FreshUntil, usableUntil,
                IsCoolingDown(now) ? _lastLook + Cooldown : null,
                _snapshot?.Keys.Describe() ?? [], _snapshot?.Keys.PassedOver ?? [], _lastFailure?.Message);
        }
    }

    /// <summary>Asks the issuer again because a token did not fit the keys; for one call at most once.</summary>
    /// <param name="seen">The keys that the token did not fit: if they are no longer in use, their successor is the answer.</param>
    /// <param name="misfit">What did not fit, for the error.</param>
    /// <param name="cancellationToken">Ends this caller's wait only.</param>
    /// <exception cref="InvalidTokenSignatureException">The issuer has no newer keys, or was asked a moment ago.</exception>
    /// <exception cref="JwksUnavailableException">The issuer could not be asked.</exception>
    public async ValueTask<KeySet> RefetchAsync(KeySet seen, string misfit, CancellationToken cancellationToken)
    {
        Task fetch;
        lock (_gate)
        {
            if (!ReferenceEquals(_snapshot!.Keys, seen))
                return _snapshot.Keys;

            DateTimeOffset now = Now;
            if (_fetch is null && IsCoolingDown(now))
                throw CoolingDown(misfit, now);
            if (_fetch is null)
            {
                _lastLook = now;
                Start(now);
            }

            fetch = _fetch!;
        }

        await fetch.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_gate)
        {
            if (!ReferenceEquals(_snapshot.Keys, seen))
                return _snapshot.Keys;
            if (_failures > 0)
                throw Unavailable($"{misfit}, and the issuer could not be asked again: {_lastFailure!.Message}");
        }

        throw new InvalidTokenSignatureException(misfit + " (its keys were looked at just now)");
    }

    public void Dispose()
    {
        // Only cancelled: a fetch may begin at this very moment, and would find the source gone. Without a timer it holds nothing.
        _disposed.Cancel();
    }

    private async ValueTask<KeySet> RefreshAsync(CancellationToken cancellationToken)
    {
        Task fetch;
        lock (_gate)
        {
            DateTimeOffset now = Now;
            Snapshot? known = _snapshot;
            if (known is not null && now < known.RefreshAt)
                return known.Keys;

            bool isUsable = known is not null && now < known.FreshUntil + StaleLimit;
            if (_fetch is null && now < _nextAttempt)
                return isUsable ? known!.Keys : throw Unavailable($"{_lastFailure!.Message} (next attempt in {Duration.Describe(_nextAttempt - now)})");

            if (_fetch is null)
            {
                if (known is null)
                    _lastLook = now;
                Start(now);
            }

            // Nobody waits while there are keys that serve: fresh ones, or old ones in an outage that is known already.
            if (ServesWithoutWait(now))
                return known!.Keys;
            fetch = _fetch!;
        }

        await fetch.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_gate)
        {
            return _snapshot is not null && Now < _snapshot.FreshUntil + StaleLimit
                ? _snapshot.Keys
                : throw Unavailable(_lastFailure!.Message);
        }
    }

    // Called under the gate.
    private void Start(DateTimeOffset now)
    {
        Volatile.Write(ref _nextLook, (now + Backchannel.Timeout).UtcTicks);
        _fetch = Detached.Run(FetchAsync);
    }

    private async Task FetchAsync()
    {
        KeySet? keys = null;
        Exception? failure = null;
        try
        {
            using var timeout = new CancellationTokenSource(Backchannel.Timeout, _options.TimeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _disposed.Token);
            Uri address = await _metadata.FindJwksAsync(either.Token).ConfigureAwait(false);
            keys = Read(address, await _backchannel.GetAsync(address, either.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            failure = new BackchannelException(_disposed.IsCancellationRequested
                ? "it was disposed"
                : $"the issuer's keys did not arrive within {Duration.Describe(Backchannel.Timeout)}");
        }
        catch (Exception e)
        {
            failure = e as BackchannelException ?? new BackchannelException($"the issuer's keys could not be fetched ({e.GetType().Name})", e);
        }

        lock (_gate)
        {
            _fetch = null;
            if (keys is not null)
                Publish(keys);
            else
                PutOff(failure!);
        }
    }

    private KeySet Read(Uri address, byte[] document)
    {
        KeySet keys = JwksReader.Read(document);
        if (keys.Count == 0)
        {
            throw new BackchannelException(keys.PassedOver.Count == 0
                ? $"the JWKS at {Backchannel.Describe(address)} is empty"
                : $"the JWKS at {Backchannel.Describe(address)} has no usable key ({string.Join("; ", keys.PassedOver.Take(5))})");
        }

        _log.KeysFetched(address, keys);
        return keys;
    }

    // Called under the gate.
    private void Publish(KeySet keys)
    {
        DateTimeOffset now = Now;
        double refreshFrom = RefreshFrom + (RefreshJitter * ((Random.Shared.NextDouble() * 2) - 1));
        var snapshot = new Snapshot(
            // The same document again keeps the same object, and with it every verdict.
            _snapshot is not null && _snapshot.Keys.IsSameAs(keys) ? _snapshot.Keys : keys,
            now,
            now + (_options.JwksCacheTtl * refreshFrom),
            now + _options.JwksCacheTtl);
        if (_failures > 0 && _snapshot is not null)
            _log.KeysBack();

        _failures = 0;
        _lastFailure = null;
        _nextAttempt = DateTimeOffset.MinValue;
        Volatile.Write(ref _snapshot, snapshot);
        Volatile.Write(ref _nextLook, snapshot.RefreshAt.UtcTicks);
    }

    // Called under the gate.
    private void PutOff(Exception failure)
    {
        double seconds = Math.Min(FirstBackoff.TotalSeconds * Math.Pow(2, Math.Min(_failures, 10)), LongestBackoff.TotalSeconds / 1.2);
        DateTimeOffset now = Now;
        _nextAttempt = now + TimeSpan.FromSeconds(seconds * (1 + (Random.Shared.NextDouble() * 0.2)));
        _lastFailure = failure;
        if (_failures++ == 0 && _snapshot is not null && !_disposed.IsCancellationRequested)
            _log.KeysNotRefreshed(failure.Message, (_snapshot.FreshUntil + StaleLimit).ToString("u"));

        // Keys that are fresh still, after a refetch in vain, are nobody's business before their time.
        bool isFresh = _snapshot is not null && now < _snapshot.RefreshAt;
        Volatile.Write(ref _nextLook, (isFresh ? _snapshot!.RefreshAt : _nextAttempt).UtcTicks);
    }

    // Called under the gate. A clock that was set back is no reason to wait longer.
    private bool IsCoolingDown(DateTimeOffset now) => now >= _lastLook && now - _lastLook < Cooldown;

    // Called under the gate.
    private M3AuthException CoolingDown(string misfit, DateTimeOffset now)
    {
        string ago = $"its keys were looked at {Duration.Describe(now - _lastLook)} ago, and are again at most every {Duration.Describe(Cooldown)}";
        return _failures == 0
            ? new InvalidTokenSignatureException($"{misfit} ({ago})")
            : Unavailable($"{misfit}, and the issuer could not be asked again: {_lastFailure!.Message} ({ago})");
    }

    private JwksUnavailableException Unavailable(string detail) => new(detail, _lastFailure);

    private sealed record Snapshot(KeySet Keys, DateTimeOffset FetchedAt, DateTimeOffset RefreshAt, DateTimeOffset FreshUntil);
}
