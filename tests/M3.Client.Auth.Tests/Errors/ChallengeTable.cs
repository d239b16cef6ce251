using System.Net;

namespace M3.Client.Auth.Tests.Errors;

/// <summary>A challenge as a server in the field sends it, and what it means to a caller.</summary>
/// <param name="Who">The server, or the rule that the case is about.</param>
/// <param name="Lines">The header's lines.</param>
/// <param name="Expected">The error of a 401 with it.</param>
/// <param name="Code">The challenge's <c>error</c>.</param>
/// <param name="Scopes">Its scopes, with spaces between.</param>
/// <param name="IsBearer">Whether there is a Bearer challenge at all.</param>
public sealed record ChallengeCase(string Who, string[] Lines, M3AuthError Expected, string? Code = null, string Scopes = "", bool IsBearer = true)
{
    public HttpStatusCode Status { get; init; } = HttpStatusCode.Unauthorized;

    /// <summary>Its description, where the case is about how that is read.</summary>
    public string? Description { get; init; }

    public string? ResourceMetadata { get; init; }
}

public static class ChallengeTable
{
    private const string InvalidToken = "invalid_token";
    private const string InsufficientScope = "insufficient_scope";
    private const string MetadataUrl = "http://host:3000/.well-known/oauth-protected-resource/sse";

