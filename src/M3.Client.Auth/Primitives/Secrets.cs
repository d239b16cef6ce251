using System.Collections;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;

namespace M3.Client.Auth;

/// <summary>Tells whether a secret stands in a text, or in a failure that is about to be passed on, however it is spelled there.</summary>
internal static partial class Secrets
{
    // Below this a piece of base64 is too short to say anything.
    private const int ShortestPiece = 4;

    // A signature of ES256 has 86 characters, one of RS256 342 and more; a GUID has 36.
    private const int LongestOrdinaryWord = 39;

    /// <summary>
    /// Whether one of the secrets stands in the text: as it is, percent- or form-encoded, or in base64 or base64url at any offset. Of a
    /// JWT the payload alone and the signature alone count, too. A secret that is null or empty stands nowhere.
    /// </summary>
    public static bool Contains(string text, params ReadOnlySpan<string?> secrets)
    {
        string[]? readings = null;
        foreach (string? secret in secrets)
        {
            if (string.IsNullOrEmpty(secret))
                continue;
            readings ??= [text, Uri.UnescapeDataString(text), WebUtility.UrlDecode(text)];
            if (Parts(secret.Trim()).SelectMany(Spellings).Any(spelling => readings.Any(reading => reading.Contains(spelling, StringComparison.Ordinal))))
                return true;
        }

        return false;
    }

    /// <summary>
    /// A failure that may be passed on as an inner exception; null when a secret at hand, a token, a credential's field or what looks like
    /// a signature stands in what it shows: its text and its <see cref="Exception.Data"/>, and those of every exception inside.
    /// </summary>
    public static Exception? HarmlessOrNull(Exception? failure, params ReadOnlySpan<string?> secrets) =>
        failure is null || MayShow(failure, secrets) ? null : failure;

    /// <summary>
    /// Whether one of the secrets, a token, a credential's field or what looks like a signature may stand in a text that somebody else wrote.
    /// </summary>
    public static bool MayStandIn(string text, params ReadOnlySpan<string?> secrets) => MayShow(text, secrets) || HasRandomWord(text);

    private static bool MayShow(Exception failure, ReadOnlySpan<string?> secrets)
    {
        try
        {
            if (MayShow(failure.ToString(), secrets))
                return true;
            for (Exception? e = failure; e is not null; e = e.InnerException)
            {
                // A stack trace has long words of its own, so that only the message is searched for them.
                if (MayStandIn(e.Message, secrets) || MayShow(e.Data, secrets))
                    return true;
                if (e is not AggregateException several)
                    continue;
                foreach (Exception inner in several.InnerExceptions)
                {
                    if (MayShow(inner, secrets))
                        return true;
                }
            }

            return false;
        }
        catch (Exception)
        {
            // What cannot even be looked at is not passed on.
            return true;
        }
    }

    private static bool MayShow(IDictionary data, ReadOnlySpan<string?> secrets)
    {
        foreach (DictionaryEntry entry in data)
        {
            foreach (object? one in (object?[])[entry.Key, entry.Value])
            {
                // Any other object may hold anything, and a structured log looks inside.
                if (one is not (null or IConvertible or Guid or TimeSpan or DateTimeOffset))
                    return true;
                string text = Convert.ToString(one, CultureInfo.InvariantCulture) ?? "";
                if (MayStandIn(text, secrets))
                    return true;
            }
        }

        return false;
    }

    private static bool MayShow(string text, ReadOnlySpan<string?> secrets) =>
        Printable.MayHoldToken(text) || CredentialField().IsMatch(text) || Contains(text, secrets);

    private static string[] Parts(string secret) =>
        secret.Split('.') is [_, { Length: > 0 } payload, { Length: > 0 } signature] ? [secret, payload, signature] : [secret];

    private static IEnumerable<string> Spellings(string secret)
    {
        yield return secret;

        // HTTP Basic has the form-encoded secret inside its base64 (RFC 6749, section 2.3.1).
        foreach (string inner in new[] { secret, Uri.EscapeDataString(secret), WebUtility.UrlEncode(secret) }.Distinct())
        {
            foreach (string piece in Base64Pieces(inner))
            {
                yield return piece;
                yield return piece.Replace('+', '-').Replace('/', '_');
            }
        }
    }

    // In base64 a text looks different behind 0, 1 and 2 other bytes; its first and last characters hold bits of its neighbours.
    private static IEnumerable<string> Base64Pieces(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        for (int before = 0; before < 3; before++)
        {
            string whole = Convert.ToBase64String([.. new byte[before], .. bytes]);
            int first = ((before * 8) + 5) / 6;
            int end = (before + bytes.Length) * 8 / 6;
            if (end - first >= ShortestPiece)
                yield return whole[first..end];
        }
    }

    private static bool HasRandomWord(ReadOnlySpan<char> text)
    {
        while (text.IndexOfAny(StrictBase64Url.Characters) is >= 0 and int start)
        {
            text = text[start..];
            int length = text.IndexOfAnyExcept(StrictBase64Url.Characters) is >= 0 and int end ? end : text.Length;
            ReadOnlySpan<char> word = text[..length];
            if (length > LongestOrdinaryWord && word.ContainsAnyInRange('0', '9') && word.ContainsAnyInRange('a', 'z') && word.ContainsAnyInRange('A', 'Z'))
                return true;
            text = text[length..];
        }

        return false;
    }

    // As in a form, in JSON, in a header.
    [GeneratedRegex("(?:client_secret|client_assertion|access_token|refresh_token|id_token|assertion|password|authorization)[\"']?\\s*(?:=|:|%3D)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex CredentialField();
}
