namespace M3.Client.Auth;

/// <summary>Where the raw token is. What it returns is normalised and validated like any other; see <see cref="TokenSources"/>.</summary>
public interface ITokenSource
{
    /// <summary>
    /// How often reading again is cheap enough to notice a change. Null, the default: read only near the token's expiry and after
    /// M3 refused it. The environment, file and configuration sources say 1 second.
    /// </summary>
    TimeSpan? PollInterval => null;

    /// <summary>
    /// Reads the token, with or without <c>Bearer </c> in front; null when this source has none. It is never called twice at once
    /// by one provider, and a single caller's cancellation does not reach it.
    /// </summary>
    /// <param name="context">What the token is for, and the token that M3 refused, if any.</param>
    /// <param name="cancellationToken">Signalled after two minutes, and when the provider is disposed.</param>
    /// <exception cref="M3AuthException">Reaches the caller as it is; any other exception becomes <see cref="TokenRequestFailedException"/>.</exception>
    ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken);
}
