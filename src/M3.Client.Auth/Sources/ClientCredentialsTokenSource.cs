using System.Globalization;
using System.Net;
using System.Text.Json;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace M3.Client.Auth;

/// <summary>Client credentials (RFC 6749, section 4.4) at the token endpoint that the issuer's metadata names.</summary>
internal sealed class ClientCredentialsTokenSource(string clientId, Func<TokenSourceContext, CancellationToken, Task<string>> readSecret, IReadOnlyDictionary<string, string>? parameters) : INamedTokenSource
{
    public string Name => $"client credentials of {Printable.Quote(clientId)}";

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        IssuerMetadata metadata = context.Metadata ?? throw new InvalidOperationException("Client credentials can be read by a provider only: it knows the issuer's token endpoint.");
        string secret = await readSecret(context, cancellationToken).ConfigureAwait(false);
        using var timeout = new CancellationTokenSource(Backchannel.Timeout, context.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            TokenEndpoint endpoint = await metadata.FindTokenEndpointAsync(either.Token).ConfigureAwait(false);
            using ClientCredentialsTokenRequest request = CreateRequest(endpoint, secret, context);
            TokenResponse response = await context.Backchannel.RequestClientCredentialsTokenAsync(request, either.Token).ConfigureAwait(false);
            return RequireJwt(ReadToken(response, Backchannel.Describe(endpoint.Address), secret));
        }
        catch (BackchannelException e)
        {
            throw Failure(e, secret);
        }
        catch (TokenRequestFailedException)
        {
            // It may have moved.
            metadata.Forget();
            throw;
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TokenRequestFailedException($"{Name}: no answer within {Duration.Describe(Backchannel.Timeout)}", isTransient: true);
        }
    }

    private ClientCredentialsTokenRequest CreateRequest(TokenEndpoint endpoint, string secret, TokenSourceContext context)
    {
        var request = new ClientCredentialsTokenRequest
        {
            Address = endpoint.Address.AbsoluteUri,
            ClientId = clientId,
            ClientSecret = secret,
            ClientCredentialStyle = endpoint.TakesBasic ? ClientCredentialStyle.AuthorizationHeader : ClientCredentialStyle.PostBody,
        };
        Dictionary<string, string> form = new(StringComparer.Ordinal);
        if (context.RequiredScopes.Count > 0)
            form[OidcConstants.TokenRequest.Scope] = string.Join(' ', context.RequiredScopes);
        if (context.Audience is { } audience)
            form[OidcConstants.TokenRequest.Audience] = audience;
        foreach ((string name, string value) in parameters ?? new Dictionary<string, string>())
            form[name] = value;
        foreach ((string name, string value) in form)
            request.Parameters.Add(name, value);
        return request;
    }

    // The library that asks forgives more than an answer may be: any JSON, no token, a token of any type.
    private string ReadToken(TokenResponse response, string address, string secret)
    {
        if (response.HttpResponse is null)
        {
            throw response.Exception is BackchannelException e
                ? Failure(e, secret)
                : new TokenRequestFailedException($"{Name}: {address} could not be reached", isTransient: true, Secrets.HarmlessOrNull(response.Exception, secret));
        }

        int status = (int)response.HttpStatusCode;
        bool isTransient = response.HttpStatusCode is HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError;
        JsonElement? json = response.Json is { ValueKind: JsonValueKind.Object } found ? found : null;

        // An unknown client may be answered with 400 or 401; the body names the error in either (RFC 6749, section 5.2).
        if (Member(OidcConstants.TokenResponse.Error) is { } error)
        {
            string description = Member(OidcConstants.TokenResponse.ErrorDescription) is { } text ? $" ({Show(text, 300)})" : "";
            throw Refused($"answered {Show(error, Printable.MaxLength)}{description}");
        }

        bool isSuccess = response.HttpResponse.IsSuccessStatusCode;
        string answered = isSuccess ? "answered" : string.Create(CultureInfo.InvariantCulture, $"answered {status}");
        if (json is null && !string.IsNullOrWhiteSpace(response.Raw) && status < 500)
            throw Refused($"{answered} with {(response.Raw.TrimStart().StartsWith('<') ? "HTML, not JSON, like a login page" : "no JSON object")}");
        if (!isSuccess)
            throw Refused(answered);

        if (Member(OidcConstants.TokenResponse.AccessToken) is not { } token)
            throw Refused("answered without an access_token");
        // Required (RFC 6749, section 5.1), and not to be used when it is not understood (section 7.1).
        if (Member(OidcConstants.TokenResponse.TokenType) is not { } type)
            throw Refused("gave a token without its token_type, which must be Bearer");
        return type.Equals(OidcConstants.TokenResponse.BearerTokenType, StringComparison.OrdinalIgnoreCase)
            ? token
            : throw Refused($"gave a token of the type '{Show(type, Printable.MaxLength)}', and M3 takes Bearer only");

        string? Member(string name) => json is { } members && StrictJson.ReadString(members, name) is { Length: > 0 } value ? value : null;

        TokenRequestFailedException Refused(string what) => new($"{Name}: {address} {what}", isTransient);

        // A server that repeats the secret in its answer must not bring it into a log that way.
        string Show(string said, int maxLength) => Secrets.Contains(said, secret) ? "(the secret, not shown)" : Printable.Text(said, maxLength);
    }

    // Looked at here, since nobody copied it: what has to change is the request for it.
    private static string RequireJwt(string token)
    {
        try
        {
            _ = ParsedJwt.Parse(token);
            return token;
        }
        catch (InvalidTokenFormatException e)
        {
            e.Remedy = "Have the issuer give this client a JWT for M3: the request names {prefix}AUDIENCE as its 'audience', and some issuers want a "
                + "'resource' (RFC 8707) or a scope of M3's API instead (the parameters of TokenSources.ClientCredentials).";
            throw;
        }
    }

    private TokenRequestFailedException Failure(BackchannelException e, string secret) =>
        new($"{Name}: {e.Message}", isTransient: !e.IsFatal, Secrets.HarmlessOrNull(e, secret));
}
