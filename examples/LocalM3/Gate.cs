using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.IdentityModel.Tokens;
using Microsoft.Net.Http.Headers;
using ModelContextProtocol.Protocol;

namespace LocalM3;

/// <summary>Lets a call through to the tools when its token is signed by the issuer, meant for M3, alive, and has the scope.</summary>
internal static class Gate
{
    public const string RequiredScope = "read:mimic-data";

    public static readonly AuthorizationPolicy Policy = new AuthorizationPolicyBuilder()
        .RequireAuthenticatedUser()
        .RequireAssertion(context => HasScope(context.User))
        .Build();

    public static IServiceCollection AddGate(this IServiceCollection services, Uri issuer, Uri metadata, TimeProvider clock)
    {
        services.AddAuthorization();
        services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(bearer =>
        {
            bearer.Authority = issuer.AbsoluteUri;
            bearer.RequireHttpsMetadata = false;
            bearer.Audience = Issuer.Audience;
            bearer.MapInboundClaims = false;
            // RFC 9728, section 5.1: where a client finds the issuer.
            bearer.Challenge = $"Bearer resource_metadata=\"{metadata}\"";

            TokenValidationParameters rules = bearer.TokenValidationParameters;
            rules.ValidAlgorithms = SigningKeys.Algorithms;
            rules.TryAllIssuerSigningKeys = false;
            rules.ClockSkew = TimeSpan.Zero;
            // The library's own check has no clock that can be set.
            rules.LifetimeValidator = (notBefore, expires, _, _) => CheckLifetime(notBefore, expires, clock.GetUtcNow().UtcDateTime);

            bearer.Events = new JwtBearerEvents
            {
                OnForbidden = context =>
                {
                    // ASP.NET Core's own 403 does not say what was missing.
                    context.Response.Headers.WWWAuthenticate =
                        $"""
                        Bearer error="insufficient_scope", scope="{RequiredScope}", error_description="Required scope: {RequiredScope}"
                        """;
                    return Task.CompletedTask;
                },
            };
        });

        return services;
    }

    /// <summary>Refuses tool calls as M3's own code does: with a text where the result would be.</summary>
    public static IMcpServerBuilder RefuseAsToolText(this IMcpServerBuilder mcp, ServerNames names)
    {
        mcp.Services.AddHttpContextAccessor();

        return mcp.WithRequestFilters(filters => filters.AddCallToolFilter(next => async (call, cancellationToken) =>
        {
            HttpContext http = call.Services!.GetRequiredService<IHttpContextAccessor>().HttpContext!;
            return await RefusalAsync(http, names) is { } refusal
                ? new CallToolResult { Content = [new TextContentBlock { Text = refusal }] }
                : await next(call, cancellationToken);
        }));
    }

    private static async Task<string?> RefusalAsync(HttpContext http, ServerNames names)
    {
        AuthenticateResult result = await http.AuthenticateAsync();
        if (result.None)
            return "Error: Missing OAuth2 access token";

        if (http.Request.Headers[HeaderNames.Authorization].ToString().Split('.').Length != 3)
            return "Error: Invalid token format";

        if (result.Failure is null)
            return HasScope(result.Principal!) ? null : $$"""{{names.ScopeRefusal}}Missing required scopes: {'{{RequiredScope}}'}""";

        return names.Refusal + result.Failure switch
        {
            SecurityTokenExpiredException => "Token has expired",
            SecurityTokenNotYetValidException => "Invalid token: The token is not yet valid (nbf)",
            SecurityTokenInvalidAudienceException => "Invalid token audience",
            SecurityTokenInvalidIssuerException => "Invalid token issuer",
            _ => "Invalid token: Signature verification failed",
        };
    }

    private static bool HasScope(ClaimsPrincipal user) => user.Claims
        .Where(claim => claim.Type is "scope" or "scp")
        .SelectMany(claim => claim.Value.Split([' ', ',']))
        .Contains(RequiredScope);

    private static bool CheckLifetime(DateTime? notBefore, DateTime? expires, DateTime now)
    {
        // Thrown rather than answered with false, so that the challenge can name the reason.
        if (expires is null)
            throw new SecurityTokenNoExpirationException("The token has no expiration time.");
        if (expires <= now)
            throw new SecurityTokenExpiredException("The token has expired.") { Expires = expires.Value };
        if (notBefore > now)
            throw new SecurityTokenNotYetValidException("The token is not yet valid.") { NotBefore = notBefore.Value };

        return true;
    }
}
