using System.Globalization;
using System.Text;

namespace M3.Client.Auth.Tool;

/// <summary>Makes text from outside safe for a terminal, and keeps tokens out of it.</summary>
internal static class Shown
{
    private const int MaxLength = 4000;

    public static string Text(string? text)
    {
        if (text is null)
            return "(not set)";
        // Every JWT, and every part of one, begins so: {" in base64url.
        if (text.Contains("eyJ", StringComparison.Ordinal))
            return "(holds a token, not shown)";

        var shown = new StringBuilder();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, MaxLength)))
        {
            if (c != '\n' && char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator)
            {
                shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
            else
            {
                shown.Append(c);
            }
        }

        return text.Length > MaxLength ? shown.Append("...").ToString() : shown.ToString();
    }

    public static string Time(TimeSpan time) => Math.Abs(time.TotalSeconds) switch
    {
        < 120 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        < 7200 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} min"),
        < 172800 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalDays:0} days"),
    };
}
