using System.Globalization;
using System.Net;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace M3.Client.Auth;

/// <summary>Client credentials (RFC 6749, section 4.4) at the token endpoint that the issuer's metadata names.</summary>
internal sealed class ClientCredentialsTokenSource(string clientId, Func<string> readSecret, IReadOnlyDictionary<string, string>? parameters) : INamedTokenSource
{
    public string Name => $"client credentials of {Printable.Quote(clientId)}";

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(Backchannel.Timeout, context.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            TokenEndpoint endpoint = await context.Metadata.FindTokenEndpointAsync(either.Token).ConfigureAwait(false);
            using ClientCredentialsTokenRequest request = CreateRequest(endpoint, context);
            TokenResponse response = await context.Backchannel.RequestClientCredentialsTokenAsync(request, either.Token).ConfigureAwait(false);
            return response.IsError ? throw Failure(response, endpoint, request.ClientSecret!) : response.AccessToken;
        }
        catch (BackchannelException e)
        {
            throw new TokenRequestFailedException($"{Name}: {e.Message}", isTransient: !e.IsRefusal && !e.IsNotThere, e);
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TokenRequestFailedException($"{Name}: no answer within {Duration.Describe(Backchannel.Timeout)}", isTransient: true);
        }
    }

    private ClientCredentialsTokenRequest CreateRequest(TokenEndpoint endpoint, TokenSourceContext context)
    {
        var request = new ClientCredentialsTokenRequest
        {
            Address = endpoint.Address.AbsoluteUri,
            ClientId = clientId,
            ClientSecret = readSecret(),
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

    private TokenRequestFailedException Failure(TokenResponse response, TokenEndpoint endpoint, string secret)
    {
        string address = Backchannel.Describe(endpoint.Address);
        if (response.ErrorType is not (ResponseErrorType.Protocol or ResponseErrorType.Http))
            return new($"{Name}: {address} could not be reached", isTransient: true, response.Exception);

        // An unknown client may be answered with 400 or 401; the body names the error in either (RFC 6749, section 5.2).
        string answer = response.TryGet(OidcConstants.TokenResponse.Error) is { Length: > 0 } error
            ? Show(error, Printable.MaxLength)
            : ((int)response.HttpStatusCode).ToString(CultureInfo.InvariantCulture);
        string description = response.ErrorDescription is { Length: > 0 } text ? $" ({Show(text, 300)})" : "";
        return new($"{Name}: {address} answered {answer}{description}",
            isTransient: response.HttpStatusCode is HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError);

        // A server that repeats the secret in its answer must not bring it into a log that way.
        string Show(string said, int maxLength) => said.Contains(secret, StringComparison.Ordinal) ? "(the secret, not shown)" : Printable.Text(said, maxLength);
    }
}
