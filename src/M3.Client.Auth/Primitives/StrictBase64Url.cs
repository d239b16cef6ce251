using System.Buffers;
using System.Buffers.Text;

namespace M3.Client.Auth;

/// <summary>RFC 4648, section 5, without padding: the library's decoder forgives white space, <c>=</c> and <c>%</c>.</summary>
internal static class StrictBase64Url
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /// <summary>The characters that can stand in it.</summary>
    public static readonly SearchValues<char> Characters = SearchValues.Create(Alphabet);

    /// <summary>The bytes; null when the text is anything else.</summary>
    public static byte[]? TryDecode(ReadOnlySpan<char> text)
    {
        if (text.ContainsAnyExcept(Characters))
            return null;
        byte[] bytes = new byte[Base64Url.GetMaxDecodedLength(text.Length)];
        if (Base64Url.DecodeFromChars(text, bytes, out _, out int written) != OperationStatus.Done)
            return null;
        return written == bytes.Length ? bytes : bytes[..written];
    }

    /// <summary>One byte of what a text of nothing but <see cref="Characters"/> decodes to, without decoding the rest; -1 behind its end.</summary>
    public static int ByteAt(ReadOnlySpan<char> text, int index)
    {
        // A byte lies in two characters, of six bits each.
        (int at, int offset) = Math.DivRem(index * 8, 6);
        if (at + 1 >= text.Length)
            return -1;
        int bits = (Alphabet.IndexOf(text[at]) << 6) | Alphabet.IndexOf(text[at + 1]);
        return (bits >> (4 - offset)) & 0xff;
    }
}
