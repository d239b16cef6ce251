using System.Text.Json;

namespace M3.Client.Auth;

/// <summary>What experience suggests when a check fails: the usual slips with the usual providers.</summary>
internal static class Hints
{
    private const string EntraV1 = "sts.windows.net";
    private const string EntraV2 = "login.microsoftonline.com";

    public static string ForIssuer(string? actual, string? configured)
    {
        if (actual is null || configured is null)
            return "";
        if (actual.TrimEnd('/') == configured.TrimEnd('/'))
            return " (they differ by a slash at the end only)";
        if (!Uri.TryCreate(actual, UriKind.Absolute, out Uri? a) || !Uri.TryCreate(configured, UriKind.Absolute, out Uri? c))
            return "";

        bool sameTenant = FirstSegment(a) == FirstSegment(c);
        bool isEntra = IsEntra(a) && IsEntra(c);
        if (isEntra && sameTenant)
            return " (one is Entra ID's v1 issuer and the other its v2 one: set the issuer that the token has, or have the API's app registration issue the other version)";
        if (isEntra || (a.IdnHost == c.IdnHost && !sameTenant && FirstSegment(a).Length > 0))
            return " (the token is from another tenant or realm of the same provider)";
        return "";
    }

    public static string ForAudience(JsonElement payload, string[]? audiences)
    {
        string? client = StrictJson.ReadString(payload, "azp") ?? StrictJson.ReadString(payload, "client_id") ?? StrictJson.ReadString(payload, "appid");
        if (audiences is null && client is not null)
            return " (some providers, Cognito among them, issue tokens without aud: M3 must then run without that check, and so must this client)";
        return client is not null && audiences is not null && audiences.Contains(client)
            ? " (aud is the client's own id, so this may be an ID token, or no audience was asked for)"
            : "";
    }

    public static string? ForScopes(JsonElement payload, IEnumerable<string> missing)
    {
        foreach (string name in (string[])["permissions", "roles"])
        {
            if (payload.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array
                && list.EnumerateArray().Select(StrictJson.ReadString).Intersect(missing).Any())
            {
                return $"it stands in the token's {name}, where M3 does not look: have the provider grant it as a scope";
            }
        }

        return null;
    }

    public static string ForDate(JsonElement payload, string name) =>
        payload.TryGetProperty(name, out JsonElement claim) && claim.ValueKind == JsonValueKind.Number && claim.TryGetDouble(out double value)
        && value is > 1e11 and < 1e14
            ? " (it looks like milliseconds, and seconds are the rule)"
            : "";

    public static string ForClock(TimeSpan issuerAhead) => Math.Abs(issuerAhead.TotalSeconds) < 60
        ? ""
        : $" (this machine's clock is {Duration.Describe(issuerAhead.Duration())} {(issuerAhead > TimeSpan.Zero ? "behind" : "ahead of")} the issuer's)";

    private static bool IsEntra(Uri issuer) => issuer.IdnHost is EntraV1 or EntraV2;

    private static string FirstSegment(Uri issuer) => issuer.AbsolutePath.TrimStart('/').Split('/')[0];
}
