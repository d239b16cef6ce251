using System.Buffers.Text;
using System.Text;

namespace M3.Client.Auth.Tests.Validation;

/// <summary>A token has one spelling: bits behind a part's last byte must not be set (RFC 4648, section 3.5), be it signed so or not.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SpellingTests
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    // Of each length that leaves bits over: one byte more than a multiple of three, or two.
    [Test]
    public void A_part_with_bits_behind_its_last_byte_is_no_base64url([Values(0, 1, 2)] int part, [Values(1, 2)] int left)
    {
        string[] parts = [.. new[] { "{\"alg\":\"RS256\"}", "{\"iss\":\"a\"}", "signature" }.Select(text => Encode(text, left))];
        Assert.That(() => ParsedJwt.Parse(string.Join('.', parts)), Throws.Nothing);

        // The alphabet's next character differs in its lowest bit alone.
        parts[part] = parts[part][..^1] + Alphabet[Alphabet.IndexOf(parts[part][^1], StringComparison.Ordinal) + 1];

        Assert.That(() => ParsedJwt.Parse(string.Join('.', parts)), Throws.TypeOf<InvalidTokenFormatException>().With.Message.Contains("not base64url"));
    }

    private static string Encode(string text, int left) => Base64Url.EncodeToString(Encoding.ASCII.GetBytes(text.PadRight(((text.Length + 2) / 3 * 3) + left)));
}
