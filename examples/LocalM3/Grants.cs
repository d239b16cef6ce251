using System.Security.Claims;
using System.Text.RegularExpressions;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace LocalM3;

/// <summary>The issuer's decisions: which client may do what, and what its tokens say.</summary>
internal sealed partial class Grants(Uri address, SignIns signIns, LocalM3Options options)
{
    private const string AuthenticationType = "LocalM3";

    public static ValueTask Validate(ValidateTokenRequestContext context)
    {
        bool isProgram = context.Request.IsClientCredentialsGrantType();
        if (isProgram ? context.ClientId != Issuer.ClientId || context.ClientSecret != Issuer.ClientSecret : !IsPublicClient(context.ClientId, context.ClientSecret))
            context.Reject(Errors.InvalidClient, "Unknown client, or wrong secret.");
        else if ((string?)context.Request[Issuer.AlgorithmParameter] is { } algorithm && !SigningKeys.Algorithms.Contains(algorithm))
            context.Reject(Errors.InvalidRequest, "The algorithm is RS256 or ES256.");

        return default;
    }

    public static ValueTask Validate(ValidateAuthorizationRequestContext context)
    {
        if (!IsPublicClient(context.ClientId, secret: null))
            context.Reject(Errors.InvalidClient, "Unknown client.");
        else if (!LoopbackRedirect().IsMatch(context.RedirectUri ?? ""))
            context.Reject(Errors.InvalidRequest, "The redirect must be http://127.0.0.1 or http://[::1], at any port.");

        return default;
    }

    public static ValueTask Validate(ValidateDeviceAuthorizationRequestContext context)
    {
        if (!IsPublicClient(context.ClientId, context.ClientSecret))
            context.Reject(Errors.InvalidClient, "Unknown client, or wrong secret.");

        return default;
    }

    public static ValueTask Validate(ValidateRevocationRequestContext context)
    {
        if (!IsPublicClient(context.ClientId, context.ClientSecret))
            context.Reject(Errors.InvalidClient, "Unknown client, or wrong secret.");

        return default;
    }

    /// <summary>A device's codes.</summary>
    public ValueTask Grant(HandleDeviceAuthorizationRequestContext context)
    {
        OpenIddictRequest request = context.Request;
        DeviceSignIn device = signIns.AddDevice(new DeviceSignIn(
            request.GetScopes(), Audiences(request, isPerson: true), options.TimeProvider.GetUtcNow() + options.DeviceCodeLifetime, options.DeviceInterval));
        context.Transaction.SetProperty(nameof(DeviceSignIn), device);
        context.Parameters["interval"] = (long)Math.Ceiling(options.DeviceInterval.TotalSeconds);
        return default;
    }

    /// <summary>A token, for a program, or for a person by code or refresh token.</summary>
    public ValueTask Grant(HandleTokenRequestContext context)
    {
        OpenIddictRequest request = context.Request;
        if (request.IsClientCredentialsGrantType())
        {
            context.SignIn(Principal(request.ClientId!, request.GetScopes(), Audiences(request, isPerson: false)));
        }
        else if (request.IsDeviceCodeGrantType())
        {
            if (signIns.Poll(request.DeviceCode!, out DeviceSignIn? device) is { } refusal)
                context.Reject(refusal, "The device has no token yet, or gets none.");
            else
                context.SignIn(ForPerson(device!.Person!, device.Scopes, device.Audiences));
        }
        else
        {
            Redeem(context);
        }

        return default;
    }

    /// <summary>What a person's code and tokens say.</summary>
    public ClaimsPrincipal ForPerson(string person, IEnumerable<string> scopes, IEnumerable<string> audiences)
    {
        ClaimsPrincipal principal = Principal(person, scopes, audiences);
        principal.SetAuthorizationId(signIns.Begin(person));
        return principal;
    }

