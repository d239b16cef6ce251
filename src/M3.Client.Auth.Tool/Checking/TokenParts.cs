using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;

namespace M3.Client.Auth.Tool;

/// <summary>A token's header and claims, for showing only: whether they may be believed is the library's judgement.</summary>
internal sealed record TokenParts(JsonElement Header, JsonElement Claims)
{
    public const string None = "(none)";

    private static readonly string[] Dates = ["exp", "nbf", "iat", "auth_time"];
    private static readonly string[] NameAndValue = ["name", "value"];

    public DateTimeOffset? ExpiresAt => Date("exp");

    public long? SecondsLeft => ExpiresAt is { } expires ? (long)(expires - DateTimeOffset.UtcNow).TotalSeconds : null;

    public string[] Audiences => Claims.TryGetProperty("aud", out JsonElement audience) ? Texts(audience) : [];

    /// <summary>Of both claims in use, each a string or an array.</summary>
    public string[] Scopes => [.. Names("scope").Union(Names("scp"))];

    /// <summary>Null when it is no token; what is wrong with it the library says.</summary>
    public static TokenParts? TryRead(string? raw)
    {
        string text = raw?.Trim() ?? "";
        if (text.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
            text = text["Bearer ".Length..].TrimStart();
        string[] parts = text.Split('.');
        try
        {
            return parts.Length == 3 && Read(parts[0]) is { } header && Read(parts[1]) is { } claims ? new(header, claims) : null;
        }
        catch (Exception e) when (e is FormatException or JsonException)
        {
            return null;
        }
    }

    /// <summary>In JSON every member is there, null or empty when there is no token to read.</summary>
    public static void Add(Report report, TokenParts? parts, bool isVerified)
    {
        if (parts is not null)
        {
            report.Add(new Section(isVerified ? "Claims" : "Claims (their signature is not verified: do not believe them)", NameAndValue, Rows(parts.Claims)));
            report.Add(new Section("Header", NameAndValue, Rows(parts.Header)));
        }

        report.Set("isSignatureVerified", parts is not null && isVerified);
        report.Set("expiresAt", parts?.ExpiresAt?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        report.Set("secondsLeft", parts?.SecondsLeft);
        report.Set("audiences", Json.Array(parts?.Audiences ?? []));
        report.Set("scopes", Json.Array(parts?.Scopes ?? []));
        report.Set("header", parts is null ? null : Json.Node(parts.Header));
        report.Set("claims", parts is null ? null : Json.Node(parts.Claims));
    }

    /// <summary>A claim that is a date, or null.</summary>
    public DateTimeOffset? Date(string name) => Claims.TryGetProperty(name, out JsonElement claim) ? ToDate(claim) : null;

    /// <summary>A claim as text, or null.</summary>
    public string? ClaimText(string name) => Claims.TryGetProperty(name, out JsonElement claim) ? Describe(claim) : null;

    public string HeaderText(string name) => Header.TryGetProperty(name, out JsonElement member) ? Describe(member) : None;

    private static string?[][] Rows(JsonElement json) => [.. json.EnumerateObject().Select(member => new string?[] { Json.Name(member), Describe(member) })];

    private static string Describe(JsonProperty member) => Dates.Contains(Json.Name(member)) && ToDate(member.Value) is { } date
        ? string.Create(CultureInfo.InvariantCulture, $"{Describe(member.Value)} = {date:u}")
        : Describe(member.Value);

    private static string Describe(JsonElement json) => json.ValueKind == JsonValueKind.String ? Json.Text(json) : json.GetRawText();

    private static DateTimeOffset? ToDate(JsonElement claim) =>
        claim.ValueKind == JsonValueKind.Number && claim.TryGetDouble(out double seconds) && Math.Abs(seconds) < 1e11
            ? DateTimeOffset.FromUnixTimeSeconds((long)seconds)
            : null;

    private IEnumerable<string> Names(string claim) => Claims.TryGetProperty(claim, out JsonElement value)
        ? Texts(value).SelectMany(text => value.ValueKind == JsonValueKind.String ? text.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries) : [text])
        : [];

    private static string[] Texts(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.String => [Json.Text(json)],
        JsonValueKind.Array => [.. json.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(Json.Text)],
        _ => [],
    };

    private static JsonElement? Read(string part)
    {
        JsonElement json = JsonDocument.Parse(Base64Url.DecodeFromChars(part)).RootElement;
        return json.ValueKind == JsonValueKind.Object ? json : null;
    }
}
