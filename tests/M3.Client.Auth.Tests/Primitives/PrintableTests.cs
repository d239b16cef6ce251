using System.Buffers.Text;
using System.Text;
using CsCheck;

namespace M3.Client.Auth.Tests.Primitives;

[Parallelizable(ParallelScope.All)]
public sealed class PrintableTests
{
    private const string WordCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    // JSON allows white space before the brace, and each spelling of it moves the characters of base64url (RFC 8259, section 2).
    [TestCase("{\"alg\":\"RS256\"}")]
    [TestCase("{ \"alg\":\"RS256\"}")]
    [TestCase("{\n  \"alg\":\"RS256\"}")]
    [TestCase(" {\"alg\":\"RS256\"}")]
    [TestCase("  {\"alg\":\"RS256\"}")]
    [TestCase("   {\"alg\":\"RS256\"}")]
    [TestCase("\n{\"alg\":\"RS256\"}")]
    [TestCase("\r\n{\"alg\":\"RS256\"}")]
    [TestCase("\t{\"alg\":\"RS256\"}")]
    [TestCase("\t\r\n \t\r\n { \"alg\":\"RS256\"}")]
    [TestCase("{}")]
    public void A_token_is_not_shown_however_its_header_is_written(string header)
    {
        string token = $"{Encode(header)}.{Encode("\n{\"iss\":\"x\"}")}.c2lnbmF0dXJl";

        foreach (string text in (string[])[token, $"Bearer {token}", $"token={token};", $"a-{token}", $"a_{token}", $"x.y.{token}", token[..^12]])
        {
            Assert.That(Printable.Text(text), Is.EqualTo(Printable.TokenShown), text);
            Assert.That(Printable.WithoutToken(text), Is.EqualTo(Printable.TokenShown), text);
        }
    }

    [TestCase("")]
    [TestCase("https://issuer.test/realms/m3/.well-known/openid-configuration")]
    [TestCase("System.Collections.Generic.ICollection`1 at System.IAsyncResult.get_AsyncState in Microsoft.CSharp.RuntimeBinder.Binder")]
    [TestCase("Hidden.Text.Regular.Expressions, index.new.js, api.example.com, e.g. example.net.")]
    [TestCase("abc.def.ghi")]
    public void What_is_no_token_is_shown(string text) => Assert.That(Printable.WithoutToken(text), Is.EqualTo(text));

    [Test]
    public void Any_text_is_judged_as_by_trying_every_place_in_it() =>
        Gen.Char["eyJwzIHDACQgix0379Ss._- \n"].Array[0, 60].Select(characters => new string(characters)).Sample(
            text => Printable.MayHoldToken(text) == (text.Contains("eyJ", StringComparison.Ordinal) || Enumerable.Range(0, text.Length).Any(start => IsTokenAt(text[start..]))),
            iter: 50_000);

    // Millions of places where a token could begin: work that grew with their square would not end today.
    [TestCase("-ew")]
    [TestCase("-ewo.")]
    [TestCase("ICAg")]
    [TestCase("ewogICAg")]
    [TestCase("a.")]
    [TestCase(".")]
    public void The_work_grows_with_the_length_of_a_text_alone(string piece)
    {
        string text = string.Concat(Enumerable.Repeat(piece, 4 * 1024 * 1024 / piece.Length)) + ".a.";

        Assert.That(Printable.Text(text), Is.EqualTo(Printable.TokenShown).Or.Length.LessThan(2 * Printable.MaxLength));
    }

    // Obvious, and slow: three words with dots between, of which the first decodes to an object behind white space.
    private static bool IsTokenAt(string text)
    {
        string first = Word(text);
        if (first.Length == 0 || !text[first.Length..].StartsWith('.'))
            return false;
        string second = Word(text[(first.Length + 1)..]);
        if (second.Length == 0 || !text[(first.Length + 1 + second.Length)..].StartsWith('.'))
            return false;
        string whole = first.PadRight((first.Length + 3) / 4 * 4, 'A');
        string header = Encoding.Latin1.GetString(Base64Url.DecodeFromChars(whole))[..(first.Length * 6 / 8)].TrimStart(' ', '\t', '\r', '\n');
        return header.StartsWith('{') && header[1..].TrimStart(' ', '\t', '\r', '\n') is ['"' or '}', ..];
    }

    private static string Word(string text) => string.Concat(text.TakeWhile(c => WordCharacters.Contains(c, StringComparison.Ordinal)));

    private static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
}
