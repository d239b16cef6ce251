using System.Text.Json;
using System.Text.Unicode;

namespace M3.Client.Auth;

/// <summary>
/// Reads JSON that somebody else wrote so that it can mean one thing only: no duplicate members (escaped names included), no
/// invalid UTF-8, no comments, no depth without end; and never throws.
/// </summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    public static JsonElement? TryParseObject(ReadOnlyMemory<byte> utf8)
    {
        if (!Utf8.IsValid(utf8.Span))
            return null;

        try
        {
            JsonElement root = JsonDocument.Parse(utf8, Options).RootElement;
            return root.ValueKind == JsonValueKind.Object ? root : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a member's name holds an escaped lone surrogate.
            return null;
        }
    }

    /// <summary>The member's string; null when it is missing, no string, or not text (an escaped lone surrogate).</summary>
    public static string? ReadString(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) ? ReadString(value) : null;

    public static string? ReadString(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
            return null;

        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