    public static readonly ChallengeCase[] Cases =
    [
        // FastMCP, which M3 is built on
        new("FastMCP 2.10.2", ["""Bearer error="invalid_token", error_description="Authentication required" """], M3AuthError.Rejected, InvalidToken),
        new("FastMCP 2.10.2, scope", ["""Bearer error="insufficient_scope", error_description="Required scope: read:mimic-data" """], M3AuthError.MissingScopes, InsufficientScope) { Status = HttpStatusCode.Forbidden },
        new("FastMCP 3", ["""Bearer error="invalid_token", error_description="Authentication failed. The provided bearer token is invalid, expired, or no longer recognized by the server. To resolve: clear authentication tokens in your MCP client and reconnect. Your client should automatically re-register and obtain new tokens.", resource_metadata="http://host:3000/.well-known/oauth-protected-resource/sse" """], M3AuthError.Rejected, InvalidToken) { ResourceMetadata = MetadataUrl },
        new("FastMCP 4, no header sent", ["""Bearer scope="read:mimic-data", resource_metadata="http://host:3000/.well-known/oauth-protected-resource/sse" """], M3AuthError.Rejected, Scopes: "read:mimic-data") { ResourceMetadata = MetadataUrl },
        new("FastMCP 4, plain", ["Bearer"], M3AuthError.Rejected),

        // MCP's specification
        new("MCP 2025-11-25", ["""Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource", scope="files:read" """], M3AuthError.Rejected, Scopes: "files:read") { ResourceMetadata = "https://mcp.example.com/.well-known/oauth-protected-resource" },
        new("MCP 2025-11-25, step up", ["""Bearer error="insufficient_scope", scope="files:write", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource", error_description="File write permission required for this operation" """], M3AuthError.MissingScopes, InsufficientScope, "files:write") { Status = HttpStatusCode.Forbidden },
        new("MCP, folded over lines by a proxy", ["Bearer error=\"insufficient_scope\",\tscope=\"files:read  files:write\",   error_description=\"More permission required\""], M3AuthError.MissingScopes, InsufficientScope, "files:read files:write") { Status = HttpStatusCode.Forbidden },
        new("ModelContextProtocol.AspNetCore", ["""Bearer resource_metadata="https://localhost:7071/.well-known/oauth-protected-resource" """], M3AuthError.Rejected),

        // ASP.NET Core's JwtBearer
        new("ASP.NET Core, no token", ["Bearer"], M3AuthError.Rejected),
        new("ASP.NET Core, expired", ["""Bearer error="invalid_token", error_description="The token expired at '11/23/2026 08:00:00'" """], M3AuthError.TokenExpired, InvalidToken),
        new("ASP.NET Core, not yet", ["""Bearer error="invalid_token", error_description="The token is not valid before '11/23/2026 09:00:00'" """], M3AuthError.TokenNotYetValid, InvalidToken),
        new("ASP.NET Core, audience", ["""Bearer error="invalid_token", error_description="The audience 'someone-else' is invalid" """], M3AuthError.InvalidAudience, InvalidToken),
        new("ASP.NET Core, no audience", ["""Bearer error="invalid_token", error_description="The audience '(null)' is invalid" """], M3AuthError.InvalidAudience, InvalidToken),
        new("ASP.NET Core, issuer", ["""Bearer error="invalid_token", error_description="The issuer 'https://other/' is invalid" """], M3AuthError.InvalidIssuer, InvalidToken),
        new("ASP.NET Core, signature", ["""Bearer error="invalid_token", error_description="The signature is invalid" """], M3AuthError.InvalidTokenSignature, InvalidToken),
        new("ASP.NET Core, kid", ["""Bearer error="invalid_token", error_description="The signature key was not found" """], M3AuthError.InvalidTokenSignature, InvalidToken),
        new("ASP.NET Core, no exp", ["""Bearer error="invalid_token", error_description="The token has no expiration" """], M3AuthError.TokenExpired, InvalidToken),
        new("ASP.NET Core, two reasons", ["""Bearer error="invalid_token", error_description="The audience 'x' is invalid; The token expired at '11/23/2026 08:00:00'" """], M3AuthError.TokenExpired, InvalidToken),
        new("ASP.NET Core, no reason", ["""Bearer error="invalid_token" """], M3AuthError.Rejected, InvalidToken),

        // Entra ID and Microsoft's APIs
        new("Microsoft Graph", ["""Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000" """], M3AuthError.Rejected),
        new("Entra, lifetime", ["""Bearer authorization_uri="https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/authorize", error="invalid_token", error_description="Lifetime validation failed, the token is expired." """], M3AuthError.TokenExpired, InvalidToken),
        new("Azure Resource Manager", ["""Bearer authorization_uri="https://login.windows.net/", error="invalid_token", error_description="The authentication failed because of missing 'Authorization' header." """], M3AuthError.Rejected, InvalidToken),
        new("Azure, wrong issuer", ["""Bearer authorization_uri="https://login.windows.net/72f988bf", error="invalid_token", error_description="The access token is from the wrong issuer 'https://sts.windows.net/a/'. It must match the tenant 'https://sts.windows.net/b/' associated with this subscription." """], M3AuthError.InvalidIssuer, InvalidToken),
        new("Azure Key Vault", ["""Bearer authorization="https://login.microsoftonline.com/72f988bf", resource="https://vault.azure.net" """], M3AuthError.Rejected),
        new("Key Vault, audience", ["""Bearer authorization="https://login.windows.net/72f988bf", resource="https://vault.azure.net", error="invalid_token", error_description="AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://graph.microsoft.com." """], M3AuthError.InvalidAudience, InvalidToken),
        new("Entra, continuous access", ["""Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7fX19" """], M3AuthError.Rejected, "insufficient_claims"),
        new("Microsoft.IdentityModel", ["""Bearer error="invalid_token", error_description="IDX10214: Audience validation failed. Audiences: 'a'. Did not match: validationParameters.ValidAudience: 'b'." """], M3AuthError.InvalidAudience, InvalidToken),

        // Auth0
        new("Auth0, express-oauth2-jwt-bearer, none", ["""Bearer realm="api" """], M3AuthError.Rejected),
        new("Auth0, express-oauth2-jwt-bearer, exp", ["""Bearer realm="api", error="invalid_token", error_description="'exp' claim timestamp check failed" """], M3AuthError.TokenExpired, InvalidToken),
        new("Auth0, jose with escapes", ["""Bearer realm="api", error="invalid_token", error_description="unexpected \"aud\" claim value" """], M3AuthError.InvalidAudience, InvalidToken) { Description = "unexpected \"aud\" claim value" },
        new("Auth0, iss", ["""Bearer realm="api", error="invalid_token", error_description="unexpected 'iss' claim value" """], M3AuthError.InvalidIssuer, InvalidToken),
        new("Auth0, nbf", ["""Bearer realm="api", error="invalid_token", error_description="'nbf' claim timestamp check failed" """], M3AuthError.TokenNotYetValid, InvalidToken),
        new("Auth0, signature", ["""Bearer realm="api", error="invalid_token", error_description="signature verification failed" """], M3AuthError.InvalidTokenSignature, InvalidToken),
        new("Auth0, scope", ["""Bearer realm="api", error="insufficient_scope", error_description="Insufficient Scope", scope="read:mimic-data" """], M3AuthError.MissingScopes, InsufficientScope, "read:mimic-data") { Status = HttpStatusCode.Forbidden },
        new("Auth0, userinfo", ["""Bearer realm="Users", error="invalid_request", error_description="No access token provided" """], M3AuthError.Rejected, "invalid_request"),
        new("node jsonwebtoken", ["""Bearer error="invalid_token", error_description="jwt expired" """], M3AuthError.TokenExpired, InvalidToken),
        new("node jsonwebtoken, nbf", ["""Bearer error="invalid_token", error_description="jwt not active" """], M3AuthError.TokenNotYetValid, InvalidToken),

        // Keycloak
        new("Keycloak", ["""Bearer realm="m3", error="invalid_token", error_description="Token verification failed" """], M3AuthError.Rejected, InvalidToken),
        new("Keycloak, expired or not begun", ["""Bearer realm="m3", error="invalid_token", error_description="Token is not active" """], M3AuthError.Rejected, InvalidToken),
        new("Keycloak, audience", ["""Bearer realm="m3", error="invalid_token", error_description="Invalid token audience" """], M3AuthError.InvalidAudience, InvalidToken),
        new("Keycloak, signature", ["""Bearer realm="m3", error="invalid_token", error_description="Invalid token signature" """], M3AuthError.InvalidTokenSignature, InvalidToken),
        new("Keycloak, no token", ["""Bearer realm="m3" """], M3AuthError.Rejected),

        // Okta
        new("Okta", ["""Bearer authorization_uri="http://dev-1.okta.com/oauth2/v1/authorize", realm="http://dev-1.okta.com", scope="okta.users.read", error="invalid_token", error_description="The token has expired.", resource="/api/v1/users" """], M3AuthError.TokenExpired, InvalidToken, "okta.users.read"),
        new("Okta, scope", ["""Bearer authorization_uri="http://dev-1.okta.com/oauth2/v1/authorize", realm="http://dev-1.okta.com", scope="okta.users.read", error="insufficient_scope", error_description="The access token provided does not contain the required scopes.", resource="/api/v1/users" """], M3AuthError.MissingScopes, InsufficientScope, "okta.users.read") { Status = HttpStatusCode.Forbidden },
        new("Okta, DPoP beside Bearer", ["""DPoP error="invalid_dpop_proof", error_description="DPoP proof is missing", Bearer realm="okta" """], M3AuthError.Rejected),

        // Envoy, nginx, gateways
        new("Envoy jwt_authn, none", ["""Bearer realm="http://m3.example.com/sse" """], M3AuthError.Rejected),
        new("Envoy jwt_authn", ["""Bearer realm="http://m3.example.com/sse", error="invalid_token" """], M3AuthError.Rejected, InvalidToken),
        new("Envoy jwt_authn, described", ["""Bearer realm="http://m3.example.com/sse", error="invalid_token", error_description="Jwt is expired" """], M3AuthError.TokenExpired, InvalidToken),
        new("Envoy jwt_authn, audience", ["""Bearer realm="http://m3.example.com/sse", error="invalid_token", error_description="Audiences in Jwt are not allowed" """], M3AuthError.InvalidAudience, InvalidToken),
        new("Envoy jwt_authn, issuer", ["""Bearer realm="http://m3.example.com/sse", error="invalid_token", error_description="Jwt issuer is not configured" """], M3AuthError.InvalidIssuer, InvalidToken),
        new("Envoy jwt_authn, key", ["""Bearer realm="http://m3.example.com/sse", error="invalid_token", error_description="Jwt verification fails" """], M3AuthError.InvalidTokenSignature, InvalidToken),
        new("nginx auth_jwt", ["""Bearer realm="closed site" """], M3AuthError.Rejected),
        new("nginx auth_jwt, bad", ["""Bearer realm="closed site", error="invalid_token" """], M3AuthError.Rejected, InvalidToken),
        new("nginx, basic auth", ["""Basic realm="Restricted Area" """], M3AuthError.Rejected, IsBearer: false),
        new("oauth2-proxy", ["""Bearer realm="oauth2-proxy" """], M3AuthError.Rejected),
        new("oauth2-proxy, both", ["""Basic realm="oauth2-proxy", Bearer realm="oauth2-proxy" """], M3AuthError.Rejected),
        new("Istio", ["""Bearer realm="https://m3.example.com/", error="invalid_token" """], M3AuthError.Rejected, InvalidToken),
        new("AWS API Gateway, no commas", ["""Bearer scope="" error="invalid_token" error_description="the token has expired" """], M3AuthError.TokenExpired, InvalidToken),
        new("AWS API Gateway, scope", ["""Bearer scope="read:mimic-data" error="insufficient_scope" error_description="the token has insufficient scopes" """], M3AuthError.MissingScopes, InsufficientScope, "read:mimic-data") { Status = HttpStatusCode.Forbidden },
        new("Google Cloud Run, no comma", ["""Bearer error="invalid_token" error_description="The access token could not be verified" """], M3AuthError.Rejected, InvalidToken),
        new("Google APIs", ["""Bearer realm="https://accounts.google.com/", error="insufficient_scope", scope="https://www.googleapis.com/auth/drive" """], M3AuthError.MissingScopes, InsufficientScope, "https://www.googleapis.com/auth/drive") { Status = HttpStatusCode.Forbidden },
        new("Apigee", ["""Bearer realm="null",error="invalid_token",error_description="keymanagement.service.access_token_expired: Access Token expired" """], M3AuthError.TokenExpired, InvalidToken),
        new("Kong", ["""Bearer realm="service",error="invalid_token",error_description="The access token is invalid or has expired" """], M3AuthError.Rejected, InvalidToken),
        new("Spring Security, expired", ["""Bearer error="invalid_token", error_description="Jwt expired at 2026-11-23T08:00:00Z", error_uri="https://tools.ietf.org/html/rfc6750#section-3.1" """], M3AuthError.TokenExpired, InvalidToken),
        new("Spring Security, iss", ["""Bearer error="invalid_token", error_description="The iss claim is not valid", error_uri="https://tools.ietf.org/html/rfc6750#section-3.1" """], M3AuthError.InvalidIssuer, InvalidToken),
        new("Spring Security, signature", ["""Bearer error="invalid_token", error_description="An error occurred while attempting to decode the Jwt: Signed JWT rejected: Invalid signature", error_uri="https://tools.ietf.org/html/rfc6750#section-3.1" """], M3AuthError.InvalidTokenSignature, InvalidToken),
        new("Spring Security, scope", ["""Bearer error="insufficient_scope", error_description="The request requires higher privileges than provided by the access token.", error_uri="https://tools.ietf.org/html/rfc6750#section-3.1" """], M3AuthError.MissingScopes, InsufficientScope) { Status = HttpStatusCode.Forbidden },
        new("go-oidc", ["""Bearer error="invalid_token", error_description="oidc: token is expired (Token Expiry: 2026-11-23 08:00:00 +0000 UTC)" """], M3AuthError.TokenExpired, InvalidToken),
        new("Cloudflare Access", ["""Bearer resource_metadata="https://m3.example.com/.well-known/oauth-protected-resource", error="invalid_token", error_description="Missing or invalid access token" """], M3AuthError.Rejected, InvalidToken),

        // PyJWT from 2.8 and 2.10 on, as its source has them
        new("PyJWT, audience", ["""Bearer error="invalid_token", error_description="Audience doesn't match" """], M3AuthError.InvalidAudience, InvalidToken),
        new("PyJWT, sub", ["""Bearer error="invalid_token", error_description="Subject must be a string" """], M3AuthError.Rejected, InvalidToken),
        new("PyJWT, jti", ["""Bearer error="invalid_token", error_description="JWT ID must be a string" """], M3AuthError.Rejected, InvalidToken),

        // Quotation marks inside of quotation marks, as servers leave them
        new("marks around the first word", ["""Bearer error="invalid_token", error_description=""exp" claim timestamp check failed", scope="a", resource_metadata="https://m3.test/x" """], M3AuthError.TokenExpired, InvalidToken, "a") { Description = "\"exp\" claim timestamp check failed", ResourceMetadata = "https://m3.test/x" },
        new("marks around the last word", ["""Bearer error="invalid_token", error_description="unexpected claim "aud"", scope="a" """], M3AuthError.Rejected, InvalidToken, "a") { Description = "unexpected claim \"aud\"" },
        new("marks around the last word of the line", ["""Bearer error="invalid_token", scope="a", error_description="not "this"" """], M3AuthError.Rejected, InvalidToken, "a") { Description = "not \"this\"" },
        new("marks with a comma behind", ["""Bearer error="invalid_token", error_description="no "aud", "iss", nor "sub" claim", scope="a" """], M3AuthError.Rejected, InvalidToken, "a") { Description = "no \"aud\", \"iss\", nor \"sub\" claim" },
        new("marks with a comma and words behind", ["""Bearer error="invalid_token", error_description="a "kid", some thing, and "more", that is no scheme", scope="a" """], M3AuthError.Rejected, InvalidToken, "a") { Description = "a \"kid\", some thing, and \"more\", that is no scheme" },
        new("marks before another scheme", ["""Bearer error_description="not "this"", Basic realm="x", Negotiate, NTLM abc="""], M3AuthError.Rejected) { Description = "not \"this\"" },
        new("marks without an end", ["""Bearer error="invalid_token", error_description="not "this" and nothing more"""], M3AuthError.Rejected, InvalidToken) { Description = "not " },
        new("semicolons between", ["""Bearer error="invalid_token"; error_description="Token has expired"; scope="a" """], M3AuthError.TokenExpired, InvalidToken, "a"),

        // RFC 6750
        new("RFC 6750, section 3", ["""Bearer realm="example" """], M3AuthError.Rejected),
        new("RFC 6750, expired", ["""Bearer realm="example", error="invalid_token", error_description="The access token expired" """], M3AuthError.TokenExpired, InvalidToken),
        new("RFC 6750, section 3.1's own words", ["""Bearer error="invalid_token", error_description="The access token provided is expired, revoked, malformed, or invalid for other reasons." """], M3AuthError.Rejected, InvalidToken),
        new("RFC 6750, invalid_request", ["""Bearer error="invalid_request", error_description="The request is missing a required parameter" """], M3AuthError.Rejected, "invalid_request"),
        new("insufficient_scope with 401", ["""Bearer error="insufficient_scope", scope="a b" """], M3AuthError.MissingScopes, InsufficientScope, "a b"),

        // RFC 9110: several challenges, several lines, any order
        new("Basic first", ["""Basic realm="x", Bearer error="invalid_token", error_description="Token has expired" """], M3AuthError.TokenExpired, InvalidToken),
        new("Bearer first", ["""Bearer error="invalid_token", error_description="Token has expired", Basic realm="x" """], M3AuthError.TokenExpired, InvalidToken),
        new("Negotiate's token68 first", ["""Negotiate YIIFtwYGKwYBBQUC==, Bearer error="invalid_token" """], M3AuthError.Rejected, InvalidToken),
        new("schemes without parameters", ["Negotiate, NTLM, Bearer"], M3AuthError.Rejected),
        new("several lines", ["Negotiate", "NTLM", """Bearer error="invalid_token", error_description="invalid issuer" """], M3AuthError.InvalidIssuer, InvalidToken),
        new("two Bearers, the second says more", ["Bearer", """Bearer error="invalid_token", error_description="invalid issuer" """], M3AuthError.InvalidIssuer, InvalidToken),
        new("two Bearers in one line", ["""Bearer realm="a", Bearer realm="b", error="insufficient_scope", scope="s" """], M3AuthError.MissingScopes, InsufficientScope, "s"),
        new("the description first", ["""Bearer error_description="Token has expired", error="invalid_token" """], M3AuthError.TokenExpired, InvalidToken),
        new("RFC 9110, section 11.6.1", ["""Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"" """], M3AuthError.Rejected, IsBearer: false),
        new("a comma in quotes", ["""Bearer error_description="no, Bearer error=\"insufficient_scope\", is not it", error="invalid_token" """], M3AuthError.Rejected, InvalidToken) { Description = "no, Bearer error=\"insufficient_scope\", is not it" },
        new("another scheme's quotes", ["""Digest realm="Bearer error=insufficient_scope", nonce="a,b", Bearer error="invalid_token" """], M3AuthError.Rejected, InvalidToken),
        new("escapes", ["""Bearer error_description="a \\ and \"b\"", error="invalid_token" """], M3AuthError.Rejected, InvalidToken) { Description = "a \\ and \"b\"" },
        new("any case", ["""BEARER ERROR="invalid_token", Error_Description="Token has expired" """], M3AuthError.TokenExpired, InvalidToken),
        new("blanks around =", ["Bearer error = \"invalid_token\" , scope\t=\t\"a\""], M3AuthError.Rejected, InvalidToken, "a"),
        new("unquoted", ["Bearer error=invalid_token, scope=read:mimic-data"], M3AuthError.Rejected, InvalidToken, "read:mimic-data"),
        new("empty list elements", [""", ,Bearer error="invalid_token",, scope="a",, """], M3AuthError.Rejected, InvalidToken, "a"),
        new("a parameter named bearer", ["""Custom bearer="x", error="insufficient_scope" """], M3AuthError.Rejected, IsBearer: false),
        new("a scheme that begins so", ["ParsedJwt error=\"insufficient_scope\""], M3AuthError.Rejected, IsBearer: false),
        new("the first of a repeated parameter counts", ["""Bearer error="invalid_token", error="insufficient_scope" """], M3AuthError.Rejected, InvalidToken),

        // Garbage
        new("no header", [], M3AuthError.Rejected, IsBearer: false),
        new("empty", [""], M3AuthError.Rejected, IsBearer: false),
        new("commas", [",,,"], M3AuthError.Rejected, IsBearer: false),
        new("an open quote", ["""Bearer error="invalid_token, scope="""], M3AuthError.Rejected, "invalid_token, scope="),
        new("a backslash at the end", ["""Bearer error="x\"""], M3AuthError.Rejected, "x\\"),
        new("no scheme", ["error=\"insufficient_scope\""], M3AuthError.Rejected, IsBearer: false),
        new("quotes where a scheme belongs", ["\"Bearer error=insufficient_scope\""], M3AuthError.Rejected, IsBearer: false),
        new("parameters without values", ["Bearer error=, scope=, realm"], M3AuthError.Rejected),
        new("signs", ["@@;;Bearer(){}=\u00e9\u0001"], M3AuthError.Rejected),
        new("a token in the description", ["""Bearer error="invalid_token", error_description="eyJhbGciOiJSUzI1NiJ9.e30.x has expired" """], M3AuthError.Rejected, InvalidToken) { Description = "(a token, not shown)" },
    ];
}
