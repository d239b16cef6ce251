using System.Text.Json;
using System.Text.RegularExpressions;

namespace M3.Client.Auth.Tool;

/// <summary>More than the token was copied: the whole answer of a token endpoint, or the whole line of a request.</summary>
/// <param name="Error">What it is, without showing it.</param>
/// <param name="Remedy">What to take of it.</param>
internal sealed partial record PastedText(InvalidTokenFormatException Error, string Remedy)
{
    private static readonly string More = $"See {HelpLinks.To("invalid-token-format")}";

    /// <summary>Null when it is neither.</summary>
    public static PastedText? TryRecognize(string? raw)
    {
        string text = raw?.Trim() ?? "";
        if (text.StartsWith('{'))
        {
            return HasAccessToken(text)
                ? new(new("it is the whole JSON answer of a token endpoint, not the token in it"), $"Take the value of its access_token alone, without quotation marks. {More}")
                : new(new("it is JSON, and no token"), $"Take the access token alone: three parts with dots between. {More}");
        }

        return AuthorizationLine().IsMatch(text)
            ? new(new("it is the whole Authorization line of a request, not the token in it"), $"Take only what stands behind 'Bearer'. {More}")
            : null;
    }

    private static bool HasAccessToken(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.TryGetProperty("access_token", out _);
        }
        catch (JsonException)
        {
            // Cut off, or with line breaks of a terminal in it.
            return text.Contains("\"access_token\"", StringComparison.Ordinal);
        }
    }

    // As a header, as curl takes it, and as JSON and code spell it.
    [GeneratedRegex("""^(?:-H\s*|--header\s+)?["']?Authorization["']?\s*[:=]""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex AuthorizationLine();
}
