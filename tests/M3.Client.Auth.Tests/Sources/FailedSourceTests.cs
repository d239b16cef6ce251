using System.Collections;
using System.Text;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>What a source of the user's throws is passed on inside a typed error, unless a token or a secret may stand in it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class FailedSourceTests
{
    private const string ClientSecret = "s3cr3t which nobody sees/0123456789";

    private static readonly string Token = new FakeIssuer().Token(ClientFixture.Noon);
    private static readonly string Signature = Token.Split('.')[2];

    private static IEnumerable<TestCaseData> Telltales =>
    [
        Case("the token", () => new InvalidOperationException($"cannot use {Token}")),
        Case("the token in Data", () => new InvalidOperationException("no") { Data = { ["token"] = Token } }),
        Case("the token in the Data of an exception inside", () => new InvalidOperationException("no", new IOException("no") { Data = { ["token"] = Token } })),
        Case("a bare signature", () => new InvalidOperationException($"no key for the signature {Signature}")),
        Case("a form", () => new HttpRequestException($"POST client_id=pull&client_secret={Uri.EscapeDataString(ClientSecret)}")),
        Case("the client secret", () => new IOException($"'{ClientSecret}' is refused")),
        Case("the client secret, form-encoded", () => new IOException($"{Uri.EscapeDataString(ClientSecret)} is refused")),
        Case("the client secret in base64", () => new IOException($"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes("pull:" + ClientSecret))} is refused")),
        Case("the token in a typed error of the source's own", () => new TokenRequestFailedException($"no: {Token}")),
        Case("the token inside a typed error of the source's own", () => new TokenRequestFailedException("no", isTransient: true, new IOException($"no: {Token}"))),
        Case("the token in the Data of a typed error", () => new TokenRequestFailedException("no") { Data = { ["token"] = Token } }),
    ];

    [TestCaseSource(nameof(Telltales))]
    public async Task What_may_show_a_secret_leaves_its_type_alone(object newFailure)
    {
        Exception failure = ((Func<Exception>)newFailure)();

        M3AuthException error = await FailAsync(failure);

        string shown = Show(error);
        SecrecyTests.AssertHidden("the error", [Token, ClientSecret, Uri.EscapeDataString(ClientSecret), Convert.ToBase64String(Encoding.UTF8.GetBytes("pull:" + ClientSecret))], shown);
        Assert.That(error, Is.TypeOf<TokenRequestFailedException>().With.Property("InnerException").Null);
        Assert.That(error.Message, Is.EqualTo($"Token request failed: the delegate threw {failure.GetType().Name}"));
        Assert.That(error.IsTransient, Is.EqualTo(failure is HttpRequestException or IOException or M3AuthException { IsTransient: true }));
    }

    [Test]
    public async Task Any_other_failure_is_inside_as_it_was_thrown()
    {
        var failure = new InvalidOperationException("the vault is sealed", new IOException("Connection refused")) { Data = { ["status"] = 503 } };

        Assert.That((await FailAsync(failure)).InnerException, Is.SameAs(failure));
    }

    [Test]
    public async Task A_typed_error_of_the_sources_own_arrives_as_it_is()
    {
        var failure = new MissingTokenException("nobody is signed in");

        Assert.That(await FailAsync(failure), Is.SameAs(failure));
    }

    private static async Task<M3AuthException> FailAsync(Exception failure)
    {
        using var fixture = new ClientFixture();
        M3AuthOptions options = fixture.Options();
        (options.ClientId, options.ClientSecret) = ("pull", ClientSecret);
        options.TokenSource = TokenSources.From(_ => throw failure);
        using var provider = new M3TokenProvider(options);

        return (await Assert.CatchAsync<M3AuthException>(async () => await provider.GetTokenAsync()))!;
    }

    private static string Show(Exception error)
    {
        string shown = error.ToString();
        for (Exception? e = error; e is not null; e = e.InnerException)
            shown += string.Concat(e.Data.Cast<DictionaryEntry>().Select(entry => $" {entry.Key}={entry.Value}"));
        return shown;
    }

    private static TestCaseData Case(string name, Func<Exception> newFailure) => new TestCaseData(newFailure).SetArgDisplayNames(name);
}
