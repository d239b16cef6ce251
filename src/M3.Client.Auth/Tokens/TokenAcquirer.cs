using System.Runtime.ExceptionServices;

namespace M3.Client.Auth;

/// <summary>How a refresh went.</summary>
/// <param name="token">The valid token; null when there is an error.</param>
/// <param name="error">Why there is none.</param>
/// <param name="source">The source that answered or failed; null: none was asked.</param>
/// <param name="hasAsked">Whether a source that is not polled was asked, rather than its last failure told again.</param>
internal sealed class Acquisition(CachedToken? token, Exception? error, ITokenSource? source, bool hasAsked = false)
{
    public readonly CachedToken? Token = token;

    public readonly Exception? Error = error;

    public readonly ITokenSource? Source = source;

    public readonly bool HasAsked = hasAsked;
}

/// <summary>Finds one valid token: the one at hand if that is still the right one, else the source's, validated.</summary>
internal sealed class TokenAcquirer(M3AuthOptions options, ITokenSource source, Backchannel backchannel, IssuerMetadata metadata, JwksCache jwks,
    NegativeCache failures, SharedTokens? sharedTokens, Log log, Telemetry telemetry)
{
    private readonly TokenValidator _validator = new(options.ToValidationRules(), options.TimeProvider, jwks, backchannel);
    private readonly Clock _clock = new(options.TimeProvider);

    // The last token that broke a rule which only another token, or other keys, can mend: it is not judged again.
    private Refusal? _refusal;

    /// <param name="current">The token at hand; null: there is none.</param>
    /// <param name="rejected">The token that M3 refused; null: none.</param>
    /// <param name="cancellationToken">Ends the search, with <see cref="OperationCanceledException"/>.</param>
    public async Task<Acquisition> AcquireAsync(CachedToken? current, M3AccessToken? rejected, CancellationToken cancellationToken)
    {
        TokenSourceContext? context = null;
        TokenReading? reading = null;
        bool isRead = false;
        try
        {
            if (current?.Keys is not null && jwks.NextCheck.IsPast(_clock.Now))
                await jwks.GetAsync(cancellationToken).ConfigureAwait(false);

            // New keys alone are no reason to ask for a new token: the one at hand is checked against them first.
            if (current is not null && !current.IsUsable(_clock.Now, jwks) && !current.RenewAt.IsPast(_clock.Now))
                current = await TryRevalidateAsync(current, cancellationToken).ConfigureAwait(false);

            TokenReading? held = rejected is null && current is not null && !current.RenewAt.IsPast(_clock.Now) ? current.Reading : null;
            if (held is not null && source.PollInterval is null)
                return new Acquisition(WithNextCheck(current!), null, null);

            context = NewContext(held, rejected, isUrgent: rejected is not null || current?.IsUsable(_clock.Now, jwks) != true);
            reading = await context.ReadAsync(source, cancellationToken).ConfigureAwait(false);
            isRead = true;
            if (current is null || reading?.Token != current.Reading.Token || !current.IsUsable(_clock.Now, jwks))
                current = Accept(reading!, await _validator.ValidateAsync(Parse(reading), cancellationToken).ConfigureAwait(false));
            failures.Forget(reading!.Source);
            return new Acquisition(WithNextCheck(current), null, reading.Source);
        }
        catch (Exception e) when (!(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            if (isRead && e is M3AuthException refusal)
                Refuse(reading?.Token, (reading?.Source ?? source).DescribeSource(), refusal);
            // What a source returned that is no valid token stands like its failure.
            if (reading is not null)
                failures.Remember(reading.Source, e, context!.IsUrgent);
            return new Acquisition(null, e, context is null ? null : reading?.Source ?? context.FailedSource ?? source, context?.HasAsked == true);
        }
    }

    private TokenSourceContext NewContext(TokenReading? held, M3AccessToken? rejected, bool isUrgent) =>
        new(metadata, failures, log, telemetry, options.ClientSecret, isUrgent, sharedTokens)
        {
            Rejected = rejected,
            Current = held,
            Backchannel = backchannel.Invoker,
            IssuerUrl = options.IssuerUrl,
            Audience = options.Audience,
            Resource = options.Resource,
            RequiredScopes = (IReadOnlyCollection<string>)options.RequiredScopes,
            TimeProvider = options.TimeProvider,
            ClientId = options.ClientId,
            IsSignedInOff = options.SignedIn == false,
        };

    private ParsedJwt Parse(TokenReading? reading)
    {
        if (reading is null)
            throw DefaultTokenSource.Missing(source, options);
        if (_refusal is { } refusal && refusal.Raw == reading.Token && ReferenceEquals(refusal.Keys, jwks.Current))
            refusal.Error.Throw();
        return ParsedJwt.Parse(reading.Token);
    }

    private CachedToken Accept(TokenReading reading, ValidatedToken validated)
    {
        M3AccessToken token = validated.Token;
        if (log.Debug)
            log.TokenAccepted(reading.Source.DescribeSource(), token.ToString(), token.KeyId, token.Algorithm, _validator.Checks, token.Scopes);
        DateTimeOffset expiresAt = options.ValidateLifetime ? token.ExpiresAt : DateTimeOffset.MaxValue;
        Deadline renewAt = RefreshPolicy.RenewAt(_clock.Now, expiresAt, reading.Source.PollInterval is not null, Random.Shared.NextDouble());
        return new CachedToken(reading, validated, expiresAt, renewAt);
    }

    private void Refuse(string? raw, string from, M3AuthException error)
    {
        bool needsAnother = error is InvalidTokenFormatException or InvalidIssuerException or InvalidAudienceException or MissingScopesException;
        if (raw is not null && needsAnother && _refusal?.Error.SourceException != error)
            _refusal = new Refusal(raw, jwks.Current, ExceptionDispatchInfo.Capture(error));
        log.TokenRefused(from, error.Error.ToString(), error.Message);
    }

    private async ValueTask<CachedToken?> TryRevalidateAsync(CachedToken token, CancellationToken cancellationToken)
    {
        try
        {
            ValidatedToken validated = await _validator.ValidateAsync(Parse(token.Reading), cancellationToken).ConfigureAwait(false);
            return new CachedToken(token.Reading, validated, token.ExpiresAt, token.RenewAt);
        }
        catch (M3AuthException e) when (e is not JwksUnavailableException)
        {
            Refuse(token.Reading.Token, "the cache", e);
            return null;
        }
    }

    // Once everything else is known.
    private CachedToken WithNextCheck(CachedToken token)
    {
        token.DeferCheck(RefreshPolicy.NextCheck(_clock.Now, token.RenewAt, source.PollInterval, token.Keys is null ? Deadline.Never : jwks.NextCheck));
        return token;
    }

    private sealed record Refusal(string Raw, KeySet? Keys, ExceptionDispatchInfo Error);
}
