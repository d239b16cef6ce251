using System.Diagnostics;
using System.Text.Json.Serialization;

namespace M3.Client.Auth;

/// <summary>What a token source may want to know. A provider makes one for each read; a test of a source may make its own.</summary>
public sealed class TokenSourceContext
{
    private readonly NegativeCache? _failures;
    private readonly Telemetry? _telemetry;
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    private readonly string? _clientSecret;
    private readonly ActivityContext _caller;
    private int _reads;

    /// <summary>A context for a test of a source.</summary>
    public TokenSourceContext() => IsUrgent = true;

    /// <param name="metadata">Where the issuer's token endpoint is.</param>
    /// <param name="failures">What stands of the sources' failures.</param>
    /// <param name="log">For the sources' own lines.</param>
    /// <param name="telemetry">Told of each source that is not polled.</param>
    /// <param name="clientSecret">A configured secret, which no source's failure must carry along.</param>
    /// <param name="isUrgent">Whether calls fail without a new token.</param>
    /// <param name="sharedTokens">What other processes were given; null: nothing is shared.</param>
    internal TokenSourceContext(IssuerMetadata metadata, NegativeCache failures, Log log, Telemetry telemetry, string? clientSecret, bool isUrgent, SharedTokens? sharedTokens)
    {
        (Metadata, Log, IsUrgent, SharedTokens) = (metadata, log, isUrgent, sharedTokens);
        (_failures, _telemetry, _clientSecret, _caller) = (failures, telemetry, clientSecret, Telemetry.Caller);
    }

    /// <summary>
    /// The token that M3 refused, so that a cached copy of it is not returned again; null, the default, for an ordinary read.
    /// </summary>
    public M3AccessToken? Rejected { get; init; }

    /// <summary>
    /// The token in use, while it needs no successor and this read only asks whether it has changed. A source made of others returns it as it
    /// is instead of asking a source that is not to be polled. Null, the default: a token is needed.
    /// </summary>
    public TokenReading? Current { get; init; }

    /// <summary>
    /// Sends to the issuer the way that keys are fetched: HTTPS only (loopback excepted), no redirect followed, at most 1 MiB and 5 seconds for
    /// each answer, no compressed ones; what breaks these bounds is an <see cref="HttpRequestException"/>. Not to be disposed. In a context of
    /// your own it throws <see cref="InvalidOperationException"/> until it is set.
    /// </summary>
    [JsonIgnore]
    public HttpMessageInvoker Backchannel
    {
        get => field ??= new(new NoBackchannel());
        init;
    }

    /// <summary>The configured issuer.</summary>
    public string? IssuerUrl { get; init; }

    /// <summary>The audience that the token must be for.</summary>
    public string? Audience { get; init; }

    /// <summary>The resource that the token is asked for (RFC 8707, section 2); null, the default: none is named.</summary>
    public string? Resource { get; init; }

    /// <summary>The scopes that the token must have. Default: none.</summary>
    public IReadOnlyCollection<string> RequiredScopes { get; init; } = [];

    /// <summary>The clock to go by. Default <see cref="TimeProvider.System"/>.</summary>
    [JsonIgnore]
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>The registration's client; null: it has none.</summary>
    internal string? ClientId { get; init; }

    internal string? ClientSecret => _clientSecret;

    /// <summary>Whether the settings say that no kept sign-in is to be used.</summary>
    internal bool IsSignedInOff { get; init; }

    internal IssuerMetadata? Metadata { get; }

    internal Log? Log { get; }

    internal bool IsUrgent { get; }

    internal readonly SharedTokens? SharedTokens;

    /// <summary>Whether a source was asked that is not polled, and did not fail a moment ago.</summary>
    internal bool HasAsked { get; private set; }

    /// <summary>Whose failure ended the read; null: nobody's.</summary>
    internal ITokenSource? FailedSource { get; private set; }

    /// <summary>
    /// Reads another source as the provider would. A polled source answers from memory or a small file, and is read here and now, so that a
    /// change counts for this very call. Any other may take its time, and does so neither on the caller's thread nor in its context; what it
    /// fails with stands for 1 to 30 s, growing, and so does that it has no token.
    /// </summary>
    /// <param name="source">The source to read.</param>
    /// <param name="cancellationToken">Passed on to it.</param>
    /// <returns>Its token, and whose it is; null when it has none.</returns>
    /// <exception cref="M3AuthException">The source failed; whatever it threw, no token and no secret at hand is in it.</exception>
    public async ValueTask<TokenReading?> ReadAsync(ITokenSource source, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        int reads = ++_reads;
        bool isOnDemand = NegativeCache.IsOnDemand(source);
        try
        {
            if (isOnDemand && _failures?.HadNone(source) == true)
                return null;
        }
        catch (M3AuthException)
        {
            FailedSource ??= source;
            throw;
        }

        try
        {
            TokenReading? reading = isOnDemand
                ? await ReadDetachedAsync(source, cancellationToken).ConfigureAwait(false)
                : await source.ReadWithSourceAsync(this, cancellationToken).ConfigureAwait(false);

            // What is made of others is as they are; each of them is remembered by itself.
            if (reading is null && isOnDemand && _reads == reads)
                _failures?.Remember(source, failure: null, isUrgent: true);
            return reading;
        }
        catch (Exception e) when (!(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            M3AuthException error = Describe(e, source);
            FailedSource ??= source;
            if (isOnDemand && _reads == reads)
                _failures?.Remember(source, error, IsUrgent);
            if (ReferenceEquals(error, e))
                throw;
            throw error;
        }
    }

    private async Task<TokenReading?> ReadDetachedAsync(ITokenSource source, CancellationToken cancellationToken)
    {
        TokenReading? reading = null;
        // A source made of others has left the caller's context already.
        ActivityContext caller = Activity.Current?.Context ?? _caller;
        await Detached.Run(async () =>
        {
            // What is made of others is timed as they are.
            bool isOne = source is not FirstOfTokenSource;
            HasAsked |= isOne;
            TimedOperation? operation = isOne ? _telemetry?.StartTokenRequest(caller) : null;
            M3AuthException? error = null;
            Task<TokenReading?>? asking = null;
            try
            {
                asking = source.ReadWithSourceAsync(this, cancellationToken).AsTask();
                // One that ignores its cancellation is measured all the same.
                reading = await asking.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                Detached.Abandon(asking);
                error = Describe(e, source);
                throw;
            }
            finally
            {
                operation?.End(error?.Error.ToString(), error?.Message);
            }
        }).ConfigureAwait(false);
        return reading;
    }

    // A delegate's failure may quote the token or the secret that it had at hand.
    private M3AuthException Describe(Exception failure, ITokenSource source)
    {
        Exception? harmless = Secrets.HarmlessOrNull(failure, Current?.Token, Rejected?.Value, _clientSecret);
        if (harmless is M3AuthException known)
            return known;
        bool isTransient = failure is HttpRequestException or IOException or OperationCanceledException or M3AuthException { IsTransient: true };
        return new TokenRequestFailedException($"{source.DescribeSource()} threw {failure.GetType().Name}", isTransient, harmless);
    }

    private sealed class NoBackchannel : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("This context has no Backchannel: set one when you make it.");
    }
}
