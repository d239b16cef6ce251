namespace M3.Client.Auth;

/// <summary>Supplies one valid token. Safe for any number of callers at once.</summary>
public interface IM3TokenProvider
{
    /// <summary>The current token: validated, cached, renewed before it expires.</summary>
    /// <param name="cancellationToken">Ends this caller's wait only; work that others wait for, too, goes on.</param>
    /// <exception cref="M3AuthException">There is no valid token; its type says why.</exception>
    ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Looks at the source again because M3 refused a token. Returns a newer valid token, or <paramref name="rejected"/> itself when the
    /// source still has that one.
    /// </summary>
    /// <param name="rejected">The token that M3 refused.</param>
    /// <param name="cancellationToken">Ends this caller's wait only.</param>
    /// <exception cref="M3AuthException">The source no longer has a valid token.</exception>
    ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default);
}
