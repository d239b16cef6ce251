using System.Buffers;
using System.Globalization;
using System.Text;

namespace M3.Client.Auth;

/// <summary>
/// Makes what came from outside (a kid, an issuer, a challenge) safe to stand in a message or a log: one line, no control or
/// formatting characters that could forge another line, no more than a reader needs.
/// </summary>
internal static class Printable
{
    // How base64url begins when the first byte is a brace, a space, a tab or a line's end.
    private static readonly SearchValues<char> FirstOfObjects = SearchValues.Create("eICD");

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

    /// <summary>
    /// Whether a JWT may stand in a text: each begins with a JSON object in base64url, nearly always with <c>{"</c>. The work grows with
    /// the text's length alone.
    /// </summary>
    public static bool MayHoldToken(string text) => text.Contains("eyJ", StringComparison.Ordinal) || HasSpacedHeader(text);

    // White space may stand before the object's brace and behind it. Then only what looks like three parts counts.
    private static bool HasSpacedHeader(ReadOnlySpan<char> text)
    {
        while (text.IndexOf('.') is >= 0 and int dot)
        {
            ReadOnlySpan<char> first = text[..dot];
            text = text[(dot + 1)..];
            if (text.IndexOfAnyExcept(StrictBase64Url.Characters) is > 0 and int end && text[end] == '.'
                && EndsInObject(first[(first.LastIndexOfAnyExcept(StrictBase64Url.Characters) + 1)..]))
                return true;
        }

        return false;
    }

    // Whether decoding from some character on gives an object. White space before it may be long: its last characters, a group of four
    // with the brace among their three bytes, are enough.
    private static bool EndsInObject(ReadOnlySpan<char> word)
    {
        while (word.IndexOfAny(FirstOfObjects) is >= 0 and int start)
        {
            word = word[start..];
            int at = 0;
            while (at < 2 && IsJsonSpace(StrictBase64Url.ByteAt(word, at)))
                at++;
            if (StrictBase64Url.ByteAt(word, at) == '{')
            {
                do
                    at++;
                while (IsJsonSpace(StrictBase64Url.ByteAt(word, at)));
                if (StrictBase64Url.ByteAt(word, at) is '"' or '}')
                    return true;
            }

            word = word[1..];
        }

        return false;
    }

    private static bool IsJsonSpace(int value) => value is ' ' or '\t' or '\r' or '\n';

    private static bool IsUnsafe(char c) => char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate;
}
