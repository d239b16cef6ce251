using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace M3.Client.Auth;

/// <summary>Client credentials (RFC 6749, section 4.4) at the token endpoint that the issuer's metadata names.</summary>
internal sealed class ClientCredentialsTokenSource(string clientId, ClientCredential credential, IReadOnlyDictionary<string, string>? parameters) : INamedTokenSource
{
    public string Name => $"client credentials of {Printable.Quote(clientId)}";

    public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => context.SharedTokens is { } shared
        ? new(shared.GetAsync(PurposeIn(context), context.Rejected?.Value, context.TimeProvider, cancellation => RequestAsync(context, cancellation), cancellationToken))
        : RequestAsync(context, cancellationToken);

    private async ValueTask<string?> RequestAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        IssuerMetadata metadata = context.Metadata ?? throw new InvalidOperationException("Client credentials can be read by a provider only: it knows the issuer's token endpoint.");
        ClientProof prove = await credential(context, cancellationToken).ConfigureAwait(false);
        string? secret = null;
        using var timeout = new CancellationTokenSource(Backchannel.Timeout, context.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            TokenEndpoint endpoint = await metadata.FindTokenEndpointAsync(either.Token).ConfigureAwait(false);
            using ClientCredentialsTokenRequest request = CreateRequest(endpoint, context);
            secret = prove(request, endpoint);
            TokenResponse response = await context.Backchannel.RequestClientCredentialsTokenAsync(request, either.Token).ConfigureAwait(false);
            return new TokenAnswer(response, Name, Backchannel.Describe(endpoint.Address), secret).ReadToken();
        }
        catch (BackchannelException e)
        {
            throw TokenAnswer.Failure(e, Name, secret);
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

    private ClientCredentialsTokenRequest CreateRequest(TokenEndpoint endpoint, TokenSourceContext context)
    {
        var request = new ClientCredentialsTokenRequest
        {
            Address = endpoint.Address.AbsoluteUri,
            ClientId = clientId,
        };
        foreach ((string name, string value) in FormIn(context))
            request.Parameters.Add(name, value);
        return request;
    }

    // Whoever would send the very same request may have its answer.
    private SharedPurpose PurposeIn(TokenSourceContext context) =>
        new("token", [context.IssuerUrl ?? "", clientId, .. FormIn(context).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}")]);

    private Dictionary<string, string> FormIn(TokenSourceContext context)
    {
        Dictionary<string, string> form = new(StringComparer.Ordinal);
        if (context.RequiredScopes.Count > 0)
            form[OidcConstants.TokenRequest.Scope] = string.Join(' ', context.RequiredScopes);
        if (context.Audience is { } audience)
            form[OidcConstants.TokenRequest.Audience] = audience;
        if (context.Resource is { } resource)
            form[OidcConstants.TokenRequest.Resource] = resource;
        foreach ((string name, string value) in parameters ?? new Dictionary<string, string>())
            form[name] = value;
        return form;
    }
}
