using System.Text.Json;

namespace M3.Client.Auth;

/// <summary>What experience suggests when a check fails: the usual slips with the usual providers.</summary>
internal static class Hints
{
    private const string EntraV1 = "sts.windows.net";
    private const string EntraV2 = "login.microsoftonline.com";
    private const string MicrosoftGraph = "00000003-0000-0000-c000-000000000000";

    // Hosts under these belong to one customer each.
    private static readonly string[] TenantDomains = [".auth0.com", ".okta.com", ".oktapreview.com", ".b2clogin.com", ".ciamlogin.com"];

    /// <summary>Why a text without three parts may be what was pasted.</summary>
    public static string ForOpaqueToken(ReadOnlySpan<char> text)
    {
        if (text.StartsWith("ya29.", StringComparison.Ordinal))
            return " (it looks like a Google access token, which is opaque: of Google's tokens only ID tokens are JWTs)";
        if (text.StartsWith("{", StringComparison.Ordinal))
            return " (it looks like JSON: the token is the value of its access_token)";
        if (text.Contains('$') || text.Contains('%'))
            return " (it looks like a variable that the shell did not replace)";
        return text.Contains('.') ? "" : " (Auth0 issues such tokens when no audience was asked for; Google's access tokens are always so)";
    }

    public static string ForIssuer(string? actual, string? configured)
    {
        if (actual is null || configured is null)
            return "";
        if (actual.TrimEnd('/') == configured.TrimEnd('/'))
            return " (they differ by a slash at the end only)";
        if (!Uri.TryCreate(actual, UriKind.Absolute, out Uri? a) || !Uri.TryCreate(configured, UriKind.Absolute, out Uri? c))
            return "";
        if (string.Equals(actual, configured, StringComparison.OrdinalIgnoreCase))
            return " (they differ in upper and lower case only)";

        bool sameHost = string.Equals(a.IdnHost, c.IdnHost, StringComparison.OrdinalIgnoreCase);
        string path = a.AbsolutePath.Trim('/');
        if (sameHost && path == c.AbsolutePath.Trim('/'))
            return " (they differ in scheme or port only)";
        if (IsEntra(a) && IsEntra(c))
            return ForEntra(a, c);
        bool sameProvider = sameHost ? path.Length > 0 : TenantDomains.Any(domain => IsUnder(a, domain) && IsUnder(c, domain));
        return sameProvider ? " (the token is from another tenant or realm of the same provider)" : "";
    }

    public static string ForAudience(JsonElement payload, string[]? audiences, string? configured, string? clientId)
    {
        string? client = StrictJson.ReadString(payload, "azp") ?? StrictJson.ReadString(payload, "client_id") ?? StrictJson.ReadString(payload, "appid");
        if (audiences is null)
        {
            return client is null
                ? ""
                : " (some providers, Cognito among them, issue tokens without aud: M3 must then run without that check, and so must this client)";
        }

        if ((client is not null && audiences.Contains(client)) || (clientId is not null && audiences.Contains(clientId)))
            return " (aud is the client's own id, so this may be an ID token, or no audience was asked for)";
        if (audiences.Any(audience => Bare(audience) == Bare(configured)))
            return " (they differ by a slash at the end or by api:// only)";
        if (audiences.Contains(MicrosoftGraph) || audiences.Any(audience => audience.StartsWith("https://graph.microsoft.com", StringComparison.Ordinal)))
            return " (the token is for Microsoft Graph: ask for a scope of M3's own API)";
        return audiences is ["account"] ? " (Keycloak's default: give the client an audience mapper for M3)" : "";
    }

    public static string? ForScopes(JsonElement payload, IEnumerable<string> missing)
    {
        foreach (string name in (string[])["permissions", "roles", "groups"])
        {
            if (Names(payload, name, missing))
                return Elsewhere(name);
        }

        return payload.TryGetProperty("realm_access", out JsonElement realm) && realm.ValueKind == JsonValueKind.Object && Names(realm, "roles", missing)
            ? Elsewhere("realm_access.roles")
            : null;
    }

    public static string ForDate(JsonElement payload, string name) =>
        payload.TryGetProperty(name, out JsonElement claim) && claim.ValueKind == JsonValueKind.Number && claim.TryGetDouble(out double value)
        && value is > 1e11 and < 1e14
            ? " (it looks like milliseconds, and seconds are the rule)"
            : "";

    public static string ForClock(TimeSpan issuerAhead) => Math.Abs(issuerAhead.TotalSeconds) < 60
        ? ""
        : $" (this machine's clock is {Duration.Describe(issuerAhead.Duration())} {(issuerAhead > TimeSpan.Zero ? "behind" : "ahead of")} the issuer's)";

    private static string ForEntra(Uri actual, Uri configured)
    {
        string tenant = FirstSegment(configured);
        if (tenant is "common" or "organizations" or "consumers")
            return $" ('{tenant}' is where users of any tenant sign in, and no token's issuer: set the one that the token has, if that is your tenant)";
        return FirstSegment(actual) == tenant
            ? " (one is Entra ID's v1 issuer and the other its v2 one: set the issuer that the token has, or have the API's app registration issue the other version)"
            : " (the token is from another tenant or realm of the same provider)";
    }

    private static string Elsewhere(string name) => $"it stands in the token's {name}, where M3 does not look: have the provider grant it as a scope";

    private static bool Names(JsonElement holder, string name, IEnumerable<string> wanted)
    {
        if (!holder.TryGetProperty(name, out JsonElement claim))
            return false;
        IEnumerable<string?> names = claim.ValueKind == JsonValueKind.Array
            ? claim.EnumerateArray().Select(StrictJson.ReadString)
            : StrictJson.ReadString(claim)?.Split([' ', ',']) ?? [];
        return names.Intersect(wanted).Any();
    }

    private static string Bare(string? audience)
    {
        string text = audience?.TrimEnd('/') ?? "";
        return text.StartsWith("api://", StringComparison.Ordinal) ? text["api://".Length..] : text;
    }

    private static bool IsEntra(Uri issuer) => issuer.IdnHost is EntraV1 or EntraV2;

    private static bool IsUnder(Uri issuer, string domain) => issuer.IdnHost.EndsWith(domain, StringComparison.OrdinalIgnoreCase);

    private static string FirstSegment(Uri issuer) => issuer.AbsolutePath.TrimStart('/').Split('/')[0];
}
