using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>
/// A person who signs in on another device (RFC 8628), once: from then on the refresh token is used, which stays in memory or, if it is to be
/// kept, where <c>m3-token login</c> keeps its own.
/// </summary>
/// <param name="clientId">The client that they sign in with.</param>
/// <param name="prompt">Shows the code.</param>
/// <param name="resource">The resource indicator (RFC 8707); null: the settings'.</param>
/// <param name="keep">Whether the next start is to find the sign-in.</param>
/// <param name="directory">Where it is kept; null: where the tool does.</param>
internal sealed class DeviceCodeTokenSource(string clientId, Func<DeviceCodePrompt, CancellationToken, ValueTask> prompt, string? resource, bool keep, string? directory = null) : INamedTokenSource
{
    private readonly SignedInTokenSource? _kept = keep ? new SignedInTokenSource(clientId, directory) : null;
    private string? _refreshToken;

    public string Name => $"the device code of {Printable.Quote(clientId)}";

    // Somebody has to find their telephone, and sign in.
    public TimeSpan Timeout => TimeSpan.FromMinutes(30);

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
        (await ReadWithSourceAsync(context, cancellationToken).ConfigureAwait(false))?.Token;

    public async ValueTask<TokenReading?> ReadWithSourceAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        SignInClient client = SignInClient.Of(context, Name, clientId)
            ?? throw new InvalidOperationException("A device code can be asked for by a provider only: it knows the issuer's endpoints.");
        return await TryReadKeptAsync(context, cancellationToken).ConfigureAwait(false)
            ?? TokenReading.Of(await TryRefreshAsync(client, context, cancellationToken).ConfigureAwait(false)
                ?? await SignInAsync(client, context, cancellationToken).ConfigureAwait(false), this);
    }

    // It says where its token may go.
    private async Task<TokenReading?> TryReadKeptAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        if (_kept is null)
            return null;
        try
        {
            return await _kept.ReadWithSourceAsync(context, cancellationToken).ConfigureAwait(false) is { } kept ? new TokenReading(kept.Token, this) { OnlyFor = kept.OnlyFor } : null;
        }
        catch (TokenRequestFailedException) when (HasEnded(context))
        {
            // The person can sign in here and now.
            return null;
        }
    }

    private bool HasEnded(TokenSourceContext context)
    {
        try
        {
            return new SignInStore(directory, context.TimeProvider).Find(context.IssuerUrl!, context.Audience!, clientId) is null or { RefreshToken: null };
        }
        catch (SignInStoreException)
        {
            return false;
        }
    }

    private async Task<string?> TryRefreshAsync(SignInClient client, TokenSourceContext context, CancellationToken cancellationToken)
    {
        if (_refreshToken is not { } used)
            return null;
        TokenAnswer answer = await SignInTokens.RefreshAsync(client, used, ResourceFor(context), cancellationToken).ConfigureAwait(false);
        if (answer.Error == OidcConstants.TokenErrors.InvalidGrant)
        {
            _refreshToken = null;
            return null;
        }

        _refreshToken = answer.RefreshToken ?? used;
        return answer.ReadToken();
    }

    private async Task<string> SignInAsync(SignInClient client, TokenSourceContext context, CancellationToken cancellationToken)
    {
        DeviceAuthorization authorization = await DeviceFlow.AuthorizeAsync(client, context.RequiredScopes, context.Audience, ResourceFor(context), cancellationToken).ConfigureAwait(false);
        await prompt(new DeviceCodePrompt(authorization.UserCode, authorization.VerificationUri, authorization.VerificationUriComplete, authorization.ExpiresAt), cancellationToken).ConfigureAwait(false);
        TokenAnswer answer = await DeviceFlow.PollAsync(client, authorization, cancellationToken).ConfigureAwait(false);
        string token = answer.ReadToken();
        if (_kept is null || context.IsSignedInOff)
            _refreshToken = answer.RefreshToken;
        else
            await KeepAsync(context, token, answer.RefreshToken, cancellationToken).ConfigureAwait(false);
        return token;
    }

    private string? ResourceFor(TokenSourceContext context) => resource ?? context.Resource;

    private async Task KeepAsync(TokenSourceContext context, string token, string? refreshToken, CancellationToken cancellationToken)
    {
        var signIn = new SignIn
        {
            IssuerUrl = context.IssuerUrl!,
            ClientId = clientId,
            Audience = context.Audience!,
            Scopes = [.. context.RequiredScopes],
            Resource = ResourceFor(context),
            SignedInAt = context.TimeProvider.GetUtcNow(),
            RefreshToken = refreshToken,
        };
        try
        {
            var store = new SignInStore(directory, context.TimeProvider);
            using IDisposable held = await store.LockAsync(signIn, cancellationToken).ConfigureAwait(false);
            store.Save(signIn.With(token));
        }
        catch (SignInStoreException e)
        {
            // Signed in they are all the same, for as long as this process runs.
            _refreshToken = refreshToken;
            context.Log?.SignInNotKept(e.Message);
        }
    }
}
