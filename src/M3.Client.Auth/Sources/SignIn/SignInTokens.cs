using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace M3.Client.Auth;

/// <summary>Who asks the issuer for a person's tokens, and over what.</summary>
/// <param name="name">Who asks, for errors.</param>
/// <param name="clientId">The client that the person signs in with.</param>
/// <param name="clientSecret">Null: it is a public client, which only says its id.</param>
/// <param name="metadata">Where the issuer's endpoints are.</param>
/// <param name="backchannel">The bounded one.</param>
/// <param name="timeProvider">For waits and dates.</param>
internal sealed class SignInClient(string name, string clientId, string? clientSecret, IssuerMetadata metadata, HttpMessageInvoker backchannel, TimeProvider timeProvider)
{
    public readonly string Name = name;
    public readonly string ClientId = clientId;
    public readonly string? ClientSecret = clientSecret;
    public readonly IssuerMetadata Metadata = metadata;
    public readonly HttpMessageInvoker Backchannel = backchannel;
    public readonly TimeProvider TimeProvider = timeProvider;

    /// <summary>The asker behind a source; null where the context is no provider's.</summary>
    public static SignInClient? Of(TokenSourceContext context, string name, string clientId) => context.Metadata is { } metadata
        ? new(name, clientId, context.ClientId == clientId ? context.ClientSecret : null, metadata, context.Backchannel, context.TimeProvider)
        : null;
}

/// <summary>What a person's sign-in asks of the issuer: tokens for a code or a refresh token, and that one be forgotten.</summary>
internal static class SignInTokens
{
    /// <summary>Of a refresh token or a code: what is longer no issuer gives.</summary>
    public const int MaxTokenLength = 64 * 1024;

    /// <summary>
    /// Asks for a new access token (RFC 6749, section 6), for the same scopes as before. The request is sent once, and then waited for whatever
    /// happens: an issuer that rotates refresh tokens takes the second sending of one for a theft.
    /// </summary>
    /// <param name="client">Who asks.</param>
    /// <param name="refreshToken">What with.</param>
    /// <param name="resource">The resource indicator (RFC 8707) of the sign-in; null: none.</param>
    /// <param name="cancellationToken">Ends the search for the token endpoint only.</param>
    /// <returns>The issuer's answer, a refusal included: <c>invalid_grant</c> says that the refresh token is of no use any more.</returns>
    /// <exception cref="TokenRequestFailedException">There was none.</exception>
    public static async Task<TokenAnswer> RefreshAsync(SignInClient client, string refreshToken, string? resource, CancellationToken cancellationToken)
    {
        TokenEndpoint endpoint = await FindAsync(client, OidcConstants.Discovery.TokenEndpoint, cancellationToken).ConfigureAwait(false);
        using var request = Prepare(new RefreshTokenRequest { RefreshToken = refreshToken }, client, endpoint);
        if (resource is not null)
            request.Resource.Add(resource);
        request.Options.Set(Backchannel.Once, true);
        TokenResponse response = await client.Backchannel.RequestRefreshTokenAsync(request, CancellationToken.None).ConfigureAwait(false);
        return Bounded(new TokenAnswer(response, client.Name, Backchannel.Describe(endpoint.Address), refreshToken, client.ClientSecret), client);
    }

    /// <summary>Changes the code that a person has come back with into tokens (RFC 6749, section 4.1.3), by the verifier that nobody else knows (RFC 7636).</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="code">The code.</param>
    /// <param name="verifier">The <c>code_verifier</c>.</param>
    /// <param name="redirectUri">Where the person came back to.</param>
    /// <param name="resource">The resource indicator (RFC 8707) that was asked for; null: none.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <returns>The issuer's answer, a refusal included.</returns>
    /// <exception cref="TokenRequestFailedException">There was none.</exception>
    public static async Task<TokenAnswer> RedeemAsync(SignInClient client, string code, string verifier, string redirectUri, string? resource, CancellationToken cancellationToken)
    {
        TokenEndpoint endpoint = await FindAsync(client, OidcConstants.Discovery.TokenEndpoint, cancellationToken).ConfigureAwait(false);
        using var request = Prepare(new AuthorizationCodeTokenRequest { Code = code, CodeVerifier = verifier, RedirectUri = redirectUri }, client, endpoint);
        if (resource is not null)
            request.Resource.Add(resource);
        // An issuer takes the second sending of a code for a theft, too (RFC 6749, section 4.1.2).
        request.Options.Set(Backchannel.Once, true);
        TokenResponse response = await client.Backchannel.RequestAuthorizationCodeTokenAsync(request, cancellationToken).ConfigureAwait(false);
        return Bounded(new TokenAnswer(response, client.Name, Backchannel.Describe(endpoint.Address), code, verifier, client.ClientSecret), client);
    }

