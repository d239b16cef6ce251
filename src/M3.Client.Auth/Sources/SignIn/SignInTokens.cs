using System.Text.Json;
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

/// <summary>What a person's sign-in asks of the issuer: a new access token, a device code, a token for that, and that a token be forgotten.</summary>
internal static class SignInTokens
{
    public const string DeviceAuthorizationEndpoint = "device_authorization_endpoint";

    /// <summary>Of an address that a person is to open: nobody types more, and a QR code holds no more than 2,953 bytes.</summary>
    public const int MaxAddressLength = 500;

    private const int MaxTokenLength = 64 * 1024;
    private static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SlowDown = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestCode = TimeSpan.FromHours(1);

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

    /// <summary>Asks for a device code (RFC 8628, section 3.1).</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="scopes">What the token is to allow.</param>
    /// <param name="audience">Whom it is for, as Auth0 wants to be told; null: it is not said.</param>
    /// <param name="resource">The same by RFC 8707; null: it is not said.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <exception cref="TokenRequestFailedException">There is none.</exception>
    public static async Task<DeviceAuthorization> AuthorizeDeviceAsync(SignInClient client, IEnumerable<string> scopes, string? audience, string? resource, CancellationToken cancellationToken)
    {
        TokenEndpoint endpoint = await FindAsync(client, DeviceAuthorizationEndpoint, cancellationToken).ConfigureAwait(false);
        using var request = Prepare(new DeviceAuthorizationRequest { Scope = string.Join(' ', scopes) }, client, endpoint);
        if (audience is not null)
            request.Parameters.Add(OidcConstants.TokenRequest.Audience, audience);
        if (resource is not null)
            request.Parameters.Add(OidcConstants.TokenRequest.Resource, resource);
        DeviceAuthorizationResponse response = await client.Backchannel.RequestDeviceAuthorizationAsync(request, cancellationToken).ConfigureAwait(false);
        string address = Backchannel.Describe(endpoint.Address);
        new TokenAnswer(response, client.Name, address, client.ClientSecret).ThrowIfRefused();
        return ReadDeviceAuthorization(response.Json, client.TimeProvider.GetUtcNow(), resource)
            ?? throw new TokenRequestFailedException($"{client.Name}: {address} answered without a device_code, a user_code, an https verification_uri and expires_in");
    }