    /// <summary>
    /// For whom a token will be. M3's audience is a name, not its URL: whoever asks for the URL (RFC 8707) gets the name too, so that M3
    /// accepts the token, and a person who asks for the name gets the URL too. A program that asks for the name gets the name alone, as
    /// ever; whoever asks for anything else gets just that.
    /// </summary>
    public string[] Audiences(OpenIddictRequest request, bool isPerson)
    {
        string endpoint = new Uri(address, LocalM3Server.McpPath).AbsoluteUri;
        string[] asked = [.. request.GetAudiences(), .. request.GetResources()];
        if (asked is [])
            asked = [Issuer.Audience];

        return asked.Contains(endpoint) || (isPerson && asked.Contains(Issuer.Audience)) ? [Issuer.Audience, endpoint, .. asked.Except([Issuer.Audience, endpoint])] : asked;
    }

    /// <summary>Ends the sign-in that a refresh token belongs to (RFC 7009).</summary>
    public ValueTask Revoke(HandleRevocationRequestContext context)
    {
        if (context.GenericTokenPrincipal.HasTokenType(TokenTypeIdentifiers.RefreshToken))
            signIns.End(context.GenericTokenPrincipal.GetAuthorizationId()!);
        else
            context.Reject(Errors.UnsupportedTokenType, "An access token lasts until it expires.");
        return default;
    }

    /// <summary>Codes and refresh tokens are random texts that stand for what was kept.</summary>
    public void Write(GenerateTokenContext context)
    {
        DeviceSignIn? device = context.Transaction.GetProperty<DeviceSignIn>(nameof(DeviceSignIn));
        switch (context.TokenType)
        {
            case TokenTypeIdentifiers.RefreshToken or TokenTypeIdentifiers.Private.AuthorizationCode:
                context.Token = signIns.Keep(context.Principal.SetTokenType(context.TokenType));
                break;
            case TokenTypeIdentifiers.Private.DeviceCode:
                signIns.Keep(context.Token = device!.DeviceCode, context.Principal.SetTokenType(context.TokenType));
                break;
            case TokenTypeIdentifiers.Private.UserCode:
                context.Token = device!.UserCode;
                break;
        }
    }

    public ValueTask Read(ValidateTokenContext context)
    {
        if (context.Request?.IsRefreshTokenGrantType() == true)
            signIns.CountRefresh();

        ClaimsPrincipal? principal = signIns.Find(context.Token);
        if (context.ValidTokenTypes.Count == 0 || context.ValidTokenTypes.Contains(principal?.GetTokenType() ?? ""))
            context.Principal = principal;
        return default;
    }

    private void Redeem(HandleTokenRequestContext context)
    {
        OpenIddictRequest request = context.Request;
        ClaimsPrincipal granted = context.Principal!;

        if (!request.GetResources().All(granted.HasResource))
            context.Reject(Errors.InvalidTarget, "The sign-in was for another resource.");
        else if (!signIns.TryRedeem((request.IsRefreshTokenGrantType() ? request.RefreshToken : request.Code)!))
            context.Reject(Errors.InvalidGrant, "It was used before: the sign-in has ended.");
        else
            context.SignIn(granted.Clone(_ => true));
    }

    private static ClaimsPrincipal Principal(string subject, IEnumerable<string> scopes, IEnumerable<string> audiences)
    {
        var identity = new ClaimsIdentity(AuthenticationType);
        identity.SetClaim(Claims.Subject, subject);
        identity.SetScopes(scopes);
        // What OpenIddict calls resources becomes the access token's `aud`.
        identity.SetResources(audiences);
        return new ClaimsPrincipal(identity);
    }

    private static bool IsPublicClient(string? id, string? secret) => id == Issuer.PublicClientId && string.IsNullOrEmpty(secret);

    // RFC 8252, section 7.3. Read as text: a parsed URL would let 127.1 and 0x7f000001 through.
    [GeneratedRegex(@"^http://(127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?(/[^\s\\#]*)?\z")]
    private static partial Regex LoopbackRedirect();
}
