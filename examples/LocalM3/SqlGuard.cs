using System.Text.RegularExpressions;

namespace LocalM3;

/// <summary>M3's filter in front of the database: one reading statement, and no word that smells of something else.</summary>
internal static partial class SqlGuard
{
    private static readonly string[] ReadingWords = ["SELECT", "WITH", "DESCRIBE", "SHOW", "PRAGMA"];

    private static readonly string[] WritingWords =
    [
        "INSERT", "UPDATE", "DELETE", "DROP", "CREATE", "ALTER", "TRUNCATE", "REPLACE", "MERGE", "EXEC", "EXECUTE",
    ];

    private static readonly string[] InjectionPatterns =
    [
        "1=1", "OR '1'='1'", "AND '1'='1'", "WAITFOR", "SLEEP(", "BENCHMARK(", "LOAD_FILE(", "INTO OUTFILE", "INTO DUMPFILE",
    ];

    // Looked for anywhere in the text, as M3 does: `turkey` is refused for its KEY.
    private static readonly string[] SuspiciousNames =
    [
        "PASSWORD", "ADMIN", "USER", "LOGIN", "AUTH", "TOKEN", "CREDENTIAL", "SECRET", "KEY", "HASH", "SALT", "SESSION", "COOKIE",
    ];

    /// <summary>Why M3 would not run this query; null when it would.</summary>
    public static string? Refusal(string query)
    {
        string upper = query.ToUpperInvariant();
        string code = StringsAndComments().Replace(upper, " ").Trim(' ', '\t', '\r', '\n', ';');
        string[] words = code.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

        if (words is [])
            return "Empty query";
        if (code.Contains(';'))
            return "Multiple statements not allowed";
        if (!ReadingWords.Contains(FirstWord().Match(code).Value))
            return "Only SELECT and PRAGMA queries allowed";
        if (WritingWords.FirstOrDefault(words.Contains) is { } word)
            return $"Write operation not allowed: {word}";
        if (InjectionPatterns.Any(upper.Contains))
            return "Injection pattern detected";
        if (SuspiciousNames.FirstOrDefault(upper.Contains) is { } name)
            return $"Suspicious identifier detected: {name} (not medical data)";

        return null;
    }

    [GeneratedRegex("""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/""", RegexOptions.Singleline)]
    private static partial Regex StringsAndComments();

    // The SELECT of `(SELECT 1) UNION ...` and of `SELECT*` counts, too.
    [GeneratedRegex(@"(?<=^[\s(]*)\w+")]
    private static partial Regex FirstWord();
}