    /// <summary>Waits until the person has said yes or no (RFC 8628, sections 3.4 and 3.5). That the issuer cannot be reached meanwhile is no end.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="authorization">What is waited for.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The issuer's answer with the tokens.</returns>
    /// <exception cref="TokenRequestFailedException">The person said no, or nothing in time, or the issuer refused.</exception>
    public static async Task<TokenAnswer> PollAsync(SignInClient client, DeviceAuthorization authorization, CancellationToken cancellationToken)
    {
        TimeSpan interval = authorization.Interval;
        TimeSpan pause = interval;
        while (true)
        {
            await Task.Delay(pause, client.TimeProvider, cancellationToken).ConfigureAwait(false);
            if (client.TimeProvider.GetUtcNow() >= authorization.ExpiresAt)
                throw Expired(client);

            (TokenAnswer? answer, bool isUnreachable) = await AskAsync(client, authorization, cancellationToken).ConfigureAwait(false);
            switch (answer?.Error)
            {
                case OidcConstants.TokenErrors.AuthorizationPending:
                    pause = interval;
                    break;
                case OidcConstants.TokenErrors.SlowDown:
                    pause = interval += SlowDown;
                    break;
                case OidcConstants.TokenErrors.ExpiredToken:
                    throw Expired(client);
                case OidcConstants.TokenErrors.AccessDenied:
                    throw new TokenRequestFailedException($"{client.Name}: the sign-in was declined") { Remedy = "Sign in again, and approve it." };
                default:
                    if (!isUnreachable)
                        return answer!;
                    pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
                    break;
            }
        }
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
            new TokenAnswer(response, client.Name, Backchannel.Describe(endpoint.Address), token, client.ClientSecret).ThrowIfRefused();
            return true;
        }
        catch (BackchannelException e)
        {
            throw TokenAnswer.Failure(e, client.Name, token, client.ClientSecret);
        }
    }

    private static async Task<TokenEndpoint> FindAsync(SignInClient client, string name, CancellationToken cancellationToken)
    {
        try
        {
            return await client.Metadata.TryFindEndpointAsync(name, cancellationToken).ConfigureAwait(false) ?? throw client.Metadata.NotNamed(name);
        }
        catch (BackchannelException e)
        {
            throw TokenAnswer.Failure(e, client.Name, client.ClientSecret);
        }
    }

    // A client's secret goes where the endpoint wants it; a public client says who it is in the form (RFC 6749, section 3.2.1).
    private static T Prepare<T>(T request, SignInClient client, TokenEndpoint endpoint)
        where T : ProtocolRequest
    {
        request.Address = endpoint.Address.AbsoluteUri;
        request.ClientId = client.ClientId;
        request.ClientSecret = client.ClientSecret;
        request.ClientCredentialStyle = client.ClientSecret is not null && endpoint.TakesBasic ? ClientCredentialStyle.AuthorizationHeader : ClientCredentialStyle.PostBody;
        return request;
    }

    private static async Task<(TokenAnswer? Answer, bool IsUnreachable)> AskAsync(SignInClient client, DeviceAuthorization authorization, CancellationToken cancellationToken)
    {
        string deviceCode = authorization.DeviceCode;
        try
        {
            TokenEndpoint endpoint = await client.Metadata.FindTokenEndpointAsync(cancellationToken).ConfigureAwait(false);
            using var request = Prepare(new DeviceTokenRequest { DeviceCode = deviceCode }, client, endpoint);
            if (authorization.Resource is not null)
                request.Parameters.Add(OidcConstants.TokenRequest.Resource, authorization.Resource);
            request.Options.Set(Backchannel.Once, true);
            TokenResponse response = await client.Backchannel.RequestDeviceTokenAsync(request, cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            var answer = new TokenAnswer(response, client.Name, Backchannel.Describe(endpoint.Address), deviceCode, client.ClientSecret);
            bool isUnreachable = response.Exception is HttpRequestException and not BackchannelException { IsFatal: true } || (int)response.HttpStatusCode >= 500;
            return (Bounded(answer, client), isUnreachable);
        }
        catch (BackchannelException e) when (!e.IsFatal)
        {
            return (null, true);
        }
        catch (BackchannelException e)
        {
            throw TokenAnswer.Failure(e, client.Name, deviceCode, client.ClientSecret);
        }
    }

    // Each member by itself, as strictly as everything else that comes from outside.
    private static DeviceAuthorization? ReadDeviceAuthorization(JsonElement? answer, DateTimeOffset now, string? resource)
    {
        if (answer is not { ValueKind: JsonValueKind.Object } json
            || StrictJson.ReadString(json, "device_code") is not { Length: > 0 and <= MaxTokenLength } deviceCode
            || StrictJson.ReadString(json, "user_code") is not { Length: > 0 and <= Printable.MaxLength } userCode
            || ReadAddress(json, "verification_uri") is not { } address
            || ReadSeconds(json, "expires_in", LongestCode) is not { } lifetime)
            return null;
        // Of an authorization that lasts for long nobody needs more; an interval of zero, or of hours, is nobody's.
        TimeSpan interval = ReadSeconds(json, "interval", LongestPause) ?? DefaultInterval;
        return new DeviceAuthorization(deviceCode, Printable.Text(userCode), address, ReadAddress(json, "verification_uri_complete"), now + lifetime, interval, resource);
    }

    private static Uri? ReadAddress(JsonElement json, string name) =>
        Uri.TryCreate(StrictJson.ReadString(json, name), UriKind.Absolute, out Uri? address)
        && Backchannel.MayReach(address) && address.AbsoluteUri.Length <= MaxAddressLength
            ? address
            : null;

    private static TimeSpan? ReadSeconds(JsonElement json, string name, TimeSpan longest) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double seconds) && seconds > 0
            ? TimeSpan.FromSeconds(Math.Min(seconds, longest.TotalSeconds))
            : null;

    private static TokenAnswer Bounded(TokenAnswer answer, SignInClient client) => answer.RefreshToken is { Length: > MaxTokenLength }
        ? throw new TokenRequestFailedException($"{client.Name}: the issuer gave a refresh token of more than {MaxTokenLength / 1024} KiB")
        : answer;

    private static TokenRequestFailedException Expired(SignInClient client) =>
        new($"{client.Name}: the code has expired before anybody signed in with it") { Remedy = "Ask again, and sign in while the code is valid." };
}
