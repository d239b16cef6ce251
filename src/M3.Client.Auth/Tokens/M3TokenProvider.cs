using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>
/// One valid token for any number of callers: read from its source, validated, cached with its verdict, renewed before it expires.
/// A call that finds it cached costs a few comparisons; everything else is done by one caller at a time for all.
/// </summary>
public sealed class M3TokenProvider : IM3TokenProvider, IDisposable
{
    private static readonly TimeSpan SourceTimeout = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan RenewAhead = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LeastBetweenAsks = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestBetweenTries = TimeSpan.FromSeconds(30);

    private readonly M3AuthOptions _options;
    private readonly ITokenSource _source;
    private readonly TimeSpan? _pollInterval;
    private readonly Backchannel _backchannel;
    private readonly IssuerMetadata _metadata;
    private readonly JwksCache _jwks;
    private readonly TokenValidator _validator;
    private readonly Log _log;
    private readonly CancellationTokenSource _disposed = new();

    private readonly Lock _gate = new();
    private Look? _look;
    private CachedToken? _current;

    // An unpolled source that failed is not asked again at once, however many calls come.
    private ExceptionDispatchInfo? _sourceFailure;
    private DateTimeOffset _askAgainAt = DateTimeOffset.MinValue;

    // Told once, until it succeeds again.
    private bool _isNotRenewed;

    /// <summary>Makes a provider with its own keys.</summary>
    /// <param name="options">The settings; copied.</param>
    /// <param name="loggerFactory">Where to log; null: nowhere, or to standard error with <see cref="M3AuthOptions.Debug"/>.</param>
    /// <exception cref="OptionsValidationException">The settings are wrong; every failure names its setting.</exception>
    public M3TokenProvider(M3AuthOptions options, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = SettingsValidator.CopyForProvider(options);
        _log = new Log(_options, loggerFactory);
        _source = _options.TokenSource ?? TokenSources.Default(_options);
        _pollInterval = _source.PollInterval;
        _backchannel = new Backchannel(_options.BackchannelHttpHandler, _options.TimeProvider);
        _metadata = new IssuerMetadata(_options, _backchannel);
        _jwks = new JwksCache(_options, _backchannel, _metadata, _log);
        _validator = new TokenValidator(_options, _jwks, _backchannel);
        WarnOfWhatIsOff();
    }

