using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>M3_OAUTH2_DEBUG: what a user sees of a whole run, failures included, and what nobody sees.</summary>
public sealed class DebugRunTests
{
    private LocalM3Server _m3 = null!;
    private CapturedLog _log = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _m3 = await LocalM3Server.StartAsync();
        _log = new CapturedLog();
    }

    [TearDown]
    public async Task StopAsync()
    {
        _log.Dispose();
        await _m3.DisposeAsync();
    }

    [Test]
    public async Task A_call_tells_the_source_the_issuer_the_key_the_checks_the_expiry_and_the_budget()
    {
        string token = _m3.CreateToken();
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, Options(TokenSources.FromValue(token)), loggerFactory: _log);
        await using (McpClient mcp = await Mcp.ConnectAsync(http, _m3.Endpoint))
        {
            await mcp.CallAsync("get_database_schema");
            await mcp.CallAsync("get_race_distribution");
        }

        Assert.Multiple(() =>
        {
            AssertLogged("Information", "Keys fetched from", ".well-known/jwks", "2 usable");
            AssertLogged("Information", "Token from the given value accepted", _m3.IssuerUrl, "kid '", "alg RS256", "signature, exp, nbf and iat, iss, aud, scopes", "read:mimic-data");
            AssertLogged("Information", "POST", "which expires", "99 left of 100 per 60 min");
            AssertLogged("Information", "POST", "which expires", "98 left of 100 per 60 min");
            AssertNoToken(token);
        });
    }

    [Test]
    public async Task Each_refusal_tells_its_reason_and_not_the_token()
    {
        await using LocalM3Server other = await LocalM3Server.StartAsync();
        (string Token, string Expected)[] cases =
        [
            ("", "MissingToken"),
            ("eyJub3QiOiJhIGp3dCJ9", "InvalidTokenFormat"),
            ($"{_m3.CreateToken()} {_m3.CreateToken()}", "InvalidTokenFormat"),
            ($"Bearer Bearer {_m3.CreateToken()}", "InvalidTokenFormat"),
            (other.CreateToken(issuer: _m3.IssuerUrl), "InvalidTokenSignature"),
            (_m3.CreateToken()[..^8] + "AAAAAAAA", "InvalidTokenSignature"),
            (_m3.CreateToken(TimeSpan.FromMinutes(-5)), "TokenExpired"),
            (_m3.CreateToken(notBefore: DateTimeOffset.UtcNow.AddMinutes(10)), "TokenNotYetValid"),
            // A token in the place of another setting is still a token.
            (_m3.CreateToken(issuer: _m3.CreateToken()), "InvalidIssuer"),
            (_m3.CreateToken(audience: _m3.CreateToken()), "InvalidAudience"),
            (_m3.CreateToken(scopes: [_m3.CreateToken()]), "MissingScopes"),
        ];

        foreach ((string token, string expected) in cases)
        {
            using HttpClient http = M3HttpClient.Create(_m3.Endpoint, Options(new LiveTokenSource(token)), loggerFactory: _log);
            M3AuthException error = (await Assert.CatchAsync<M3AuthException>(() => http.GetAsync(_m3.Endpoint)))!;
            Assert.That($"{error.Error}", Is.EqualTo(expected), error.Message);
            Assert.That(_log.Lines[^1], Does.Contain($"Request refused: {expected}"));
            Assert.That(error.ToString().Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the exception");
        }

        AssertNoToken();
        Assert.That(_m3.Received, Is.Empty);
    }

    [Test]
    public async Task A_refusal_of_M3_itself_is_told_too_and_the_token_that_failed_is_not()
    {
        string token = _m3.CreateToken(audience: "another-api");
        M3AuthOptions options = Options(TokenSources.FromValue(token));
        options.Audience = "another-api";
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, options, loggerFactory: _log);

        await Assert.ThatAsync(() => http.GetAsync(_m3.Endpoint), Throws.TypeOf<InvalidAudienceException>());

        AssertLogged("Information", "Request refused: InvalidAudience", "M3 answered 401");
        AssertNoToken(token);
    }

    [Test]
    public async Task A_token_request_tells_neither_the_secret_nor_the_token()
    {
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, Options(TokenSources.ClientCredentials(_m3.ClientId, _m3.ClientSecret)), loggerFactory: _log);

        using HttpResponseMessage response = await http.GetAsync(_m3.Endpoint);

        AssertLogged("Information", $"Token from client credentials of '{_m3.ClientId}' accepted");
        AssertNoToken(_m3.Received.Single().Token!);
        Assert.That(_log.Text, Does.Not.Contain(_m3.ClientSecret));
    }

    [Test]
    public async Task Without_debugging_a_run_without_trouble_logs_nothing()
    {
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, _m3.OptionsWith(_m3.CreateToken()), loggerFactory: _log);
        await using McpClient mcp = await Mcp.ConnectAsync(http, _m3.Endpoint);
        await mcp.CallAsync("get_database_schema");

        Assert.That(_log.Lines, Is.Empty);
    }

    private M3AuthOptions Options(ITokenSource source)
    {
        M3AuthOptions options = _m3.OptionsWith(source);
        options.Debug = true;
        return options;
    }

    private void AssertLogged(string level, params string[] parts) => Assert.That(
        _log.Lines.Any(line => line.StartsWith($"M3.Client.Auth {level}", StringComparison.Ordinal) && parts.All(part => line.Contains(part, StringComparison.Ordinal))),
        $"no line has {string.Join(" and ", parts)}; there are:\n{_log.Text}");

    private void AssertNoToken(string? token = null)
    {
        Assert.That(_log.Text.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the log");
        // Nor its signature alone.
        if (token is not null)
            Assert.That(_log.Text.Contains(token.Split('.')[2][..16], StringComparison.Ordinal), Is.False, "a signature stands in the log");
    }
}
