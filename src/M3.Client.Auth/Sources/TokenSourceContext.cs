using System.Diagnostics;
using System.Text.Json.Serialization;

namespace M3.Client.Auth;

/// <summary>What a token source may want to know. A provider makes one for each read; a test of a source may make its own.</summary>
public sealed class TokenSourceContext
{
    private int _reads;

    /// <summary>
    /// The token that M3 refused, so that a cached copy of it is not returned again; null, the default, for an ordinary read.
    /// </summary>
    public M3AccessToken? Rejected { get; init; }

    /// <summary>
    /// The token in use, while it needs no successor and this read only asks whether there is news. A source made of others returns it as it
    /// is instead of asking a source that is not to be polled. Null, the default: a token is needed.
    /// </summary>
    public TokenReading? Current { get; init; }

    /// <summary>
    /// Sends to the issuer the way that keys are fetched: HTTPS only (loopback excepted), no redirect followed, at most 1 MiB and 5 seconds for
    /// each answer, no compressed ones; what breaks these bounds is an <see cref="HttpRequestException"/>. Not to be disposed. In a context of
    /// your own it throws <see cref="InvalidOperationException"/> until it is set.
    /// </summary>
    [JsonIgnore]
    public HttpMessageInvoker Backchannel { get; init; } = new(new NoBackchannel());

    /// <summary>The configured issuer.</summary>
    public string? IssuerUrl { get; init; }

    /// <summary>The audience that the token must be for.</summary>
    public string? Audience { get; init; }

    /// <summary>The scopes that the token must have. Default: none.</summary>
    public IReadOnlyCollection<string> RequiredScopes { get; init; } = [];

    /// <summary>The clock to go by. Default <see cref="TimeProvider.System"/>.</summary>
    [JsonIgnore]
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where the issuer's token endpoint is; null in a context that no provider made.</summary>
    internal IssuerMetadata? Metadata { get; init; }

    internal NegativeCache? Failures { get; init; }

    internal Log? Log { get; init; }

    /// <summary>Whether calls fail without a new token.</summary>
    internal bool IsUrgent { get; init; } = true;

    /// <summary>A configured secret, which no source's failure must carry along.</summary>
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    internal string? ClientSecret { get; init; }

    /// <summary>Whose failure ended the read; null: nobody's.</summary>
    internal ITokenSource? FailedSource { get; private set; }

    /// <summary>
    /// Reads another source as the provider would. A polled source answers from memory or a small file, and is read here and now, so that its
    /// news counts for this very call. Any other may take its time, and does so neither on the caller's thread nor in its context; what it
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
            if (isOnDemand && Failures?.HadNone(source) == true)
                return null;
        }
        catch (M3AuthException)
        {
            FailedSource ??= source;
            throw;
        }

        try
        {
            TokenReading? reading = null;
            if (isOnDemand)
                await Detached.Run(async () => reading = await source.ReadWithSourceAsync(this, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
            else
                reading = await source.ReadWithSourceAsync(this, cancellationToken).ConfigureAwait(false);

            // What is made of others is as they are; each of them is remembered by itself.
            if (reading is null && isOnDemand && _reads == reads)
                Failures?.Remember(source, failure: null, isUrgent: true);
            return reading;
        }
        catch (Exception e) when (!(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            M3AuthException error = Describe(e, source);
            FailedSource ??= source;
            if (isOnDemand && _reads == reads)
                Failures?.Remember(source, error, IsUrgent);
            if (ReferenceEquals(error, e))
                throw;
            throw error;
        }
    }

    // A delegate's failure may quote the token or the secret that it had at hand.
    private M3AuthException Describe(Exception failure, ITokenSource source)
    {
        Exception? harmless = Secrets.HarmlessOrNull(failure, Current?.Token, Rejected?.Value, ClientSecret);
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
