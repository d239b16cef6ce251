using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;
using static OpenIddict.Server.OpenIddictServerHandlers.Protection;
using Authentication = OpenIddict.Server.OpenIddictServerHandlers.Authentication;
using Exchange = OpenIddict.Server.OpenIddictServerHandlers.Exchange;

namespace LocalM3;

/// <summary>
/// A real OpenID provider with two clients: a program with a secret, and one without in which people sign in. Either may ask for any scope
/// and any audience.
/// </summary>
internal static class Issuer
{
    public const string Audience = "m3-api";

    // Made up, and meant to be public: they open nothing but a LocalM3 on this machine.
    public const string ClientId = "local-m3-client";
    public const string ClientSecret = "local-m3-made-up-secret";
    public const string PublicClientId = "local-m3-cli";

    public const string TokenPath = "connect/token";
    public const string AuthorizationPath = "connect/authorize";
    public const string VerificationPath = "connect/device";
    public const string DeviceAuthorizationPath = "connect/deviceauthorization";
    public const string RevocationPath = "connect/revocation";

    // Ours, not OAuth2's: lets one server issue RS256 and ES256 tokens side by side.
    public const string AlgorithmParameter = "algorithm";

    public static IServiceCollection AddIssuer(
        this IServiceCollection services, Uri address, SigningKeys keys, Grants grants, LocalM3Options options)
    {
        services.AddOpenIddict().AddServer(server =>
        {
            server.SetIssuer(address)
                .SetTokenEndpointUris(TokenPath)
                .SetAuthorizationEndpointUris(AuthorizationPath)
                .SetDeviceAuthorizationEndpointUris(DeviceAuthorizationPath)
                .SetEndUserVerificationEndpointUris(VerificationPath)
                .SetRevocationEndpointUris(RevocationPath)
                .SetJsonWebKeySetEndpointUris(".well-known/jwks.json")
                .AllowClientCredentialsFlow()
                .AllowAuthorizationCodeFlow().RequireProofKeyForCodeExchange()
                .AllowDeviceAuthorizationFlow()
                .AllowRefreshTokenFlow()
                .RegisterScopes(Gate.RequiredScope)
                .SetAccessTokenLifetime(options.TokenLifetime)
                .SetRefreshTokenLifetime(options.RefreshTokenLifetime)
                .SetDeviceCodeLifetime(options.DeviceCodeLifetime)
                .SetUserCodeLifetime(options.DeviceCodeLifetime)
                .DisableAccessTokenEncryption()
                .DisableScopeValidation()
                .DisableAudienceValidation()
                .DisableResourceValidation()
                // No database: who the clients are and what they get is decided in Grants, what was issued is kept in SignIns.
                .EnableDegradedMode()
                .Configure(issuer =>
                {
                    issuer.TimeProvider = options.TimeProvider;
                    issuer.SigningCredentials.AddRange([keys.Rs256, keys.Es256]);
                    issuer.CodeChallengeMethods.Remove(CodeChallengeMethods.Plain);
                    issuer.ClientAuthenticationMethods.Add(ClientAuthenticationMethods.None);
                });

            // OpenIddict insists on one, though nothing here is ever encrypted.
            server.AddEncryptionKey(new SymmetricSecurityKey(RandomNumberGenerator.GetBytes(32)));

            server.UseAspNetCore()
                .DisableTransportSecurityRequirement()
                .EnableAuthorizationEndpointPassthrough()
                .EnableEndUserVerificationEndpointPassthrough();

            // OpenIddict keeps `audience` for token exchange and wants `resource` to be a URL; other providers take any name in both.
            server.RemoveEventHandler(Exchange.ValidateAudienceParameter.Descriptor);
            server.RemoveEventHandler(Exchange.ValidateResourceParameter.Descriptor);
            server.RemoveEventHandler(Authentication.ValidateAudienceParameter.Descriptor);
            server.RemoveEventHandler(Authentication.ValidateResourceParameter.Descriptor);

            server.AddEventHandler<ValidateTokenRequestContext>(handler => handler.UseInlineHandler(Grants.Validate));
            server.AddEventHandler<HandleTokenRequestContext>(handler => handler.UseInlineHandler(grants.Grant));
            server.AddEventHandler<ValidateAuthorizationRequestContext>(handler => handler.UseInlineHandler(Grants.Validate));
            server.AddEventHandler<ValidateDeviceAuthorizationRequestContext>(handler => handler.UseInlineHandler(Grants.Validate));
            server.AddEventHandler<HandleDeviceAuthorizationRequestContext>(handler => handler.UseInlineHandler(grants.Grant));
            server.AddEventHandler<ValidateEndUserVerificationRequestContext>(handler => handler.UseInlineHandler(_ => default));
            server.AddEventHandler<ValidateRevocationRequestContext>(handler => handler.UseInlineHandler(Grants.Validate));
            server.AddEventHandler<HandleRevocationRequestContext>(handler => handler.UseInlineHandler(grants.Revoke));

            server.AddEventHandler<ValidateTokenContext>(handler => handler
                .UseInlineHandler(grants.Read)
                .SetOrder(ValidateIdentityModelToken.Descriptor.Order - 1));
            server.AddEventHandler<GenerateTokenContext>(handler => handler
                .UseInlineHandler(context =>
                {
                    context.SigningCredentials = keys.For((string?)context.Request?[AlgorithmParameter] ?? options.Algorithm);
                    grants.Write(context);
                    return default;
                })
                .SetOrder(AttachSecurityCredentials.Descriptor.Order + 1));
        });

        return services;
    }
}
