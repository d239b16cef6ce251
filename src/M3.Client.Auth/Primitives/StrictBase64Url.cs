using System.Buffers;
using System.Buffers.Text;

namespace M3.Client.Auth;

/// <summary>RFC 4648, section 5, without padding: the library's decoder forgives white space, <c>=</c> and <c>%</c>.</summary>
internal static class StrictBase64Url
{
    private static readonly SearchValues<char> Characters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

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
}
