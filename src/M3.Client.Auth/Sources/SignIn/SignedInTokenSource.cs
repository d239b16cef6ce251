using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>
/// The sign-in that <c>m3-token login</c> kept for this user, renewed by its refresh token, by one process at a time. Nothing of it is
/// touched before it is asked for.
/// </summary>
/// <param name="clientId">Whose sign-in counts; null: the registration's client's, or where that has none the newest.</param>
/// <param name="directory">Where it is kept; null: where the tool keeps it.</param>
internal sealed class SignedInTokenSource(string? clientId, string? directory = null) : INamedTokenSource
{
    private SignInStore? _store;
    private bool _isLogged;

    // The token handed out last and what was left of its life then, by which the provider asks for its successor.
    private (string Token, TimeSpan Left)? _last;

    public string Name => "the sign-in kept by m3-token login";

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
        (await ReadWithSourceAsync(context, cancellationToken).ConfigureAwait(false))?.Token;

    public async ValueTask<TokenReading?> ReadWithSourceAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        if (context.IsSignedInOff || context.IssuerUrl is not { } issuer || context.Audience is not { } audience)
            return null;
        try
        {
            _store ??= new SignInStore(directory, context.TimeProvider);
            if (_store.Find(issuer, audience, clientId ?? context.ClientId) is not { } kept)
                return null;
            LogOnce(kept, context.Log);
            if (NeedsRenewal(kept, context))
                kept = await RenewOrKeepAsync(kept, context, cancellationToken).ConfigureAwait(false);
            _last = (kept.AccessToken!, LeftOf(kept, context));
            return new TokenReading(kept.AccessToken!, this) { OnlyFor = kept.OnlyFor };
        }
        catch (SignInStoreException e)
        {
            throw NotUsable(e);
        }
    }

    // The token at hand is used to its end where calls would fail without it. Where a provider asks ahead it is told what stands in the
    // way: it goes on with the token that it has, logs it once, and asks again later.
    private async Task<SignIn> RenewOrKeepAsync(SignIn kept, TokenSourceContext context, CancellationToken cancellationToken)
    {
        try
        {
            return await RenewAsync(_store!, kept, context, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SignInStoreException or M3AuthException && context.IsUrgent && IsUsable(kept, context))
        {
            return kept;
        }
    }

    private async Task<SignIn> RenewAsync(SignInStore store, SignIn kept, TokenSourceContext context, CancellationToken cancellationToken)
    {
        if (kept.RefreshToken is null)
            throw Ended(kept);
        SignInClient client = SignInClient.Of(context, Name, kept.ClientId)
            ?? throw new InvalidOperationException("A sign-in can be renewed by a provider only: it knows the issuer's token endpoint.");
        using IDisposable held = await store.LockAsync(kept, cancellationToken).ConfigureAwait(false);

        // Whoever held the lock before may have renewed it, or found that it has ended.
        SignIn current = Find(store, kept) ?? throw Ended(kept);
        if (!NeedsRenewal(current, context))
            return current;
        if (current.RefreshToken is not { } used)
            throw Ended(current);

        // What the issuer answers must have its place: where the disk is full, it is not even asked.
        store.Save(current);
        using var exit = new ExitDelay();
        TokenAnswer answer = await SignInTokens.RefreshAsync(client, used, current.Resource, cancellationToken).ConfigureAwait(false);
        if (answer.Error == OidcConstants.TokenErrors.InvalidGrant)
        {
            SaveUnlessReplaced(store, used, current with { RefreshToken = null });
            throw Ended(current);
        }

        // First of all the refresh token, even where the access token will not do: the one before it may be of no use already.
        SignIn renewed = current with { RefreshToken = answer.RefreshToken ?? used };
        try
        {
            renewed = renewed.With(answer.ReadToken());
        }
        catch (TokenRequestFailedException)
        {
            // It may have moved.
            client.Metadata.Forget();
            throw;
        }
        finally
        {
            if (renewed != current)
                SaveUnlessReplaced(store, used, renewed);
        }

        return renewed;
    }

    // Somebody may have signed in anew, or out, while the issuer answered.
    private static void SaveUnlessReplaced(SignInStore store, string used, SignIn signIn)
    {
        if (Find(store, signIn)?.RefreshToken == used)
            store.Save(signIn);
    }

    private static SignIn? Find(SignInStore store, SignIn signIn) => store.Find(signIn.IssuerUrl, signIn.Audience, signIn.ClientId);

    private bool NeedsRenewal(SignIn signIn, TokenSourceContext context)
    {
        if (signIn.AccessToken is not { } token || token == context.Rejected?.Value)
            return true;
        TimeSpan left = LeftOf(signIn, context);
        // By nearly every token this ends here, and none is taken apart.
        return left <= RenewalMargin.LongestOf(TimeSpan.MaxValue)
            && left <= RenewalMargin.LongestOf(_last is { } last && last.Token == token ? last.Left : signIn.Lifetime);
    }

    private static bool IsUsable(SignIn signIn, TokenSourceContext context) =>
        signIn.AccessToken is { } token && token != context.Rejected?.Value && LeftOf(signIn, context) > TimeSpan.Zero;

    private static TimeSpan LeftOf(SignIn signIn, TokenSourceContext context) =>
        signIn.AccessTokenExpiresAt is { } end ? end - context.TimeProvider.GetUtcNow() : TimeSpan.MaxValue;

    private void LogOnce(SignIn signIn, Log? log)
    {
        if (!_isLogged)
            log?.SignedIn(signIn.Subject, signIn.IssuerUrl, signIn.SignedInAt);
        _isLogged = true;
    }

    private TokenRequestFailedException Ended(SignIn signIn) =>
        new($"{Name} for {Printable.Quote(signIn.IssuerUrl)} has ended: it cannot be renewed any more") { Remedy = $"Sign in again: {signIn.LoginCommand}" };

    private TokenRequestFailedException NotUsable(SignInStoreException e) => new($"{Name}: {e.Message}", isTransient: false, e) { Remedy = "Do what the message says, or sign in again with m3-token login." };
}
