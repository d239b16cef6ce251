using System.Runtime.ExceptionServices;

namespace M3.Client.Auth;

/// <summary>How a refresh went.</summary>
/// <param name="Token">The valid token; null when there is an error.</param>
/// <param name="Error">Why there is none.</param>
/// <param name="Source">The source that answered or failed; null: none was asked.</param>
internal sealed record Acquisition(CachedToken? Token, Exception? Error, ITokenSource? Source);

/// <summary>Finds one valid token: the one at hand if that is still the right one, else the source's, validated.</summary>
internal sealed class TokenAcquirer(M3AuthOptions options, ITokenSource source, Backchannel backchannel, IssuerMetadata metadata, JwksCache jwks,
    NegativeCache failures, Log log)
{
    private readonly ValidationRules _rules = options.ToValidationRules();
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
            CachedToken token = current is not null && reading?.Token == current.Reading.Token && current.IsUsable(_clock.Now, jwks)
                ? current
                : await ValidateNewAsync(reading, cancellationToken).ConfigureAwait(false);
            failures.Forget(reading!.Source);
            return new Acquisition(WithNextCheck(token), null, reading.Source);
        }
        catch (Exception e) when (!(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            // What a source returned that is no valid token stands like its failure.
            if (reading is not null)
                failures.Remember(reading.Source, e, context!.IsUrgent);
            return new Acquisition(null, e, context is null ? null : reading?.Source ?? context.FailedSource ?? source);
        }
    }

    private TokenSourceContext NewContext(TokenReading? held, M3AccessToken? rejected, bool isUrgent) => new()
    {
        Rejected = rejected,
        Current = held,
        Backchannel = backchannel.Invoker,
        IssuerUrl = options.IssuerUrl,
        Audience = options.Audience,
        RequiredScopes = (IReadOnlyCollection<string>)options.RequiredScopes,
        TimeProvider = options.TimeProvider,
        Metadata = metadata,
        Failures = failures,
        Log = log,
        IsUrgent = isUrgent,
        ClientSecret = options.ClientSecret,
    };

    private async ValueTask<CachedToken> ValidateNewAsync(TokenReading? reading, CancellationToken cancellationToken)
    {
        string name = (reading?.Source ?? source).DescribeSource();
        try
        {
            if (reading is null)
                throw new MissingTokenException($"looked in {name}{DefaultTokenSource.DescribeMissingHalf(options)}");
            ValidatedToken validated = await ValidateAsync(reading.Token, cancellationToken).ConfigureAwait(false);
            if (log.Debug)
                log.TokenAccepted(name, validated.Token.ToString(), validated.Token.KeyId, validated.Token.Algorithm, _rules.Checks, validated.Token.Scopes);
            DateTimeOffset expiresAt = options.ValidateLifetime ? validated.Token.ExpiresAt : DateTimeOffset.MaxValue;
            Deadline renewAt = RefreshPolicy.RenewAt(_clock.Now, expiresAt, reading.Source.PollInterval is not null, Random.Shared.NextDouble());
            return new CachedToken(reading, validated, expiresAt, renewAt);
        }
        catch (M3AuthException e)
        {
            log.TokenRefused(name, e.Error.ToString(), e.Message);
            throw;
        }
    }

    private async ValueTask<CachedToken?> TryRevalidateAsync(CachedToken token, CancellationToken cancellationToken)
    {
        try
        {
            return new CachedToken(token.Reading, await ValidateAsync(token.Reading.Token, cancellationToken).ConfigureAwait(false), token.ExpiresAt, token.RenewAt);
        }
        catch (M3AuthException e) when (e is not JwksUnavailableException)
        {
            log.TokenRefused("the cache", e.Error.ToString(), e.Message);
            return null;
        }
    }

    private async ValueTask<ValidatedToken> ValidateAsync(string raw, CancellationToken cancellationToken)
    {
        if (_refusal is { } refusal && refusal.Raw == raw && ReferenceEquals(refusal.Keys, jwks.Current))
            refusal.Error.Throw();

        try
        {
            return await _validator.ValidateAsync(ParsedJwt.Parse(raw), cancellationToken).ConfigureAwait(false);
        }
        catch (M3AuthException e) when (e is InvalidTokenFormatException or InvalidIssuerException or InvalidAudienceException or MissingScopesException)
        {
            _refusal = new Refusal(raw, jwks.Current, ExceptionDispatchInfo.Capture(e));
            throw;
        }
    }

    // Once everything else is known.
    private CachedToken WithNextCheck(CachedToken token)
    {
        token.DeferCheck(RefreshPolicy.NextCheck(_clock.Now, token.RenewAt, source.PollInterval, token.Keys is null ? null : jwks.NextCheck));
        return token;
    }

    private sealed record Refusal(string Raw, KeySet? Keys, ExceptionDispatchInfo Error);
}
