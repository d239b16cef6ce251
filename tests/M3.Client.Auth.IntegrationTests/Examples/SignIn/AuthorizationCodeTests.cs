using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.WebUtilities;

namespace M3.Client.Auth.IntegrationTests.Examples.SignIn;

/// <summary>Signing in at LocalM3 by authorization code with PKCE on a loopback redirect (RFC 7636, RFC 8252).</summary>
public sealed class AuthorizationCodeTests : LocalM3Fixture
{
    private const string Redirect = "http://127.0.0.1:49152/callback";
    private static readonly string Verifier = new('v', 43);
    private static readonly string Challenge = WebEncoders.Base64UrlEncode(SHA256.HashData(Encoding.ASCII.GetBytes(Verifier)));

    private ForeignClient _client = null!;

    private string Origin => M3.BaseAddress.GetLeftPart(UriPartial.Authority);

    [SetUp]
    public void Connect() => _client = new ForeignClient(M3);

    [TearDown]
    public void Disconnect() => _client.Dispose();

    [Test]
    public async Task A_person_who_allows_goes_back_with_a_code_the_state_and_the_issuer_and_the_code_gives_that_persons_tokens()
    {
        using HttpResponseMessage page = await _client.GetAsync(QueryHelpers.AddQueryString("connect/authorize", Request()));
        string html = await page.Content.ReadAsStringAsync();
        Assert.That(page.StatusCode, Is.EqualTo(HttpStatusCode.OK), html);
        Assert.That(html, Does.Contain(M3.PublicClientId).And.Contain(ForeignClient.Scopes).And.Contain(M3.Endpoint.AbsoluteUri).And.Contain("made-up people, so no password"));
        Assert.That(html, Does.Not.Contain("<script"));

        Dictionary<string, string> answer = await AllowAsync("grace");
        Assert.That(answer.Keys, Is.EquivalentTo((string[])["code", "state", "iss"]));
        Assert.That(answer["state"], Is.EqualTo("a state & more"));
        Assert.That(answer["iss"], Is.EqualTo(M3.IssuerUrl));

        Answer tokens = await ExchangeAsync(answer["code"]);
        Assert.That(tokens.Status, Is.EqualTo(HttpStatusCode.OK), tokens.Body.ToString());
        Assert.That(tokens.Claims.GetProperty("sub").GetString(), Is.EqualTo("grace"));
        Assert.That(tokens["scope"], Is.EqualTo(ForeignClient.Scopes));
        Assert.That(await _client.CallM3Async(tokens["access_token"]), Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await _client.RefreshAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task A_person_who_denies_goes_back_with_access_denied()
    {
        Dictionary<string, string> answer = await SubmitAsync(Request(), ("decision", "deny"));

        Assert.That(answer["error"], Is.EqualTo("access_denied"));
        Assert.That(answer["state"], Is.EqualTo("a state & more"));
        Assert.That(answer["iss"], Is.EqualTo(M3.IssuerUrl));
        Assert.That(answer.Keys, Does.Not.Contain("code"));
    }

    [Test]
    public async Task A_code_that_comes_a_second_time_ends_the_sign_in_that_it_began()
    {
        Dictionary<string, string> answer = await AllowAsync();
        Answer first = await ExchangeAsync(answer["code"]);

        Assert.That((await ExchangeAsync(answer["code"])).Error, Is.EqualTo("invalid_grant"));
        Assert.That((await _client.RefreshAsync(first["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
    }

    [TestCase("a wrong verifier", "invalid_grant")]
    [TestCase("no verifier", "invalid_request")]
    [TestCase("another redirect", "invalid_grant")]
    public async Task A_code_is_worth_nothing_with(string wrong, string expected)
    {
        Dictionary<string, string> answer = await AllowAsync();

        Answer tokens = await ExchangeAsync(
            answer["code"],
            wrong switch { "a wrong verifier" => new string('w', 43), "no verifier" => "", _ => Verifier },
            wrong == "another redirect" ? "http://127.0.0.1:49153/callback" : Redirect);

        Assert.That(tokens.Error, Is.EqualTo(expected), tokens.Body.ToString());
    }

    [TestCase(null, null)]
    [TestCase("plain", "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv")]
    [TestCase(null, "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv")]
    public async Task A_request_without_PKCE_or_with_another_method_than_S256_is_refused(string? method, string? challenge)
    {
        Dictionary<string, string?> request = Request();
        request["code_challenge_method"] = method;
        request["code_challenge"] = challenge;

        using HttpResponseMessage response = await _client.GetAsync(QueryHelpers.AddQueryString("connect/authorize", request));

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("invalid_request").And.Contain("code_challenge"));
    }

    [TestCase("http://127.0.0.1:1/")]
    [TestCase("http://127.0.0.1:65535/a/b?c=d")]
    [TestCase("http://127.0.0.1/callback")]
    [TestCase("http://[::1]:8400/callback")]
    public async Task A_loopback_redirect_is_good_at_any_port_and_path(string redirect)
    {
        using HttpResponseMessage response = await _client.GetAsync(QueryHelpers.AddQueryString("connect/authorize", Request(redirect)));

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), await response.Content.ReadAsStringAsync());
    }

    [TestCase("https://evil.example/callback")]
    [TestCase("http://localhost:8400/callback")]
    [TestCase("https://127.0.0.1:8400/callback")]
    [TestCase("http://127.0.0.1.evil.example/callback")]
    [TestCase("http://127.0.0.1:80@evil.example/callback")]
    [TestCase("http://user@127.0.0.1:8400/callback")]
    [TestCase("http://127.1:8400/callback")]
    [TestCase("http://0x7f000001:8400/callback")]
    [TestCase("http://[::2]:8400/callback")]
    [TestCase("http://127.0.0.1:8400/callback\\@evil.example")]
    [TestCase("http://127.0.0.1:8400/callback#fragment")]
    [TestCase("com.example.app:/callback")]
    public async Task Any_other_redirect_is_refused_and_nobody_is_sent_there(string redirect)
    {
        Dictionary<string, string?> request = Request(redirect);

        using HttpResponseMessage shown = await _client.GetAsync(QueryHelpers.AddQueryString("connect/authorize", request));
        using HttpResponseMessage allowed = await _client.SubmitAsync("connect/authorize", Origin, [.. Fields(request), ("decision", "allow"), ("person", "ada")]);

        Assert.That(shown.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(shown.Headers.Location, Is.Null);
        Assert.That(allowed.StatusCode, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(allowed.Headers.Location, Is.Null);
    }

    [Test]
    public async Task Another_client_is_refused()
    {
        Dictionary<string, string?> request = Request();
        request["client_id"] = M3.ClientId;

        using HttpResponseMessage response = await _client.GetAsync(QueryHelpers.AddQueryString("connect/authorize", request));

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("invalid_client"));
    }

    [TestCase(null)]
    [TestCase("null")]
    [TestCase("https://evil.example")]
    [TestCase("http://127.0.0.1:1")]
    public async Task A_decision_from_another_page_does_not_count(string? origin)
    {
        (string, string)[] decision = [("decision", "allow"), ("person", "ada")];
        using HttpResponseMessage authorize = await _client.SubmitAsync("connect/authorize", origin, [.. Fields(Request()), .. decision]);
        Assert.That(authorize.StatusCode, Is.EqualTo(HttpStatusCode.OK), "the page is shown, nobody is sent back");
        Assert.That(await authorize.Content.ReadAsStringAsync(), Does.Contain("Who are you?"));

        Answer device = await _client.StartDeviceAsync();
        using HttpResponseMessage verify = await _client.SubmitAsync("connect/device", origin, [("user_code", device["user_code"]), .. decision]);
        Assert.That(await verify.Content.ReadAsStringAsync(), Does.Contain("Who are you?"));
        Assert.That((await _client.PollAsync(device)).Error, Is.EqualTo("authorization_pending"));
    }

    [Test]
    public async Task A_decision_in_an_address_does_not_count_and_neither_does_a_person_who_is_not_there()
    {
        Dictionary<string, string?> request = Request();
        request["decision"] = "allow";
        request["person"] = "ada";
        using HttpResponseMessage byAddress = await _client.GetAsync(QueryHelpers.AddQueryString("connect/authorize", request));
        using HttpResponseMessage nobody = await _client.SubmitAsync("connect/authorize", Origin, [.. Fields(Request()), ("decision", "allow"), ("person", "mallory")]);

        Assert.That(byAddress.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(nobody.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await byAddress.Content.ReadAsStringAsync(), Does.Not.Contain("type=\"hidden\" name=\"decision\""), "it is not carried along");
    }

    [Test]
    public async Task What_a_request_says_is_shown_as_text()
    {
        Dictionary<string, string?> request = Request();
        request["scope"] = "read:mimic-data <b>bold</b>\"'";

        using HttpResponseMessage response = await _client.GetAsync(QueryHelpers.AddQueryString("connect/authorize", request));

        Assert.That(await response.Content.ReadAsStringAsync(), Does.Contain("&lt;b&gt;bold&lt;/b&gt;&quot;&#39;").And.Not.Contain("<b>"));
        Assert.That(response.Headers.GetValues("Content-Security-Policy").Single(), Does.Contain("default-src 'none'").And.Contain("frame-ancestors 'none'"));
        Assert.That(response.Headers.CacheControl!.NoStore, Is.True);
    }

    private static Dictionary<string, string?> Request(string redirect = Redirect) => new()
    {
        ["client_id"] = "local-m3-cli",
        ["response_type"] = "code",
        ["redirect_uri"] = redirect,
        ["scope"] = ForeignClient.Scopes,
        ["state"] = "a state & more",
        ["code_challenge"] = Challenge,
        ["code_challenge_method"] = "S256",
    };

    private static (string, string)[] Fields(Dictionary<string, string?> request) => [.. request.Select(pair => (pair.Key, pair.Value!))];

    private Task<Dictionary<string, string>> AllowAsync(string person = "ada") => SubmitAsync(Request(), ("decision", "allow"), ("person", person));

    private async Task<Dictionary<string, string>> SubmitAsync(Dictionary<string, string?> request, params (string, string)[] decision)
    {
        using HttpResponseMessage response = await _client.SubmitAsync("connect/authorize", Origin, [.. Fields(request), .. decision]);
        return Query(response);
    }

    private static Dictionary<string, string> Query(HttpResponseMessage response)
    {
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Redirect));
        Assert.That(response.Headers.Location!.GetLeftPart(UriPartial.Path), Is.EqualTo(Redirect));
        return QueryHelpers.ParseQuery(response.Headers.Location.Query).ToDictionary(pair => pair.Key, pair => pair.Value.Single()!);
    }

    private Task<Answer> ExchangeAsync(string code, string? verifier = null, string redirect = Redirect) => _client.PostAsync("connect/token",
    [
        ("grant_type", "authorization_code"), ("client_id", M3.PublicClientId), ("code", code), ("redirect_uri", redirect),
        .. verifier is "" ? ((string, string)[])[] : [("code_verifier", verifier ?? Verifier)],
    ]);
}
