using System.Security.Claims;
using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers.Exchange;
using static OpenIddict.Server.OpenIddictServerHandlers.Protection;

namespace LocalM3;

/// <summary>A real OpenID provider with one client, which may ask for any scope and any audience.</summary>
internal static class Issuer
{
    public const string Audience = "m3-api";

    // Made up, and meant to be public: they open nothing but a LocalM3 on this machine.
    public const string ClientId = "local-m3-client";
    public const string ClientSecret = "local-m3-made-up-secret";

    public const string TokenPath = "connect/token";

    // Ours, not OAuth2's: lets one server issue RS256 and ES256 tokens side by side.
    public const string AlgorithmParameter = "algorithm";

    public static IServiceCollection AddIssuer(
        this IServiceCollection services, Uri address, SigningKeys keys, LocalM3Options options)
    {
        services.AddOpenIddict().AddServer(server =>
        {
            server.SetIssuer(address)
                .SetTokenEndpointUris(TokenPath)
                .SetJsonWebKeySetEndpointUris(".well-known/jwks.json")
                .AllowClientCredentialsFlow()
                .RegisterScopes(Gate.RequiredScope)
                .SetAccessTokenLifetime(options.TokenLifetime)
                .DisableAccessTokenEncryption()
                .DisableScopeValidation()
                .DisableAudienceValidation()
                .DisableResourceValidation()
                // No store: who the client is and what it gets is decided in the handlers below.
                .EnableDegradedMode()
                .Configure(issuer => issuer.TimeProvider = options.TimeProvider);

            server.Configure(issuer => issuer.SigningCredentials.AddRange([keys.Rs256, keys.Es256]));
            // OpenIddict insists on one, though nothing here is ever encrypted.
            server.AddEncryptionKey(new SymmetricSecurityKey(RandomNumberGenerator.GetBytes(32)));

            server.UseAspNetCore().DisableTransportSecurityRequirement();

            // OpenIddict keeps `audience` for token exchange and wants `resource` to be a URL; other providers take any name in both.
            server.RemoveEventHandler(ValidateAudienceParameter.Descriptor);
            server.RemoveEventHandler(ValidateResourceParameter.Descriptor);

            server.AddEventHandler<ValidateTokenRequestContext>(handler => handler.UseInlineHandler(Validate));
            server.AddEventHandler<HandleTokenRequestContext>(handler => handler.UseInlineHandler(Grant));
            server.AddEventHandler<GenerateTokenContext>(handler => handler
                .UseInlineHandler(context =>
                {
                    context.SigningCredentials = keys.For((string?)context.Request?[AlgorithmParameter] ?? options.Algorithm);
                    return default;
                })
                .SetOrder(AttachSecurityCredentials.Descriptor.Order + 1));
        });

        return services;
    }

    private static ValueTask Validate(ValidateTokenRequestContext context)
    {
        if (context.ClientId != ClientId || context.ClientSecret != ClientSecret)
            context.Reject(Errors.InvalidClient, "Unknown client, or wrong secret.");
        else if ((string?)context.Request[AlgorithmParameter] is { } algorithm && !SigningKeys.Algorithms.Contains(algorithm))
            context.Reject(Errors.InvalidRequest, "The algorithm is RS256 or ES256.");

        return default;
    }

    private static ValueTask Grant(HandleTokenRequestContext context)
    {
        OpenIddictRequest request = context.Request;
        string[] audiences = [.. request.GetAudiences(), .. request.GetResources()];

        var identity = new ClaimsIdentity("LocalM3");
        identity.SetClaim(Claims.Subject, request.ClientId);
        identity.SetScopes(request.GetScopes());
        // What OpenIddict calls resources becomes the access token's `aud`.
        identity.SetResources(audiences is [] ? [Audience] : audiences);

        context.SignIn(new ClaimsPrincipal(identity));
        return default;
    }
}
