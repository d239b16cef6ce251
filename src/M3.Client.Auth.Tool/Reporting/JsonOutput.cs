using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary>The report for programs: every value in its own type.</summary>
internal static class JsonOutput
{
    private static readonly JsonWriterOptions Format = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(Report report)
    {
        var json = new JsonObject
        {
            ["ok"] = report.Failure is null,
            ["exitCode"] = report.ExitCode,
            ["message"] = report.Verdict,
            ["error"] = report.Failure is not { } failure ? null : new JsonObject
            {
                ["error"] = failure.Error,
                ["documentedMessage"] = failure.DocumentedMessage,
                ["message"] = failure.Message,
                ["remedy"] = failure.Remedy,
                ["isTransient"] = failure.IsTransient,
            },
            ["notes"] = Json.Array(report.Notes),
        };
        foreach ((string key, JsonNode? value) in report.Details.ToArray())
        {
            report.Details.Remove(key);
            json[key] = value;
        }

        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, Format))
            Redact(json, report.Redaction)!.WriteTo(writer);
        Console.WriteLine(Escape(Encoding.UTF8.GetString(stream.ToArray())));
    }

    private static JsonNode? Redact(JsonNode? node, Redaction redaction) => node switch
    {
        JsonObject json => new JsonObject(json.Select(member => KeyValuePair.Create(redaction.WithoutSecrets(member.Key), Redact(member.Value, redaction)))
            // Two names with a token in them have become the same.
            .DistinctBy(member => member.Key)),
        JsonArray array => new JsonArray([.. array.Select(item => Redact(item, redaction))]),
        JsonValue value when value.TryGetValue(out string? text) => redaction.WithoutSecrets(text),
        _ => node?.DeepClone(),
    };

    // Such characters can stand inside strings only, where the escape means the same.
    private static string Escape(string json)
    {
        var text = new StringBuilder(json.Length);
        foreach (char c in json)
        {
            if (c is not ('\n' or '\r') && Redaction.IsUnsafe(c))
                text.Append(Redaction.Escape(c));
            else
                text.Append(c);
        }

        return text.ToString();
    }
}
