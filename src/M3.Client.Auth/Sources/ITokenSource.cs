namespace M3.Client.Auth;

/// <summary>Where the raw token is. What it returns is normalised and validated like any other; see <see cref="TokenSources"/>.</summary>
public interface ITokenSource
{
    /// <summary>
    /// How often reading again is cheap enough to notice a change. Null, the default: read only near the token's expiry and after
    /// M3 refused it. The environment, file and configuration sources say 1 second.
    /// </summary>
    TimeSpan? PollInterval => null;

    /// <summary>How long a read may take, above zero. Default 2 minutes; where a person signs in they need longer.</summary>
    TimeSpan Timeout => TimeSpan.FromMinutes(2);

    /// <summary>
    /// Reads the token, with or without <c>Bearer </c> in front; null when this source has none. It is never called twice at once
    /// by one provider, and a single caller's cancellation does not reach it.
    /// </summary>
    /// <param name="context">What the token is for, and the token that M3 refused, if any.</param>
    /// <param name="cancellationToken">Signalled after <see cref="Timeout"/>, and when the provider is disposed.</param>
    /// <exception cref="M3AuthException">Reaches the caller as it is; any other exception becomes <see cref="TokenRequestFailedException"/>.</exception>
    ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken);

    /// <summary>
    /// Reads the token and says whose it is. Only a source made of other sources needs its own: it asks them by
    /// <see cref="TokenSourceContext.ReadAsync"/> and returns what the one that answered gave. The default is <see cref="ReadAsync"/>'s token.
    /// </summary>
    /// <param name="context">As for <see cref="ReadAsync"/>.</param>
    /// <param name="cancellationToken">As for <see cref="ReadAsync"/>.</param>
    /// <returns>Null when there is none.</returns>
    /// <exception cref="M3AuthException">As for <see cref="ReadAsync"/>.</exception>
    ValueTask<TokenReading?> ReadWithSourceAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        ValueTask<string?> reading = ReadAsync(context, cancellationToken);
        return reading.IsCompletedSuccessfully ? new(TokenReading.Of(reading.Result, this)) : WaitAsync(reading, this);

        static async ValueTask<TokenReading?> WaitAsync(ValueTask<string?> reading, ITokenSource source) =>
            TokenReading.Of(await reading.ConfigureAwait(false), source);
    }
}
