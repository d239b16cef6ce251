using System.Buffers.Text;
using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Tool;

/// <summary>Every way in which a token is wrong as people meet it: two lines say what it is and what to do.</summary>
public sealed class BrokenTokenTests : ToolFixture
{
    private readonly List<string> _table = [];

    private TestIssuer _elsewhere = null!;

    [OneTimeSetUp]
    public async Task StartElsewhereAsync() => _elsewhere = await TestIssuer.StartAsync();

    [OneTimeTearDown]
    public async Task StopElsewhereAsync()
    {
        await _elsewhere.DisposeAsync();
        TestContext.Progress.WriteLine(string.Join('\n', _table));
    }

    [TestCase("none", M3AuthError.MissingToken, "Missing OAuth2 access token: looked in the environment variable M3_OAUTH2_TOKEN, the sign-in kept by m3-token login$", "Set M3_OAUTH2_TOKEN")]
    [TestCase("piped, without a dash", M3AuthError.MissingToken, "Missing OAuth2 access token", "Something was piped in: if that is the token, say so with a dash, as in m3-token check -")]
    [TestCase("half a pair of client credentials", M3AuthError.MissingToken, "M3_OAUTH2_CLIENT_ID is set, but none of M3_OAUTH2_CLIENT_SECRET, M3_OAUTH2_CLIENT_SECRET_FILE, M3_OAUTH2_CLIENT_KEY_FILE and M3_OAUTH2_CLIENT_ASSERTION_FILE is", "Set one of M3_OAUTH2_CLIENT_SECRET, M3_OAUTH2_CLIENT_SECRET_FILE, M3_OAUTH2_CLIENT_KEY_FILE and M3_OAUTH2_CLIENT_ASSERTION_FILE beside M3_OAUTH2_CLIENT_ID")]
    [TestCase("opaque", M3AuthError.InvalidTokenFormat, "Invalid token format: it has no dots", "Copy the whole access token again")]
    [TestCase("the end missing", M3AuthError.InvalidTokenFormat, "Invalid token format: it has 2 parts", "Copy the whole access token again")]
    [TestCase("in quotation marks", M3AuthError.InvalidTokenFormat, "Invalid token format: it has quotation marks in it", "Copy the whole access token again")]
    [TestCase("a token endpoint's answer", M3AuthError.InvalidTokenFormat, "it is the whole JSON answer of a token endpoint, not the token in it", "Take the value of its access_token alone")]
    [TestCase("half of such an answer", M3AuthError.InvalidTokenFormat, "it is the whole JSON answer of a token endpoint, not the token in it", "Take the value of its access_token alone")]
    [TestCase("other JSON", M3AuthError.InvalidTokenFormat, "it is JSON, and no token", "Take the access token alone")]
    [TestCase("an Authorization line", M3AuthError.InvalidTokenFormat, "it is the whole Authorization line of a request, not the token in it", "Take only what stands behind 'Bearer'")]
    [TestCase("curl's option for it", M3AuthError.InvalidTokenFormat, "it is the whole Authorization line of a request, not the token in it", "Take only what stands behind 'Bearer'")]
    [TestCase("signed with HS256", M3AuthError.InvalidTokenSignature, "the algorithm must be RS256 or ES256, but is 'HS256'", "Check that M3_OAUTH2_ISSUER_URL")]
    [TestCase("tampered with", M3AuthError.InvalidTokenSignature, "Invalid token signature: the signature does not verify", "Check that M3_OAUTH2_ISSUER_URL")]
    [TestCase("from elsewhere", M3AuthError.InvalidTokenSignature, "Invalid token signature: the issuer has no usable key 'test-key'", "The token says that its issuer is '{elsewhere}', and M3_OAUTH2_ISSUER_URL is '{issuer}'. Check that M3_OAUTH2_ISSUER_URL")]
    [TestCase("the setting lacks a slash", M3AuthError.JwksUnavailable, "Invalid token signature", "The token says that its issuer is '{issuer}', and M3_OAUTH2_ISSUER_URL is '{issuer-without-slash}': only a slash at the end differs.")]
    [TestCase("the issuer is down", M3AuthError.JwksUnavailable, "could not be reached", "The token says that its issuer is '{issuer}', and M3_OAUTH2_ISSUER_URL is 'http://127.0.0.1:1/'.")]
    [TestCase("expired", M3AuthError.TokenExpired, "Token has expired: at", "Get a new token")]
    [TestCase("early", M3AuthError.TokenNotYetValid, "Token is not yet valid: its nbf is", "Wait until the token becomes valid")]
    [TestCase("another issuer's name", M3AuthError.InvalidIssuer, "Invalid token issuer: 'https://another.test/', but M3_OAUTH2_ISSUER_URL is '{issuer}'", "Set M3_OAUTH2_ISSUER_URL to the token's issuer exactly as it stands there")]
    [TestCase("the token lacks a slash", M3AuthError.InvalidIssuer, "Invalid token issuer: '{issuer-without-slash}', but M3_OAUTH2_ISSUER_URL is '{issuer}' (they differ by a slash at the end only)", "Set M3_OAUTH2_ISSUER_URL to the token's issuer exactly as it stands there")]
    [TestCase("for another audience", M3AuthError.InvalidAudience, "Invalid token audience: 'another-api', but M3_OAUTH2_AUDIENCE is 'm3-api'", "Ask your provider for a token for M3_OAUTH2_AUDIENCE")]
    [TestCase("without the scope", M3AuthError.MissingScopes, "Missing required scopes: read:mimic-data (the token has read:notes)", "Ask your provider for a token with these scopes")]
    public async Task The_first_two_lines_say_what_is_wrong_and_what_to_do(string name, M3AuthError error, string verdict, string remedy)
    {
        Dictionary<string, string> environment = Environment(name);
        string? pipe = name == "piped, without a dash" ? M3.CreateToken() : null;

        ExampleResult text = await RunAsync(environment, pipe);
        ExampleResult json = await RunAsync(environment, pipe, "--json");

        string[] lines = text.Output.ReplaceLineEndings("\n").Split('\n');
        string row = $"{name}\n    {lines[0]}\n    {lines[1]}";
        _table.Add(row);
        TestContext.Out.WriteLine(row);
        JsonElement told = ReadJson(json).GetProperty("error");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text.ExitCode, Is.EqualTo(CodeOf(error)), text.All);
            Assert.That(lines[0], Does.StartWith("FAILED: ").And.Match(Pattern(verdict)));
            Assert.That(lines[1], Does.StartWith($"What to do: {Filled(remedy)}").And.Contain("TROUBLESHOOTING.md#"));
            Assert.That(lines[2], Is.Empty);
            AssertShowsNoToken(text, environment["M3_OAUTH2_TOKEN"]);

