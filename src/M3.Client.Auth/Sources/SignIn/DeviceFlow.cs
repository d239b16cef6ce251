using System.Net;
using System.Text.Json;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace M3.Client.Auth;

/// <summary>How a person signs in on another device (RFC 8628): a code is asked for, and then a token for it, again and again.</summary>
internal static class DeviceFlow
{
    /// <summary>Of an address that a person is to open: nobody types more, and a QR code holds no more than 2,953 bytes.</summary>
    public const int MaxAddressLength = 500;

    private const string DeviceAuthorizationEndpoint = "device_authorization_endpoint";

    private static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SlowDown = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestCode = TimeSpan.FromHours(1);

    /// <summary>Asks for a device code (RFC 8628, section 3.1).</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="scopes">What the token is to allow; <c>offline_access</c> is asked for beside them where the issuer knows it.</param>
    /// <param name="audience">Whom it is for, as Auth0 wants to be told; null: it is not said.</param>
    /// <param name="resource">The same by RFC 8707; null: it is not said.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <exception cref="TokenRequestFailedException">There is none.</exception>
    public static async Task<DeviceAuthorization> AuthorizeAsync(SignInClient client, IEnumerable<string> scopes, string? audience, string? resource, CancellationToken cancellationToken)
    {
        TokenEndpoint endpoint = await SignInTokens.FindAsync(client, DeviceAuthorizationEndpoint, cancellationToken).ConfigureAwait(false);
        IEnumerable<string> asked = await SignInTokens.AddOfflineAccessAsync(client, scopes, cancellationToken).ConfigureAwait(false);
        using var request = SignInTokens.Prepare(new DeviceAuthorizationRequest { Scope = string.Join(' ', asked) }, client, endpoint);
        if (audience is not null)
            request.Parameters.Add(OidcConstants.TokenRequest.Audience, audience);
        if (resource is not null)
            request.Parameters.Add(OidcConstants.TokenRequest.Resource, resource);
        DeviceAuthorizationResponse response = await client.Backchannel.RequestDeviceAuthorizationAsync(request, cancellationToken).ConfigureAwait(false);
        string address = Backchannel.Describe(endpoint.Address);
        new TokenAnswer(response, client.Name, address, client.ClientSecret).ThrowIfRefused();
        return ReadDeviceAuthorization(response.Json, client.TimeProvider, resource)
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
            if (client.TimeProvider.GetElapsedTime(authorization.ReceivedAt) >= authorization.Lifetime)
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
                    throw SignInTokens.Declined(client);
                default:
                    if (!isUnreachable)
                        return answer!;
                    pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
                    break;
            }
        }
    }

    private static async Task<(TokenAnswer? Answer, bool IsUnreachable)> AskAsync(SignInClient client, DeviceAuthorization authorization, CancellationToken cancellationToken)
    {
        string deviceCode = authorization.DeviceCode;
        try
        {
            TokenEndpoint endpoint = await client.Metadata.FindTokenEndpointAsync(cancellationToken).ConfigureAwait(false);
            using var request = SignInTokens.Prepare(new DeviceTokenRequest { DeviceCode = deviceCode }, client, endpoint);
            if (authorization.Resource is not null)
                request.Parameters.Add(OidcConstants.TokenRequest.Resource, authorization.Resource);
            request.Options.Set(Backchannel.Once, true);
            TokenResponse response = await client.Backchannel.RequestDeviceTokenAsync(request, cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            var answer = new TokenAnswer(response, client.Name, Backchannel.Describe(endpoint.Address), deviceCode, client.ClientSecret);
            bool isUnreachable = response.Exception is HttpRequestException and not BackchannelException { IsFatal: true } || (int)response.HttpStatusCode >= 500
                || (answer.Error is null && response.HttpStatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout);
            return (SignInTokens.Bounded(answer, client), isUnreachable);
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
    private static DeviceAuthorization? ReadDeviceAuthorization(JsonElement? answer, TimeProvider timeProvider, string? resource)
    {
        if (answer is not { ValueKind: JsonValueKind.Object } json
            || StrictJson.ReadString(json, "device_code") is not { Length: > 0 and <= SignInTokens.MaxTokenLength } deviceCode
            || StrictJson.ReadString(json, "user_code") is not { Length: > 0 and <= Printable.MaxLength } userCode
            || ReadAddress(json, "verification_uri") is not { } address
            || ReadSeconds(json, "expires_in", LongestCode) is not { } lifetime)
            return null;
        // Of an authorization that lasts for long nobody needs more; an interval of zero, or of hours, is nobody's.
        TimeSpan interval = ReadSeconds(json, "interval", LongestPause) is not { } said ? DefaultInterval : said > ShortestPause ? said : ShortestPause;
        return new DeviceAuthorization(
            deviceCode, Printable.Text(userCode), address, ReadAddress(json, "verification_uri_complete"), timeProvider.GetUtcNow() + lifetime, lifetime, timeProvider.GetTimestamp(), interval, resource);
    }

    private static Uri? ReadAddress(JsonElement json, string name) =>
        Uri.TryCreate(StrictJson.ReadString(json, name), UriKind.Absolute, out Uri? address)
        && Backchannel.MayReach(address) && address.UserInfo.Length == 0 && address.AbsoluteUri.Length <= MaxAddressLength
            ? address
            : null;

    private static TimeSpan? ReadSeconds(JsonElement json, string name, TimeSpan longest) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double seconds) && seconds > 0
            ? TimeSpan.FromSeconds(Math.Min(seconds, longest.TotalSeconds))
            : null;

    private static TokenRequestFailedException Expired(SignInClient client) =>
        new($"{client.Name}: the code has expired before anybody signed in with it") { Remedy = "Ask again, and sign in while the code is valid." };
}
