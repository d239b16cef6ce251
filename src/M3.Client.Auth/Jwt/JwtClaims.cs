using System.Text.Json;
using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>The claims that M3's rules speak of, read once.</summary>
internal sealed class JwtClaims
{
    private static readonly char[] ScopeSeparators = [' ', ',', '\t', '\r', '\n'];

    public JwtClaims(JsonElement payload)
    {
        Payload = payload;
        Issuer = StrictJson.ReadString(payload, JwtClaimTypes.Issuer);
        Subject = StrictJson.ReadString(payload, JwtClaimTypes.Subject);
        NonString = IsNonString(payload, JwtClaimTypes.Subject) ? JwtClaimTypes.Subject
            : IsNonString(payload, JwtClaimTypes.JwtId) ? JwtClaimTypes.JwtId
            : null;
        Audiences = ReadAudiences(payload);
        Scopes = [.. ReadScopes(payload, "scope").Union(ReadScopes(payload, "scp"), StringComparer.Ordinal)];
        Expires = NumericDate.Read(payload, JwtClaimTypes.Expiration);
        NotBefore = NumericDate.Read(payload, JwtClaimTypes.NotBefore);
        IssuedAt = NumericDate.Read(payload, JwtClaimTypes.IssuedAt);
    }

    /// <summary>All of them, for hints.</summary>
    public JsonElement Payload { get; }

    public string? Issuer { get; }

    public string? Subject { get; }

    /// <summary>Which of <c>sub</c> and <c>jti</c> is there and is no string (RFC 7519, sections 4.1.2 and 4.1.7); else null.</summary>
    public string? NonString { get; }

    /// <summary>Null when <c>aud</c> is missing or anything but a string or an array of strings.</summary>
    public string[]? Audiences { get; }

    public string[] Scopes { get; }

    public NumericDate Expires { get; }

    public NumericDate NotBefore { get; }

    public NumericDate IssuedAt { get; }

    private static bool IsNonString(JsonElement payload, string name) =>
        payload.TryGetProperty(name, out JsonElement claim) && claim.ValueKind != JsonValueKind.String;

    private static string[]? ReadAudiences(JsonElement payload)
    {
        if (!payload.TryGetProperty(JwtClaimTypes.Audience, out JsonElement claim))
            return null;
        if (claim.ValueKind != JsonValueKind.Array)
            return StrictJson.ReadString(claim) is { } only ? [only] : null;

        string[] all = [.. claim.EnumerateArray().Select(StrictJson.ReadString).OfType<string>()];
        return all.Length == claim.GetArrayLength() ? all : null;
    }

    // Four shapes are in use: RFC 8693's string with spaces, Entra's "scp" string, Okta's "scp" array, and commas.
    private static IEnumerable<string> ReadScopes(JsonElement payload, string name)
    {
        if (!payload.TryGetProperty(name, out JsonElement claim))
            return [];
        return claim.ValueKind == JsonValueKind.Array
            ? claim.EnumerateArray().Select(StrictJson.ReadString).OfType<string>()
            : StrictJson.ReadString(claim)?.Split(ScopeSeparators, StringSplitOptions.RemoveEmptyEntries) ?? [];
    }
}
