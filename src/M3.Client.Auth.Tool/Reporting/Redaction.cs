using System.Globalization;
using System.Text;

namespace M3.Client.Auth.Tool;

/// <summary>Keeps tokens and secrets out of what is shown, and makes text from outside safe for a terminal.</summary>
internal sealed class Redaction
{
    private const int MaxLength = 4000;

    // What is shorter is no token's part, and would hide ordinary words.
    private const int ShortestPart = 16;
    private const int ShortestSecret = 4;

    private static readonly char[] Separators = [' ', '\t', '\r', '\n', '.', ',', ':', '=', '"', '\'', '{', '}'];

    private readonly HashSet<string> _secrets = new(StringComparer.Ordinal);

    /// <summary>Never shows this secret.</summary>
    public void HideSecret(string? secret)
    {
        if (secret?.Trim() is { Length: >= ShortestSecret } text)
            _secrets.Add(text);
    }

    /// <summary>Never shows this token nor its parts, whatever was pasted around it.</summary>
    public void HideToken(string? token)
    {
        HideSecret(token);
        _secrets.UnionWith((token ?? "").Split(Separators).Where(part => part.Length >= ShortestPart));
    }

    /// <summary>The text, or a remark where a token or a secret stands in it.</summary>
    public string WithoutSecrets(string text) =>
        // Every JWT, and each readable part of one, begins so: {" in base64url.
        text.Contains("eyJ", StringComparison.Ordinal) ? "(holds a token, not shown)"
        : _secrets.Any(secret => text.Contains(secret, StringComparison.Ordinal)) ? "(holds a secret, not shown)"
        : text;

    /// <summary>The text for a terminal: nothing in it can move the cursor.</summary>
    public string ForTerminal(string? text)
    {
        if (text is null)
            return "(not set)";
        text = WithoutSecrets(text);
        var shown = new StringBuilder();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, MaxLength)))
        {
            if (c != '\n' && IsUnsafe(c))
                shown.Append(Escape(c));
            else
                shown.Append(c);
        }

        return text.Length > MaxLength ? shown.Append("...").ToString() : shown.ToString();
    }

    /// <summary>Whether a character could forge or hide what stands around it.</summary>
    public static bool IsUnsafe(char c) => char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
        or UnicodeCategory.ParagraphSeparator;

    public static string Escape(char c) => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
}
