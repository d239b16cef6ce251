using System.Text.Json;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary>JSON nodes of what the tool has at hand.</summary>
internal static class Json
{
    public static JsonArray Array(IEnumerable<string> texts) => [.. texts.Select(text => (JsonNode)JsonValue.Create(text))];

    /// <summary>An object for each row.</summary>
    public static JsonArray Table(Section section) => [.. section.Rows.Select(row =>
        (JsonNode)new JsonObject(section.Columns.Zip(row, (column, cell) => KeyValuePair.Create(column, (JsonNode?)cell))))];

    /// <summary>A node of its own; of members that stand there twice the last.</summary>
    public static JsonNode? Node(JsonElement json)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                var members = new JsonObject();
                foreach (JsonProperty member in json.EnumerateObject())
                    members[Name(member)] = Node(member.Value);
                return members;
            case JsonValueKind.Array:
                return new JsonArray([.. json.EnumerateArray().Select(Node)]);
            case JsonValueKind.String:
                return Text(json);
            default:
                return JsonValue.Create(json);
        }
    }

    /// <summary>A string, or a remark where it cannot be read: half a surrogate pair, or bytes that are no text.</summary>
    public static string Text(JsonElement json)
    {
        try
        {
            return json.GetString() ?? "";
        }
        catch (InvalidOperationException)
        {
            return "(unreadable)";
        }
    }

    public static string Name(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            return "(unreadable)";
        }
    }
}
