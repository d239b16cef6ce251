using Duende.IdentityModel;
using Duende.IdentityModel.Client;
using Microsoft.Win32.SafeHandles;

namespace M3.Client.Auth;

/// <summary>Adds to a token request what proves who the client is.</summary>
/// <param name="request">The request.</param>
/// <param name="endpoint">Where it goes.</param>
/// <returns>What must not be shown.</returns>
internal delegate string ClientProof(ClientCredentialsTokenRequest request, TokenEndpoint endpoint);

/// <summary>Reads what a client proves itself with, anew for each token, so that it may be rotated.</summary>
/// <param name="context">What the token is for.</param>
/// <param name="cancellationToken">Ends the reading.</param>
internal delegate ValueTask<ClientProof> ClientCredential(TokenSourceContext context, CancellationToken cancellationToken);

/// <summary>The kinds of credential.</summary>
internal static class ClientCredentialKinds
{
    /// <summary>A secret (RFC 6749, section 2.3.1).</summary>
    public static ClientCredential Secret(string secret) => (_, _) => new(SecretProof(secret));

    /// <summary>A secret in a file.</summary>
    public static ClientCredential SecretFile(string path)
    {
        var file = new TextFile(path);
        return async (context, cancellationToken) =>
            SecretProof((await file.ReadAsync(context.TimeProvider, onOpened: null, cancellationToken).ConfigureAwait(false)).Trim());
    }

    /// <summary>A private key in a file, which signs an assertion for each request (<c>private_key_jwt</c>).</summary>
    /// <param name="clientId">The client's id, which the assertion is by and about.</param>
    /// <param name="path">The file.</param>
    /// <param name="keyId">Its <c>kid</c>; null: the JWK's own, if any.</param>
    /// <param name="audience">Whom the assertion is for; null: as the issuer wants it.</param>
    public static ClientCredential KeyFile(string clientId, string path, string? keyId, string? audience)
    {
        var file = new TextFile(path);
        const string Setting = "{prefix}CLIENT_KEY_FILE";
        return async (context, cancellationToken) =>
        {
            string text = await ReadAsync(file, Setting, path, context, handle => file.WarnIfOpen(handle, context.Log, "key"), cancellationToken).ConfigureAwait(false);
            // Imported when there is something to sign: whatever fails before leaves no key behind.
            return (request, endpoint) =>
            {
                try
                {
                    using ClientKey key = ClientKeyReader.Read(text);
                    return AddAssertion(request, ClientAssertionJwt.Create(key, ClientAssertionJwt.AlgorithmFor(key, endpoint), keyId, clientId,
                        audience ?? ClientAssertionJwt.AudienceFor(endpoint, context.IssuerUrl!), context.TimeProvider.GetUtcNow()));
                }
                catch (InvalidDataException e)
                {
                    throw Unusable($"{file.Name} is no key to sign with: {e.Message}", Setting);
                }
            };
        };
    }

    /// <summary>An assertion that somebody else writes into a file, and keeps fresh there (RFC 7523, section 2.2).</summary>
    public static ClientCredential AssertionFile(string path)
    {
        var file = new TextFile(path);
        const string Setting = "{prefix}CLIENT_ASSERTION_FILE";
        return async (context, cancellationToken) =>
        {
            string assertion = (await ReadAsync(file, Setting, path, context, onOpened: null, cancellationToken).ConfigureAwait(false)).Trim();
            return assertion.Length > 0 ? (request, _) => AddAssertion(request, assertion) : throw Unusable($"{file.Name} is empty", Setting, isTransient: true);
        };
    }

    /// <summary>An assertion from a delegate.</summary>
    public static ClientCredential Assertion(Func<CancellationToken, ValueTask<string>> read) => async (_, cancellationToken) =>
    {
        string? assertion = (await read(cancellationToken).ConfigureAwait(false))?.Trim();
        return !string.IsNullOrEmpty(assertion) ? (request, _) => AddAssertion(request, assertion) : throw new TokenRequestFailedException("the delegate returned no client assertion");
    };

    private static ClientProof SecretProof(string secret) => (request, endpoint) =>
    {
        request.ClientSecret = secret;
        request.ClientCredentialStyle = endpoint.TakesBasic ? ClientCredentialStyle.AuthorizationHeader : ClientCredentialStyle.PostBody;
        return secret;
    };

    private static string AddAssertion(ClientCredentialsTokenRequest request, string assertion)
    {
        request.ClientCredentialStyle = ClientCredentialStyle.PostBody;
        // An issuer may refuse an assertion that it has seen (its jti; RFC 7523, section 3).
        request.Options.Set(Backchannel.Once, true);
        request.ClientAssertion = new ClientAssertion { Type = OidcConstants.ClientAssertionTypes.JwtBearer, Value = assertion };
        return assertion;
    }

    private static async Task<string> ReadAsync(
        TextFile file, string setting, string path, TokenSourceContext context, Action<SafeFileHandle>? onOpened, CancellationToken cancellationToken)
    {
        try
        {
            return await file.ReadAsync(context.TimeProvider, onOpened, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable($"{file.Name} cannot be read ({e.GetType().Name})", setting, isTransient: true, Printable.MayHoldToken(path) ? null : e);
        }
    }

    private static TokenRequestFailedException Unusable(string what, string setting, bool isTransient = false, Exception? inner = null) =>
        new(what, isTransient, inner)
        {
            Remedy = $"Check that {setting} names the right file, and that this process may read it and others may not. A key is PEM (PKCS#8, PKCS#1 or SEC1, not encrypted) or a JWK, RSA from 2048 bits or P-256.",
        };
}