    /// <inheritdoc />
    public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<M3AccessToken>(cancellationToken);
        return TryGetCached(_options.TimeProvider.GetUtcNow().UtcTicks) is { } token ? new(token) : LookAsync(cancellationToken);
    }

    /// <inheritdoc />
    public async ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(rejected);
        cancellationToken.ThrowIfCancellationRequested();
        ThrowIfUnusable();

        while (true)
        {
            Look look;
            bool isMine = false;
            lock (_gate)
            {
                DateTimeOffset now = Now;
                if (_current is { } current && current.Token.Value != rejected.Value && Serves(current, now))
                    return current.Token;

                if (_look is null)
                {
                    if (_current is { IsPolled: false } && now < _askAgainAt)
                        return rejected;
                    _askAgainAt = now + LeastBetweenAsks;
                    _look = NewLook(now, rejected);
                    isMine = true;
                }

                look = _look;
            }

            if (isMine)
                _ = RunAsync(look);
            M3AccessToken found = await look.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            // A look that was under way already may have read the source before M3 refused its token.
            if (isMine || found.Value != rejected.Value)
                return found;
        }
    }

    /// <summary>
    /// The environment for a child process that is an M3 server, such as MCP's <c>StdioClientTransportOptions.EnvironmentVariables</c>: the
    /// token, validated first, and the settings it was validated by, under M3's own names. It holds a secret.
    /// </summary>
    /// <param name="cancellationToken">Ends this caller's wait only.</param>
    /// <exception cref="M3AuthException">There is no valid token; its type says why.</exception>
    public async ValueTask<IDictionary<string, string?>> GetEnvironmentAsync(CancellationToken cancellationToken = default)
    {
        M3AccessToken token = await GetTokenAsync(cancellationToken).ConfigureAwait(false);
        const string prefix = M3AuthOptions.DefaultPrefix;
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            [prefix + "ENABLED"] = "true",
            [prefix + "ISSUER_URL"] = _options.IssuerUrl,
            [prefix + "AUDIENCE"] = _options.Audience,
            [prefix + "REQUIRED_SCOPES"] = string.Join(',', _options.RequiredScopes),
            [prefix + "TOKEN"] = token.Value,
        };
        if (_options.JwksUrl is { } jwks)
            environment[prefix + "JWKS_URL"] = jwks.OriginalString;
        return environment;
    }

    /// <summary>The state of the key cache.</summary>
    public JwksStatus GetKeyStatus() => _jwks.GetStatus();

    /// <summary>Stops what is under way. Callers that wait get <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        if (_disposed.IsCancellationRequested)
            return;
        _disposed.Cancel();
        lock (_gate)
            Volatile.Write(ref _current, null);
        _jwks.Dispose();
        _backchannel.Dispose();
    }

    /// <summary>The hot path: the cached token while nothing is due, else null.</summary>
    /// <param name="now">UTC ticks.</param>
    internal M3AccessToken? TryGetCached(long now)
    {
        CachedToken? current = Volatile.Read(ref _current);
        return current is not null && now < current.NextLook && ReferenceEquals(current.Keys, _jwks.Current) ? current.Token : null;
    }

    private DateTimeOffset Now => _options.TimeProvider.GetUtcNow();

    // No state machine of its own: everybody who waits shares the look's task.
    private ValueTask<M3AccessToken> LookAsync(CancellationToken cancellationToken)
    {
        CachedToken? serving;
        Look look;
        bool isMine = false;
        try
        {
            ThrowIfUnusable();
            lock (_gate)
            {
                DateTimeOffset now = Now;
                if (TryGetCached(now.UtcTicks) is { } token)
                    return new(token);

                serving = _current is { } current && Serves(current, now) ? current : null;
                if (_look is null)
                {
                    if (serving is null && now < _askAgainAt)
                        _sourceFailure?.Throw();
                    _look = NewLook(now, rejected: null);
                    isMine = true;
                }

                look = _look;
            }
        }
        catch (Exception e)
        {
            return ValueTask.FromException<M3AccessToken>(e);
        }

        if (isMine)
            _ = RunAsync(look);
        // While the current token serves, nobody waits for the next; but what a polled source says at once counts at once.
        return serving is not null && !look.Task.IsCompleted ? new(serving.Token) : new(look.Task.WaitAsync(cancellationToken));
    }

    private bool Serves(CachedToken token, DateTimeOffset now) =>
        now < token.ExpiresAt && ReferenceEquals(token.Keys, _jwks.Current) && (token.Keys is null || _jwks.ServesWithoutWait(now));

    // Called under the gate.
    private Look NewLook(DateTimeOffset now, M3AccessToken? rejected)
    {
        bool serves = _current is not null && Serves(_current, now);
        if (serves)
            _current!.PutOffLook(now + LeastBetweenAsks);
        return new Look(_current, serves, rejected);
    }

    private async Task RunAsync(Look look)
    {
        (CachedToken? current, bool serves, M3AccessToken? rejected) = (look.Current, look.CurrentServes, look.Rejected);
        CachedToken? found = null;
        Exception? failure = null;
        Task<CachedToken>? finding = null;
        try
        {
            using var timeout = new CancellationTokenSource(SourceTimeout, _options.TimeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, _disposed.Token);
            finding = FindAsync(look, either.Token).AsTask();
            found = await finding.WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Detached.Abandon(finding);
            failure = new TokenRequestFailedException($"no token within {Duration.Describe(SourceTimeout)}", isTransient: true);
        }
        catch (Exception e)
        {
            failure = e;
        }

        lock (_gate)
        {
            _look = null;
            DateTimeOffset now = Now;
            if (_disposed.IsCancellationRequested)
            {
                failure = new ObjectDisposedException(nameof(M3TokenProvider));
            }
            else if (failure is null)
            {
                _sourceFailure = null;
                _isNotRenewed = false;
                Volatile.Write(ref _current, found);
            }
            else if (serves && rejected is null && !look.IsNews(failure) && now < current!.ExpiresAt)
            {
                // The next one may be had in time: try again soon, and let the current one serve.
                if (!_isNotRenewed)
                    _log.NotRenewed(failure.Message, current.ExpiresAt);
                _isNotRenewed = true;
                current.PutOffLook(now + (look.IsPolled ? LeastBetweenAsks : Min(LongestBetweenTries, Max(LeastBetweenAsks, (current.ExpiresAt - now) / 10))));
                (found, failure) = (current, null);
            }
            else
            {
                // Asked too often, an unpolled source would answer the same, or break down: the failure stands for a moment.
                bool mayRecur = failure is TokenRequestFailedException || (failure is TokenExpiredException && !look.IsPolled);
                _sourceFailure = mayRecur ? ExceptionDispatchInfo.Capture(failure) : null;
                if (mayRecur)
                    _askAgainAt = now + LeastBetweenAsks;
                if (look.IsNews(failure))
                    Volatile.Write(ref _current, null);
            }
        }

        look.Finish(found?.Token, failure);
    }

    private async ValueTask<CachedToken> FindAsync(Look look, CancellationToken cancellationToken)
    {
        CachedToken? current = look.Current;
        DateTimeOffset now = Now;
        if (current?.Keys is not null && now.UtcTicks >= _jwks.NextLook)
            await _jwks.GetAsync(cancellationToken).ConfigureAwait(false);

        // New keys alone are no reason to ask for a new token: the one at hand is checked against them first.
        if (current is not null && !Serves(current, now) && now < current.RenewAt)
            current = await TryValidateAgainAsync(current, cancellationToken).ConfigureAwait(false);

        bool isHeld = current is not null && now < current.RenewAt && look.Rejected is null;
        if (isHeld && _pollInterval is null)
            return Cache(current!);

        var context = new TokenSourceContext(_options, _backchannel, _metadata, _log, look.Rejected, isHeld ? (current!.Raw, current.Source) : null);
        string? raw;
        ITokenSource answering;
        try
        {
            raw = await _source.ReadWithoutCallerAsync(context, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            answering = context.Answering ?? _source;
            look.IsPolled = answering.PollInterval is not null;
        }

        if (current is not null && raw == current.Raw && Serves(current, now))
            return Cache(current);

        try
        {
            if (string.IsNullOrWhiteSpace(raw))
                throw new MissingTokenException($"looked in {TokenSourceReading.NameOf(answering)}");
            ValidatedToken validated = await _validator.ValidateAsync(BearerToken.Parse(raw), cancellationToken).ConfigureAwait(false);
            _log.TokenAccepted(validated.Token, answering, _options);
            DateTimeOffset expires = _options.ValidateLifetime ? validated.Token.ExpiresAt : DateTimeOffset.MaxValue;
            return Cache(new CachedToken(raw, validated, expires, RenewalOf(expires, look.IsPolled), answering));
        }
        catch (M3AuthException e)
        {
            _log.TokenRefused(e, TokenSourceReading.NameOf(answering));
            throw;
        }
    }

    private async ValueTask<CachedToken?> TryValidateAgainAsync(CachedToken token, CancellationToken cancellationToken)
    {
        try
        {
            ValidatedToken validated = await _validator.ValidateAsync(BearerToken.Parse(token.Raw), cancellationToken).ConfigureAwait(false);
            return new CachedToken(token.Raw, validated, token.ExpiresAt, token.RenewAt, token.Source);
        }
        catch (M3AuthException e) when (e is not JwksUnavailableException)
        {
            _log.TokenRefused(e, "the cache");
            return null;
        }
    }

    // Sets when the next look is due, once everything else is known.
    private CachedToken Cache(CachedToken token)
    {
        DateTimeOffset now = Now;
        // Due for renewal already: the source has nothing newer yet, and is asked again soon.
        DateTimeOffset due = now < token.RenewAt ? token.RenewAt : now + LeastBetweenAsks;
        if (_pollInterval is { } interval)
            due = Min(due, now + interval);
        token.PutOffLook(due, token.Keys is null ? long.MaxValue : _jwks.NextLook);
        return token;
    }

    // A minute ahead, but never more than a fifth of what is left: short tokens are to be used, too. The jitter keeps the
    // processes that started together from asking together.
    private DateTimeOffset RenewalOf(DateTimeOffset expires, bool isPolled)
    {
        if (isPolled || expires == DateTimeOffset.MaxValue)
            return expires;
        TimeSpan ahead = Min(RenewAhead, (expires - Now) / 5);
        return expires - (ahead * (1 + (Random.Shared.NextDouble() * 0.1)));
    }

    private void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        if (!_options.Enabled)
            throw new MissingTokenException($"OAuth2 is off ({_options.Prefix}ENABLED is not 'true'), so there is no token");
    }

    private void WarnOfWhatIsOff()
    {
        if (!_options.Enabled)
        {
            string variable = _options.Prefix + "TOKEN";
            if (!string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable(variable)) || !string.IsNullOrWhiteSpace(_options.Configuration?[variable]))
                _log.DisabledWithToken(_options.Prefix);
            return;
        }

        if (!_options.ValidateSignature)
            _log.CheckIsOff("signature", _options.Prefix + "VALIDATE_SIGNATURE");
        if (!_options.ValidateLifetime)
            _log.CheckIsOff("expiry", _options.Prefix + "VALIDATE_EXP");
        if (!_options.ValidateAudience)
            _log.CheckIsOff("audience", _options.Prefix + "VALIDATE_AUD");
        if (!_options.ValidateIssuer)
            _log.CheckIsOff("issuer", _options.Prefix + "VALIDATE_ISS");
    }

    private static DateTimeOffset Min(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    /// <summary>One look at the source, for everybody who waits for it.</summary>
    private sealed class Look(CachedToken? current, bool currentServes, M3AccessToken? rejected)
    {
        private readonly TaskCompletionSource<M3AccessToken> _promise = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public CachedToken? Current { get; } = current;

        public bool CurrentServes { get; } = currentServes;

        public M3AccessToken? Rejected { get; } = rejected;

        /// <summary>Whether the source that answered, or failed, is one that is looked at often.</summary>
        public bool IsPolled { get; set; }

        public Task<M3AccessToken> Task => _promise.Task;

        // What a polled source says anew is somebody's decision, and is followed even to a worse token; that a renewal fails is none.
        public bool IsNews(Exception failure) =>
            IsPolled && failure is M3AuthException and not TokenRequestFailedException and not JwksUnavailableException;

        public void Finish(M3AccessToken? found, Exception? failure)
        {
            if (failure is null)
            {
                _promise.SetResult(found!);
                return;
            }

            _promise.SetException(failure);
            // Observed: everybody who waited may have left.
            _ = _promise.Task.Exception;
        }
    }

    /// <summary>A token with its verdict and what the verdict rests on.</summary>
    private sealed class CachedToken(string raw, ValidatedToken validated, DateTimeOffset expiresAt, DateTimeOffset renewAt, ITokenSource source)
    {
        private long _nextLook;

        public string Raw { get; } = raw;

        public M3AccessToken Token { get; } = validated.Token;

        public KeySet? Keys { get; } = validated.Keys;

        public DateTimeOffset ExpiresAt { get; } = expiresAt;

        public DateTimeOffset RenewAt { get; } = renewAt;

        public ITokenSource Source { get; } = source;

        public bool IsPolled => Source.PollInterval is not null;

        /// <summary>Until then (UTC ticks) nothing is due: not the expiry, the source, the renewal or the keys.</summary>
        public long NextLook => Volatile.Read(ref _nextLook);

        public void PutOffLook(DateTimeOffset until, long keysDue = long.MaxValue) =>
            Volatile.Write(ref _nextLook, Math.Min(Math.Min(until.UtcTicks, keysDue), ExpiresAt.UtcTicks));
    }
}
