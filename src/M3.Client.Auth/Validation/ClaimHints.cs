using System.Text.Json;

namespace M3.Client.Auth;

/// <summary>What experience suggests when a check fails: the usual slips with the usual providers.</summary>
internal static class ClaimHints
{
    private const string MicrosoftGraph = "00000003-0000-0000-c000-000000000000";

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
}
