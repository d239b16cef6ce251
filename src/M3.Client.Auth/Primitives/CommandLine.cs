using System.Text;

namespace M3.Client.Auth;

/// <summary>
/// Splits a command line into words, the same way on every system and without a shell: nothing is expanded and nothing is run. White space
/// separates words; single and double quotation marks group, and may stand in the middle of a word. A backslash means something only
/// inside double quotes before <c>"</c> or <c>\</c>, so that paths of Windows stay as they are.
/// </summary>
internal static class CommandLine
{
    /// <returns>The words; null when a quotation mark is not closed.</returns>
    public static string[]? Split(string text)
    {
        List<string> words = [];
        // Null: between words. What is quoted is a word even when it is empty.
        StringBuilder? word = null;
        char? quote = null;
        for (int at = 0; at < text.Length; at++)
        {
            char c = text[at];
            if (quote is null && char.IsWhiteSpace(c))
            {
                if (word is not null)
                    words.Add(word.ToString());
                word = null;
                continue;
            }

            word ??= new StringBuilder();
            if (c == quote)
                quote = null;
            else if (quote is null && (c is '\'' or '"'))
                quote = c;
            else if (quote == '"' && c == '\\' && at + 1 < text.Length && (text[at + 1] is '"' or '\\'))
                word.Append(text[++at]);
            else
                word.Append(c);
        }

        if (quote is not null)
            return null;
        if (word is not null)
            words.Add(word.ToString());
        return [.. words];
    }
}
