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
    internal static readonly TimeSpan SourceTimeout = TimeSpan.FromMinutes(2);
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
    private readonly Clock _clock;
    private readonly NegativeCache _failed;
    private readonly CancellationTokenSource _disposed = new();

    private readonly Lock _gate = new();
    private Look? _look;
    private CachedToken? _current;

    // The last token that broke a rule which only another token, or other keys, can mend: it is not judged again.
    private Refusal? _refusal;

    // A 401 that a newer token does not cure must not make every call ask for one more.
    private readonly Backoff _rejections = new();

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
        _clock = new Clock(_options.TimeProvider);
        _failed = new NegativeCache(_clock);
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
        return TryGetCached(_clock.Now) is { } token ? new(token) : LookAsync(cancellationToken);
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
                Moment now = _clock.Now;
                if (_current is { } current && current.Token.Value != rejected.Value && Serves(current, now))
                    return current.Token;

                if (_look is null)
                {
                    if (_current is { IsPolled: false } && _rejections.Remaining(now) > TimeSpan.Zero)
                        return rejected;
                    _look = NewLook(now, rejected);
                    isMine = true;
                }

                look = _look;
            }

            if (isMine)
                _ = RunAsync(look);
            CachedToken found = await look.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
            // A look that was under way already may have read the source before M3 refused its token.
            if ((isMine || found.Token.Value != rejected.Value) && !found.HasExpired(_clock.Now))
                return found.Token;
        }
    }

    /// <inheritdoc cref="GetEnvironmentAsync(string, CancellationToken)" />
    public ValueTask<IDictionary<string, string?>> GetEnvironmentAsync(CancellationToken cancellationToken = default) =>
        GetEnvironmentAsync(M3AuthOptions.DefaultPrefix, cancellationToken);

    /// <summary>
    /// The environment for a child process that is an M3 server, such as MCP's <c>StdioClientTransportOptions.EnvironmentVariables</c>: the
    /// token, validated first, and the settings it was validated by, under M3's own names. It holds a secret.
    /// </summary>
    /// <param name="prefix">What the names begin with: <c>M3_OAUTH2_</c>, or <c>M4_OAUTH2_</c> for M3's successor.</param>
    /// <param name="cancellationToken">Ends this caller's wait only.</param>
    /// <exception cref="M3AuthException">There is no valid token; its type says why.</exception>
    public async ValueTask<IDictionary<string, string?>> GetEnvironmentAsync(string prefix, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        M3AccessToken token = await GetTokenAsync(cancellationToken).ConfigureAwait(false);
        var environment = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            [prefix + "ENABLED"] = "true",
            [prefix + "ISSUER_URL"] = _options.IssuerUrl,
            [prefix + "AUDIENCE"] = _options.Audience,
            [prefix + "REQUIRED_SCOPES"] = string.Join(',', _options.RequiredScopes),
            [prefix + "TOKEN"] = token.Value,
        };
        // M3 itself looks for keys at the root of the issuer's host only, which is the wrong place for an issuer with a path.
        if ((_options.JwksUrl?.OriginalString ?? _jwks.Address?.AbsoluteUri) is { } jwks)
            environment[prefix + "JWKS_URL"] = jwks;
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

    internal TimeProvider TimeProvider => _options.TimeProvider;

    /// <summary>The hot path: the cached token while nothing is due, else null.</summary>
    internal M3AccessToken? TryGetCached(Moment now)
    {
        CachedToken? current = Volatile.Read(ref _current);
        return current is not null && !current.NextLook.IsPast(now) && ReferenceEquals(current.Keys, _jwks.Current) ? current.Token : null;
    }

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
                Moment now = _clock.Now;
                if (TryGetCached(now) is { } token)
                    return new(token);

                serving = _current is { } current && Serves(current, now) ? current : null;
                if (_look is null)
                {
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
        return serving is not null && !look.Task.IsCompleted ? HandOut(serving, cancellationToken) : HandOutAsync(look, cancellationToken);
    }

    private async ValueTask<M3AccessToken> HandOutAsync(Look look, CancellationToken cancellationToken)
    {
        CachedToken found = await look.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        return await HandOut(found, cancellationToken).ConfigureAwait(false);
    }

    // Whoever waited may have waited past the expiry, be it for a thread: that is judged now, and nothing is awaited behind it.
    private ValueTask<M3AccessToken> HandOut(CachedToken found, CancellationToken cancellationToken) =>
        found.HasExpired(_clock.Now) ? GetTokenAsync(cancellationToken) : new(found.Token);

    private bool Serves(CachedToken token, Moment now) =>
        !token.HasExpired(now) && ReferenceEquals(token.Keys, _jwks.Current) && (token.Keys is null || _jwks.ServesWithoutWait(now));

    // Called under the gate.
    private Look NewLook(Moment now, M3AccessToken? rejected)
    {
        if (_current is not null && Serves(_current, now))
            _current.PutOffLook(Deadline.Pause(now, LeastBetweenAsks));
        return new Look(_current, rejected);
    }

    private async Task RunAsync(Look look)
    {
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
        finally
        {
            // Whatever else happens, those who wait get an answer.
            Conclude(look, found, failure);
        }
    }

    private void Conclude(Look look, CachedToken? found, Exception? failure)
    {
        string? notRenewed = null;
        if (failure is M3AuthException error)
            error.Prefix ??= _options.Prefix;

        lock (_gate)
        {
            _look = null;
            Moment now = _clock.Now;
            bool isUsable = look.Rejected is null && look.Current is { } known && Serves(known, now);
            if (failure is not null && look.Answering is { } answering)
                _failed.Remember(answering, failure, isUrgent: !isUsable);

            if (_disposed.IsCancellationRequested)
            {
                failure = new ObjectDisposedException(nameof(M3TokenProvider));
            }
            else if (failure is null)
            {
                if (look.Answering is { } source)
                    _failed.Forget(source);
                // Only what was had counts; a source that failed has a pause of its own, and the two would add up.
                if (look.Rejected is not null)
                    _rejections.Extend(now);
                _isNotRenewed = false;
                Volatile.Write(ref _current, found);
            }
            else if (look.IsNews(failure))
            {
                Volatile.Write(ref _current, null);
            }
            else if (isUsable)
            {
                // The next one may be had in time: try again soon, and let the current one serve.
                CachedToken current = look.Current!;
                current.PutOffLook(Deadline.Pause(now, look.IsPolled ? LeastBetweenAsks
                    : Min(LongestBetweenTries, Max(LeastBetweenAsks, (current.ExpiresAt - now.Utc) / 10))));
                notRenewed = _isNotRenewed ? null : failure.Message;
                _isNotRenewed = true;
                (found, failure) = (current, null);
            }
        }

        look.Finish(found, failure);
        if (notRenewed is not null)
            _log.NotRenewed(notRenewed, found!.ExpiresAt);
    }

    private async ValueTask<CachedToken> FindAsync(Look look, CancellationToken cancellationToken)
    {
        CachedToken? current = look.Current;
        if (current?.Keys is not null && _jwks.NextLook.IsPast(_clock.Now))
            await _jwks.GetAsync(cancellationToken).ConfigureAwait(false);

        // New keys alone are no reason to ask for a new token: the one at hand is checked against them first.
        if (current is not null && !Serves(current, _clock.Now) && !current.RenewAt.IsPast(_clock.Now))
            current = await TryValidateAgainAsync(current, cancellationToken).ConfigureAwait(false);

        bool isHeld = current is not null && !current.RenewAt.IsPast(_clock.Now) && look.Rejected is null;
        if (isHeld && _pollInterval is null)
            return Cache(current!);

        var context = new TokenSourceContext(_options, _backchannel, _metadata, _failed, _log, look.Rejected, isHeld ? (current!.Raw, current.Source) : null);
        string? raw;
        ITokenSource answering;
        try
        {
            raw = await _source.ReadWithoutCallerAsync(context, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            look.Answering = answering = context.Answering ?? _source;
        }

        if (current is not null && raw == current.Raw && Serves(current, _clock.Now))
            return Cache(current);

        try
        {
            if (string.IsNullOrWhiteSpace(raw))
                throw new MissingTokenException($"looked in {TokenSourceExtensions.NameOf(answering)}{TokenSources.DescribeMissingHalf(_options)}");
            ValidatedToken validated = await ValidateAsync(raw, cancellationToken).ConfigureAwait(false);
            _log.TokenAccepted(validated.Token, answering, _options);
            return Cache(new CachedToken(raw, validated, _options.ValidateLifetime, RenewalOf(validated.Token, answering), answering));
        }
        catch (M3AuthException e)
        {
            _log.TokenRefused(e, TokenSourceExtensions.NameOf(answering));
            throw;
        }
    }

    private async ValueTask<ValidatedToken> ValidateAsync(string raw, CancellationToken cancellationToken)
    {
        if (_refusal is { } refusal && refusal.Raw == raw && ReferenceEquals(refusal.Keys, _jwks.Current))
            refusal.Error.Throw();

        try
        {
            return await _validator.ValidateAsync(ParsedJwt.Parse(raw), cancellationToken).ConfigureAwait(false);
        }
        catch (M3AuthException e) when (e is InvalidTokenFormatException or InvalidIssuerException or InvalidAudienceException or MissingScopesException)
        {
            _refusal = new Refusal(raw, _jwks.Current, ExceptionDispatchInfo.Capture(e));
            throw;
        }
    }

    private async ValueTask<CachedToken?> TryValidateAgainAsync(CachedToken token, CancellationToken cancellationToken)
    {
        try
        {
            ValidatedToken validated = await ValidateAsync(token.Raw, cancellationToken).ConfigureAwait(false);
            return new CachedToken(token.Raw, validated, _options.ValidateLifetime, token.RenewAt, token.Source);
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
        Moment now = _clock.Now;
        // Due for renewal already: the source has nothing newer yet, and is asked again soon.
        Deadline due = token.RenewAt.IsPast(now) ? Deadline.Pause(now, LeastBetweenAsks) : token.RenewAt;
        if (_pollInterval is { } interval)
            due = due.Or(Deadline.Pause(now, interval));
        token.PutOffLook(token.Keys is null ? due : due.Or(_jwks.NextLook));
        return token;
    }

    // A minute ahead, but never more than a fifth of what is left: short tokens are to be used, too. The jitter keeps the
    // processes that started together from asking together.
    private Deadline RenewalOf(M3AccessToken token, ITokenSource answering)
    {
        DateTimeOffset expires = _options.ValidateLifetime ? token.ExpiresAt : DateTimeOffset.MaxValue;
        if (answering.PollInterval is not null || expires == DateTimeOffset.MaxValue)
            return Deadline.At(expires);
        Moment now = _clock.Now;
        TimeSpan left = expires - now.Utc;
        return Deadline.After(now, left - (Min(RenewAhead, left / 5) * (1 + (Random.Shared.NextDouble() * 0.1))));
    }

    private void ThrowIfUnusable()
    {
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        if (!_options.Enabled)
            throw new MissingTokenException($"OAuth2 is off ({_options.Prefix}ENABLED is not 'true'), so there is no token") { Prefix = _options.Prefix };
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

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;

    /// <summary>One look at the source, for everybody who waits for it.</summary>
    private sealed class Look(CachedToken? current, M3AccessToken? rejected)
    {
        private readonly TaskCompletionSource<CachedToken> _promise = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public CachedToken? Current { get; } = current;

        public M3AccessToken? Rejected { get; } = rejected;

        /// <summary>The source that answered, or failed; null: none was asked.</summary>
        public ITokenSource? Answering { get; set; }

        public bool IsPolled => Answering?.PollInterval is not null;

        public Task<CachedToken> Task => _promise.Task;

        // What a polled source says anew is somebody's decision, and is followed even to a worse token; that a renewal fails is none.
        public bool IsNews(Exception failure) =>
            IsPolled && failure is M3AuthException and not TokenRequestFailedException and not JwksUnavailableException;

        public void Finish(CachedToken? found, Exception? failure)
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
    private sealed class CachedToken(string raw, ValidatedToken validated, bool expires, Deadline renewAt, ITokenSource source)
    {
        private long _nextLookUtcTicks;
        private long _nextLookMonotonic;

        public string Raw { get; } = raw;

        public M3AccessToken Token { get; } = validated.Token;

        public KeySet? Keys { get; } = validated.Keys;

        public DateTimeOffset ExpiresAt { get; } = expires ? validated.Token.ExpiresAt : DateTimeOffset.MaxValue;

        public Deadline RenewAt { get; } = renewAt;

        public ITokenSource Source { get; } = source;

        public bool IsPolled => Source.PollInterval is not null;

        /// <summary>Until then nothing is due: not the expiry, the source, the renewal or the keys.</summary>
        public Deadline NextLook => new(Volatile.Read(ref _nextLookUtcTicks), Volatile.Read(ref _nextLookMonotonic));

        public bool HasExpired(Moment now) => now.UtcTicks >= ExpiresAt.UtcTicks;

        public void PutOffLook(Deadline until)
        {
            Volatile.Write(ref _nextLookUtcTicks, Math.Min(until.UtcTicks, ExpiresAt.UtcTicks));
            Volatile.Write(ref _nextLookMonotonic, until.Monotonic);
        }
    }

    private sealed record Refusal(string Raw, KeySet? Keys, ExceptionDispatchInfo Error);
}