            Assert.That(json.ExitCode, Is.EqualTo(CodeOf(error)));
            Assert.That(told.GetProperty("error").GetString(), Is.EqualTo(error.ToString()));
            Assert.That(told.GetProperty("message").GetString(), Does.Match(Pattern(verdict)).And.StartWith(told.GetProperty("documentedMessage").GetString()!));
            Assert.That(told.GetProperty("remedy").GetString(), Does.StartWith(Filled(remedy)));
            Assert.That(told.GetProperty("isTransient").GetBoolean(), Is.EqualTo(name is "the issuer is down" or "early"));
            AssertShowsNoToken(json, environment["M3_OAUTH2_TOKEN"]);
        }
    }

    private static async Task<ExampleResult> RunAsync(Dictionary<string, string> environment, string? pipe, params string[] arguments)
    {
        await using Example tool = Example.StartTool(environment, arguments);
        await tool.PipeAsync(pipe ?? "");
        return await tool.FinishAsync();
    }

    private Dictionary<string, string> Environment(string name)
    {
        Dictionary<string, string> environment = With(M3, Token(name));
        if (name == "half a pair of client credentials")
            environment["M3_OAUTH2_CLIENT_ID"] = M3.ClientId;
        if (name == "the issuer is down")
            environment["M3_OAUTH2_ISSUER_URL"] = "http://127.0.0.1:1/";
        if (name == "the setting lacks a slash")
            environment["M3_OAUTH2_ISSUER_URL"] = M3.IssuerUrl.TrimEnd('/');
        return environment;
    }

    private string? Token(string name) => name switch
    {
        "none" or "piped, without a dash" or "half a pair of client credentials" => null,
        "opaque" => "Zm9vYmFyLW9wYXF1ZQ",
        "the end missing" => M3.CreateToken() is var token ? token[..token.LastIndexOf('.')] : "",
        "in quotation marks" => $"\"{M3.CreateToken()}\"",
        "a token endpoint's answer" => $$"""{"access_token":"{{M3.CreateToken()}}","token_type":"Bearer","expires_in":1800}""",
        "half of such an answer" => $$"""{ "access_token": "{{M3.CreateToken()[..200]}}""",
        "other JSON" => """{"error":"invalid_client"}""",
        "an Authorization line" => $"Authorization: Bearer {M3.CreateToken()}",
        "curl's option for it" => $"-H 'authorization: Bearer {M3.CreateToken()}'",
        "signed with HS256" => $"{Base64Url.EncodeToString("""{"alg":"HS256","kid":"k"}"""u8)}.{M3.CreateToken().Split('.')[1]}.c2lnbmF0dXJl",
        "tampered with" => M3.CreateToken()[..^6] + "AAAAAA",
        "from elsewhere" => _elsewhere.CreateToken(),
        "expired" => M3.CreateToken(TimeSpan.FromMinutes(-5)),
        "early" => M3.CreateToken(notBefore: DateTimeOffset.UtcNow.AddMinutes(10)),
        "another issuer's name" => M3.CreateToken(issuer: "https://another.test/"),
        "the token lacks a slash" => M3.CreateToken(issuer: M3.IssuerUrl.TrimEnd('/')),
        "for another audience" => M3.CreateToken(audience: "another-api"),
        "without the scope" => M3.CreateToken(scopes: ["read:notes"]),
        _ => M3.CreateToken(),
    };

    private string Filled(string text) => text.Replace("{issuer}", M3.IssuerUrl, StringComparison.Ordinal)
        .Replace("{issuer-without-slash}", M3.IssuerUrl.TrimEnd('/'), StringComparison.Ordinal).Replace("{elsewhere}", _elsewhere.IssuerUrl, StringComparison.Ordinal);

    // A dollar sign at the end means the end.
    private string Pattern(string verdict) => verdict.EndsWith('$')
        ? System.Text.RegularExpressions.Regex.Escape(Filled(verdict[..^1])) + "$"
        : System.Text.RegularExpressions.Regex.Escape(Filled(verdict));
}
