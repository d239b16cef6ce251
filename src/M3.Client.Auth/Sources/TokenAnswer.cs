using System.Globalization;
using System.Net;
using System.Text.Json;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;

namespace M3.Client.Auth;

/// <summary>
/// What a token endpoint answered, to any grant. The library that asks forgives more than an answer may be: any JSON, no token, a token of
/// any type.
/// </summary>
/// <param name="response">The answer.</param>
/// <param name="asker">Who asked, for errors.</param>
/// <param name="address">Where it was asked, without query and user part (<see cref="Backchannel.Describe"/>).</param>
/// <param name="secrets">What was sent and must not be shown, however the server spells it in its answer.</param>
internal sealed class TokenAnswer(ProtocolResponse response, string asker, string address, params string?[] secrets)
{
    private readonly JsonElement? _json = response.Json is { ValueKind: JsonValueKind.Object } found ? found : null;

    /// <summary>The error's code (RFC 6749, section 5.2; RFC 8628, section 3.5), as it came: not to be shown. Null when there is none.</summary>
    public string? Error => Member(OidcConstants.TokenResponse.Error);

    /// <summary>Null when there is none.</summary>
    public string? RefreshToken => Member(OidcConstants.TokenResponse.RefreshToken);

    /// <summary>The access token, which must be a Bearer token and a JWT.</summary>
    /// <exception cref="TokenRequestFailedException">The answer has none; it says why.</exception>
    /// <exception cref="InvalidTokenFormatException">The token is no JWT.</exception>
    public string ReadToken()
    {
        ThrowIfRefused();
        if (Member(OidcConstants.TokenResponse.AccessToken) is not { } token)
            throw Refused("answered without an access_token");
        // Required (RFC 6749, section 5.1), and not to be used when it is not understood (section 7.1).
        if (Member(OidcConstants.TokenResponse.TokenType) is not { } type)
            throw Refused("gave a token without its token_type, which must be Bearer");
        if (!type.Equals(OidcConstants.TokenResponse.BearerTokenType, StringComparison.OrdinalIgnoreCase))
            throw Refused($"gave a token of the type '{Show(type, Printable.MaxLength)}', and M3 takes Bearer only");
        return RequireJwt(token);
    }

    /// <summary>Looks whether there is an answer, a JSON object without an error.</summary>
    /// <param name="needsBody">False: a success without one will do (RFC 7009, section 2.2).</param>
    /// <exception cref="TokenRequestFailedException">There is not.</exception>
    public void ThrowIfRefused(bool needsBody = true)
    {
        if (response.HttpResponse is null)
        {
            throw response.Exception is BackchannelException e
                ? Failure(e, asker, secrets)
                : new TokenRequestFailedException($"{asker}: {address} could not be reached", isTransient: true, Secrets.HarmlessOrNull(response.Exception, secrets));
        }

        // An unknown client may be answered with 400 or 401; the body names the error in either (RFC 6749, section 5.2).
        if (Error is { } error)
        {
            string description = Member(OidcConstants.TokenResponse.ErrorDescription) is { } text ? $" ({Show(text, 300)})" : "";
            throw Refused($"answered {Show(error, Printable.MaxLength)}{description}");
        }

        int status = (int)response.HttpStatusCode;
        bool isSuccess = response.HttpResponse.IsSuccessStatusCode;
        string answered = isSuccess ? "answered" : string.Create(CultureInfo.InvariantCulture, $"answered {status}");
        if (_json is null && !string.IsNullOrWhiteSpace(response.Raw) && status < 500 && (needsBody || !isSuccess))
            throw Refused($"{answered} with {(response.Raw.TrimStart().StartsWith('<') ? "HTML, not JSON, like a login page" : "no JSON object")}");
        if (!isSuccess)
            throw Refused(answered);
    }

    /// <summary>The error for what kept an endpoint from being asked.</summary>
    public static TokenRequestFailedException Failure(BackchannelException failure, string asker, params ReadOnlySpan<string?> secrets) =>
        new($"{asker}: {failure.Message}", isTransient: !failure.IsFatal, Secrets.HarmlessOrNull(failure, secrets));

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
                + "'resource' ({prefix}RESOURCE, RFC 8707) or a scope of M3's API instead (the parameters of TokenSources.ClientCredentials).";
            throw;
        }
    }

    private string? Member(string name) => _json is { } members && StrictJson.ReadString(members, name) is { Length: > 0 } value ? value : null;

    private TokenRequestFailedException Refused(string what) =>
        new($"{asker}: {address} {what}", isTransient: response.HttpStatusCode is HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError);

    // A server that repeats the secret in its answer must not bring it into a log that way.
    private string Show(string said, int maxLength) => Secrets.Contains(said, secrets) ? "(the secret, not shown)" : Printable.Text(said, maxLength);
}
