using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;

namespace M3.Client.Auth.Tool;

/// <summary>A token's header and claims, for showing only: whether they may be believed is the library's judgement.</summary>
internal sealed record TokenParts(JsonElement Header, JsonElement Claims)
{
    private static readonly string[] Dates = ["exp", "nbf", "iat", "auth_time"];

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

    public static IEnumerable<string?[]> Rows(JsonElement json)
    {
        foreach (JsonProperty member in json.EnumerateObject())
        {
            string?[] row;
            try
            {
                row = [member.Name, Describe(member)];
            }
            catch (InvalidOperationException)
            {
                row = ["(unreadable)", "an escape in it is not text"];
            }

            yield return row;
        }
    }

    /// <summary>A claim that is a date, or null.</summary>
    public DateTimeOffset? Date(string name) => Claims.TryGetProperty(name, out JsonElement claim) ? ToDate(claim) : null;

    private static string Describe(JsonProperty member)
    {
        string value = member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()! : member.Value.GetRawText();
        return Dates.Contains(member.Name) && ToDate(member.Value) is { } date ? string.Create(CultureInfo.InvariantCulture, $"{value} = {date:u}") : value;
    }

    private static DateTimeOffset? ToDate(JsonElement claim) =>
        claim.ValueKind == JsonValueKind.Number && claim.TryGetDouble(out double seconds) && Math.Abs(seconds) < 1e11
            ? DateTimeOffset.FromUnixTimeSeconds((long)seconds)
            : null;

    private static JsonElement? Read(string part)
    {
        JsonElement json = JsonDocument.Parse(Base64Url.DecodeFromChars(part)).RootElement;
        return json.ValueKind == JsonValueKind.Object ? json : null;
    }
}
