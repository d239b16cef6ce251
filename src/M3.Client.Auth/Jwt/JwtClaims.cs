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
    public readonly JsonElement Payload;

    public readonly string? Issuer;

    public readonly string? Subject;

    /// <summary>Which of <c>sub</c> and <c>jti</c> is there and is no string (RFC 7519, sections 4.1.2 and 4.1.7); else null.</summary>
    public readonly string? NonString;

    /// <summary>Null when <c>aud</c> is missing or anything but a string or an array of strings.</summary>
    public readonly string[]? Audiences;

    public readonly string[] Scopes;

    public readonly NumericDate Expires;

    public readonly NumericDate NotBefore;

    public readonly NumericDate IssuedAt;

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
