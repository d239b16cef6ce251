using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace M3.Client.Auth;

/// <summary>
/// Makes what came from outside (a kid, an issuer, a challenge) safe to stand in a message or a log: one line, no control or
/// formatting characters that could forge another line, no more than a reader needs.
/// </summary>
internal static partial class Printable
{
    /// <summary>How much of a text is shown.</summary>
    public const int MaxLength = 120;

    /// <summary>What stands where a token stood.</summary>
    public const string TokenShown = "(a token, not shown)";

    public static string Quote(string? value) => value is null ? "(none)" : $"'{Text(value)}'";

    public static string List(IEnumerable<string> values) => string.Join(' ', values.Take(20).Select(value => Text(value)));

    public static string Text(string value, int maxLength = MaxLength)
    {
        // A token that was put where another setting belongs is still a token.
        if (MayHoldToken(value))
            return TokenShown;
        if (value.Length <= maxLength && !value.Any(IsUnsafe))
            return value;

        var text = new StringBuilder();
        foreach (char c in value.AsSpan(0, Math.Min(value.Length, maxLength)))
        {
            if (IsUnsafe(c))
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                text.Append(c);
        }

        return value.Length > maxLength ? text.Append("...").ToString() : text.ToString();
    }

    /// <summary>The text as it is, unless a token may stand in it.</summary>
    public static string WithoutToken(string text) => MayHoldToken(text) ? TokenShown : text;

    /// <summary>Whether a JWT may stand in a text: each begins with a brace in base64url, and nearly always with <c>{"</c>.</summary>
    public static bool MayHoldToken(string text) => text.Contains("eyJ", StringComparison.Ordinal) || Indented().IsMatch(text);

    // White space may stand behind the brace.
    [GeneratedRegex(@"\be[wy][A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.", RegexOptions.CultureInvariant)]
    private static partial Regex Indented();

    private static bool IsUnsafe(char c) => char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate;
}
