using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>
/// One valid token for any number of callers: read from its source, validated, cached with its verdict, renewed before it expires.
/// A call that finds it cached costs a few comparisons; everything else is done by one caller at a time for all.
/// </summary>
public sealed class M3TokenProvider : IM3TokenProvider, IDisposable
{
    private readonly M3AuthOptions _options;
    private readonly Backchannel _backchannel;
    private readonly JwksCache _jwks;
    private readonly TokenCache _cache;
    private readonly Clock _clock;
    private readonly bool _ownsTelemetry;

    /// <summary>Makes a provider with its own keys.</summary>
    /// <param name="options">The settings; copied.</param>
    /// <param name="loggerFactory">Where to log; null: nowhere, or to standard error with <see cref="M3AuthOptions.Debug"/>.</param>
    /// <exception cref="OptionsValidationException">The settings are wrong; every failure names its setting.</exception>
    public M3TokenProvider(M3AuthOptions options, ILoggerFactory? loggerFactory = null)
        : this(options, loggerFactory, telemetry: null)
    {
    }

    /// <param name="options">The settings; copied.</param>
    /// <param name="loggerFactory">Where to log.</param>
    /// <param name="telemetry">The registration's; null: its own.</param>
    internal M3TokenProvider(M3AuthOptions options, ILoggerFactory? loggerFactory, Telemetry? telemetry)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = SettingsValidator.CopyForProvider(options);
        _clock = new Clock(_options.TimeProvider);
        _ownsTelemetry = telemetry is null;
        Telemetry = telemetry ?? new Telemetry(clientName: null, Instruments.Shared, _options.TimeProvider);
        Log log = _options.CreateLog(loggerFactory);
        _backchannel = new Backchannel(_options.BackchannelHttpHandler, _options.TimeProvider);
        var metadata = new IssuerMetadata(_options.ToIssuerSettings(), _options.TimeProvider, _backchannel);
        SharedValues? shared = _options.SharedState?.JoinValues(_options.TimeProvider, log, Telemetry);
        _jwks = new JwksCache(_options.JwksCacheTtl, _options.TimeProvider, _backchannel, metadata, log, Telemetry,
            shared is null ? null : SharedJwks.Through(shared, _options.IssuerUrl ?? "", _options.JwksUrl, _options.JwksCacheTtl, _options.TimeProvider));
        ITokenSource source = _options.TokenSource ?? DefaultTokenSource.Create(_options);
        var acquirer = new TokenAcquirer(_options, source, _backchannel, metadata, _jwks, new NegativeCache(_clock), shared is null ? null : new SharedTokens(shared), log, Telemetry);
        _cache = new TokenCache(acquirer, _jwks, _options.TimeProvider, log, Telemetry, _options.Prefix, source.Timeout);
        SourceTimeout = source.Timeout;
        WarnOfWhatIsOff(log);
    }

    internal TimeProvider TimeProvider => _options.TimeProvider;

    internal readonly Telemetry Telemetry;

    /// <summary>How long its source may take.</summary>
    internal TimeSpan SourceTimeout { get; }

    internal TokenStatus? TokenStatus => _cache.GetStatus();

    /// <inheritdoc />
    public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<M3AccessToken>(cancellationToken);
        if (TryGetCached(_clock.Now) is { } token)
            return new(token);
        return _options.Enabled ? _cache.GetAsync(cancellationToken) : ValueTask.FromException<M3AccessToken>(Disabled());
    }

    /// <inheritdoc />
    public ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(rejected);
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<M3AccessToken>(cancellationToken);
        return _options.Enabled ? _cache.RenewAsync(rejected, cancellationToken) : ValueTask.FromException<M3AccessToken>(Disabled());
    }

    /// <inheritdoc cref="GetEnvironmentAsync(string, CancellationToken)" />
    public ValueTask<IDictionary<string, string?>> GetEnvironmentAsync(CancellationToken cancellationToken = default) =>
        GetEnvironmentAsync(SettingNames.DefaultPrefix, cancellationToken);

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
        if (token.OnlyFor is { } only)
            throw new UntrustedOriginException($"the sign-in was discovered from {only}, and its token goes there only, not to a child process") { Prefix = _options.Prefix };
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

    /// <summary>Fetches the issuer's keys now, once for however many callers ask, and tells how it went.</summary>
    /// <param name="cancellationToken">Ends this caller's wait only.</param>
    /// <returns>The state of the key cache afterwards.</returns>
    /// <exception cref="JwksUnavailableException">They could not be fetched.</exception>
    public async Task<JwksStatus> RefreshKeysAsync(CancellationToken cancellationToken = default)
    {
        if (!_options.Enabled)
            throw Disabled();
        await _jwks.FetchNowAsync(cancellationToken).ConfigureAwait(false);
        return _jwks.GetStatus();
    }

    /// <summary>Stops what is under way. Callers that wait get <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        _cache.Dispose();
        _jwks.Dispose();
        _backchannel.Dispose();
        if (_ownsTelemetry)
            Telemetry.Dispose();
    }

    /// <summary>The hot path: the cached token while nothing is due, else null.</summary>
    internal M3AccessToken? TryGetCached(Moment now) => _cache.TryGet(now);

    private MissingTokenException Disabled() =>
        new($"OAuth2 is off ({_options.Prefix}ENABLED is not 'true'), so there is no token") { Prefix = _options.Prefix };

    private void WarnOfWhatIsOff(Log log)
    {
        string prefix = _options.Prefix;
        if (!_options.Enabled)
        {
            string variable = prefix + "TOKEN";
            string?[] found = [Environment.GetEnvironmentVariable(variable), _options.Configuration?[variable], _options.Section?[SectionNames.Token]];
            if (!found.All(string.IsNullOrWhiteSpace))
                log.DisabledWithToken(prefix);
            return;
        }

        if (!_options.ValidateSignature)
            log.CheckIsOff("signature", _options.NameOf("VALIDATE_SIGNATURE"));
        if (!_options.ValidateLifetime)
            log.CheckIsOff("expiry", _options.NameOf("VALIDATE_EXP"));
        if (!_options.ValidateAudience)
            log.CheckIsOff("audience", _options.NameOf("VALIDATE_AUD"));
        if (!_options.ValidateIssuer)
            log.CheckIsOff("issuer", _options.NameOf("VALIDATE_ISS"));
    }
}