    /// <summary>Has the issuer forget a token (RFC 7009); of a refresh token, what came by it, too.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="token">The token.</param>
    /// <param name="isRefreshToken">Which kind it is.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <returns>False: the issuer names no place where tokens are revoked.</returns>
    /// <exception cref="TokenRequestFailedException">It did not do so.</exception>
    public static async Task<bool> RevokeAsync(SignInClient client, string token, bool isRefreshToken, CancellationToken cancellationToken)
    {
        try
        {
            if (await client.Metadata.TryFindEndpointAsync(OidcConstants.Discovery.RevocationEndpoint, cancellationToken).ConfigureAwait(false) is not { } endpoint)
                return false;
            var hint = isRefreshToken ? OidcConstants.TokenTypes.RefreshToken : OidcConstants.TokenTypes.AccessToken;
            using var request = Prepare(new TokenRevocationRequest { Token = token, TokenTypeHint = hint }, client, endpoint);
            TokenRevocationResponse response = await client.Backchannel.RevokeTokenAsync(request, cancellationToken).ConfigureAwait(false);
            new TokenAnswer(response, client.Name, Backchannel.Describe(endpoint.Address), token, client.ClientSecret).ThrowIfRefused(needsBody: false);
            return true;
        }
        catch (BackchannelException e)
        {
            throw TokenAnswer.Failure(e, client.Name, token, client.ClientSecret);
        }
    }

    /// <summary>
    /// The scopes with <c>offline_access</c>: without it many issuers give no refresh token, and a sign-in would end with its first access token.
    /// An issuer that lists its scopes without that one may refuse it.
    /// </summary>
    public static async Task<IEnumerable<string>> AddOfflineAccessAsync(SignInClient client, IEnumerable<string> scopes, CancellationToken cancellationToken)
    {
        string?[]? known = await GuardAsync(client, client.Metadata.TryFindScopesAsync(cancellationToken)).ConfigureAwait(false);
        return known?.Contains(OidcConstants.StandardScopes.OfflineAccess) is false ? scopes : scopes.Append(OidcConstants.StandardScopes.OfflineAccess).Distinct();
    }

    /// <summary>Where people sign in; null: the issuer names no such place.</summary>
    /// <exception cref="TokenRequestFailedException">It could not be found out.</exception>
    public static Task<AuthorizationEndpoint?> TryFindAuthorizationAsync(SignInClient client, CancellationToken cancellationToken) =>
        GuardAsync(client, client.Metadata.TryFindAuthorizationEndpointAsync(cancellationToken));

    /// <summary>Where the issuer takes requests of one kind.</summary>
    /// <exception cref="TokenRequestFailedException">It says nowhere.</exception>
    public static async Task<TokenEndpoint> FindAsync(SignInClient client, string name, CancellationToken cancellationToken) =>
        await GuardAsync(client, client.Metadata.TryFindEndpointAsync(name, cancellationToken)).ConfigureAwait(false)
            ?? throw TokenAnswer.Failure(client.Metadata.NotNamed(name), client.Name, client.ClientSecret);

    /// <summary>Addresses a request: a client's secret goes where the endpoint wants it; a public client says who it is in the form (RFC 6749, section 3.2.1).</summary>
    public static T Prepare<T>(T request, SignInClient client, TokenEndpoint endpoint)
        where T : ProtocolRequest
    {
        request.Address = endpoint.Address.AbsoluteUri;
        request.ClientId = client.ClientId;
        request.ClientSecret = client.ClientSecret;
        request.ClientCredentialStyle = client.ClientSecret is not null && endpoint.TakesBasic ? ClientCredentialStyle.AuthorizationHeader : ClientCredentialStyle.PostBody;
        return request;
    }

    /// <exception cref="TokenRequestFailedException">The refresh token is longer than any.</exception>
    public static TokenAnswer Bounded(TokenAnswer answer, SignInClient client) => answer.RefreshToken is { Length: > MaxTokenLength }
        ? throw new TokenRequestFailedException($"{client.Name}: the issuer gave a refresh token of more than {MaxTokenLength / 1024} KiB")
        : answer;

    /// <summary>The failure of a sign-in that the person did not want.</summary>
    public static TokenRequestFailedException Declined(SignInClient client) =>
        new($"{client.Name}: the sign-in was declined") { Remedy = "Sign in again, and approve it." };

    private static async Task<T> GuardAsync<T>(SignInClient client, Task<T> asking)
    {
        try
        {
            return await asking.ConfigureAwait(false);
        }
        catch (BackchannelException e)
        {
            throw TokenAnswer.Failure(e, client.Name, client.ClientSecret);
        }
    }
}
