using System.Buffers.Text;
using System.Net;
using System.Text;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Primitives;

[Parallelizable(ParallelScope.All)]
public sealed class SecretsTests
{
    private const string Secret = "p+ä/ss w%20rd=~&x";

    private static readonly string Token = new FakeIssuer().Token(ClientFixture.Noon);

    private static IEnumerable<TestCaseData> Spellings =>
    [
        Case("as it is", Secret),
        Case("percent-encoded", Uri.EscapeDataString(Secret)),
        Case("percent-encoded in lower case", Uri.EscapeDataString(Secret).Replace("%2B", "%2b").Replace("%C3%A4", "%c3%a4")),
        Case("form-encoded", WebUtility.UrlEncode(Secret)),
        Case("in base64", Base64(Secret)),
        Case("in base64 behind one byte", Base64("x" + Secret + "tail")),
        Case("in base64 behind two bytes", Base64("xy" + Secret + "t")),
        Case("in base64url", Base64Url.EncodeToString(Encoding.UTF8.GetBytes("pull:" + Secret))),
        Case("in HTTP Basic", Base64("pull:" + WebUtility.UrlEncode(Secret))),
        Case("in HTTP Basic, percent-encoded", Base64("pull:" + Uri.EscapeDataString(Secret))),
        Case("in base64 that is percent-encoded", Uri.EscapeDataString(Base64("pull:" + Secret))),
    ];

    [TestCaseSource(nameof(Spellings))]
    public void A_secret_is_found_in_each_spelling(string spelling) =>
        Assert.That(Secrets.Contains($"the issuer said: {spelling}, and no more", "another", Secret), Is.True);

    [TestCase("")]
    [TestCase("invalid_client (the client is not known)")]
    [TestCase("p+ä/ss w%20rd=~&")]
    public void A_text_without_it_is_passed(string text) =>
        Assert.That(Secrets.Contains(text, null, "", Secret), Is.False);

    [Test]
    public void Of_a_token_the_payload_and_the_signature_count_alone()
    {
        string[] parts = Token.Split('.');

        Assert.That(Secrets.Contains($"signature={parts[2]};", Token), Is.True);
        Assert.That(Secrets.Contains($"payload={parts[1]};", Token), Is.True);
        Assert.That(Secrets.Contains(parts[2], $"Bearer {Token}\n"), Is.True);
        Assert.That(Secrets.Contains($"payload={Base64(parts[1])};", Token), Is.True);
        Assert.That(Secrets.Contains($"header={parts[0]};", Token), Is.False);
    }

    private static IEnumerable<TestCaseData> Harmful =>
    [
        Case("a token in the message", new InvalidOperationException($"cannot use {Token}")),
        Case("a bare signature of a token that nobody knows yet", new InvalidOperationException($"signature {Token.Split('.')[2]} is refused")),
        Case("a form", new HttpRequestException("POST grant_type=client_credentials&client_secret=hunter2")),
        Case("a JSON answer", new InvalidOperationException("""{ "access_token" : "opaque" }""")),
        Case("a secret at hand", new IOException($"{Uri.EscapeDataString(Secret)}?")),
        Case("a secret inside", new IOException("outer", new IOException(Base64("x:" + Secret)))),
        Case("a token in Data", With(new IOException(), "request", $"Bearer {Token}")),
        Case("a token in the key of Data", With(new IOException(), Token, 1)),
        Case("a bare signature in Data", With(new IOException(), "sig", Token.Split('.')[2])),
        Case("an object in Data, which may hold anything", With(new IOException(), "request", new M3AccessToken(Token))),
        Case("bytes in Data", With(new IOException(), "body", Encoding.UTF8.GetBytes(Token))),
        Case("Data of an exception inside", new IOException("outer", With(new IOException(), "secret", Secret))),
        Case("one of several inside", new AggregateException(new IOException("a"), new IOException("b", With(new IOException(), "secret", Secret)))),
        Case("a failure whose text cannot be had", new Unspeakable()),
    ];

    [TestCaseSource(nameof(Harmful))]
    public void A_failure_that_may_show_a_secret_is_not_passed_on(Exception failure) =>
        Assert.That(Secrets.HarmlessOrNull(failure, null, Secret), Is.Null);

    private static IEnumerable<TestCaseData> Harmless =>
    [
        Case("no connection", new HttpRequestException("Connection refused (issuer.test:443)", new IOException("Connection refused"))),
        Case("a vault", new InvalidOperationException("The secret 'm3-token' (version 6f9619ff-8b86-d011-b42d-00c04fc964ff) was not found.")),
        Case("a hash", new IOException("sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 does not match")),
        Case("numbers and names in Data", With(With(With(new IOException("x"), "status", 503), "kind", HttpStatusCode.BadGateway), "after", TimeSpan.FromSeconds(1))),
        Case("nothing in Data", With(new IOException("x"), "none", null)),
    ];

    [TestCaseSource(nameof(Harmless))]
    public void Any_other_failure_is_passed_on_as_it_is(Exception failure)
    {
        Exception? thrown = null;
        try
        {
            throw failure;
        }
        catch (Exception e)
        {
            thrown = e;
        }

        Assert.That(Secrets.HarmlessOrNull(thrown, null, Secret, Token), Is.SameAs(failure));
    }

    [Test]
    public void No_failure_is_none() => Assert.That(Secrets.HarmlessOrNull(null, Secret), Is.Null);

    private static TestCaseData Case(string name, object value) => new TestCaseData(value).SetArgDisplayNames(name);

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private static Exception With(Exception failure, object key, object? value)
    {
        failure.Data[key] = value;
        return failure;
    }

    private sealed class Unspeakable : Exception
    {
        public override string ToString() => throw new InvalidOperationException();
    }
}
