using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Tool;

/// <summary>The command-line tool, as a process.</summary>
public sealed class TokenCheckTests
{
    private const int Usage = 2;
    private const int WrongSettings = 3;

    private LocalM3Server _m3 = null!;

    [OneTimeSetUp]
    public async Task StartAsync() => _m3 = await LocalM3Server.StartAsync();

    [OneTimeTearDown]
    public async Task StopAsync() => await _m3.DisposeAsync();

    [Test]
    public async Task A_good_token_is_explained_step_by_step()
    {
        ExampleResult result = await CheckAsync(_m3.CreateToken());

        Show(result);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Error, Is.Empty);
            foreach (string expected in (string[])
            [
                @"M3_OAUTH2_ISSUER_URL +http://127\.0\.0\.1:\d+/ +environment", @"M3_OAUTH2_JWKS_CACHE_TTL +3600 s +default", @"M3_OAUTH2_TOKEN +\(set, not shown\) +environment",
                @"alg +RS256", @"iss +http://127", @"exp +\d+ = 20", @"GET http://\S+/\.well-known/openid-configuration +200", @"GET http://\S+jwks\.json +200",
                @"\(RS256\) +usable", @"\(ES256\) +usable",
                @"present +passed +the environment variable M3_OAUTH2_TOKEN\n +format +passed.*\n +signature +passed +RS256.*\n +exp +passed.*\n +nbf and iat +passed.*\n +iss +passed.*\n +aud +passed +m3-api\n +scopes +passed +needed: read:mimic-data; granted: read:mimic-data",
                @"time left +30 min", @"rate limit +100 requests per 60 min for local-m3-client", "OK: by M3's rules this token is good, and has 30 min left",
            ])
                Assert.That(result.Output.ReplaceLineEndings("\n"), Does.Match(expected));
            Assert.That(_m3.Received, Is.Empty, "a check sends nothing to M3");
            AssertShowsNoToken(result);
        }
    }

    [TestCase("none", 10, "present", "Missing OAuth2 access token: looked in the environment variable M3_OAUTH2_TOKEN", "Set M3_OAUTH2_TOKEN")]
    [TestCase("opaque", 11, "format", "Invalid token format: it has no dots", "Copy the whole access token again")]
    [TestCase("tampered", 12, "signature", "Invalid token signature: the signature does not verify", "Check that M3_OAUTH2_ISSUER_URL")]
    [TestCase("expired", 14, "exp", "Token has expired: at", "Get a new token")]
    [TestCase("early", 15, "nbf and iat", "Token is not yet valid: its nbf is", "Wait until the token becomes valid")]
    [TestCase("issuer", 16, "iss", "Invalid token issuer: 'https://another.test/'", "Set M3_OAUTH2_ISSUER_URL")]
    [TestCase("audience", 17, "aud", "Invalid token audience: 'another-api'", "Ask your provider for a token for M3_OAUTH2_AUDIENCE")]
    [TestCase("scopes", 18, "scopes", "Missing required scopes: read:mimic-data (the token has read:notes)", "Ask your provider for a token with these scopes")]
    public async Task The_first_thing_that_fails_is_told_with_its_remedy(string token, int exitCode, string check, string message, string remedy)
    {
        ExampleResult result = await CheckAsync(Bad(token));
        ExampleResult json = await CheckAsync(Bad(token), "--json");

        Show(result);
        JsonElement report = JsonDocument.Parse(json.Output).RootElement;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.EqualTo(exitCode), result.All);
            Assert.That(result.Output, Does.Match($@"\n  {check} +failed +").And.Contain($"FAILED: {message}").And.Contain($"What to do: {remedy}").And.Contain("/TROUBLESHOOTING.md#"));
            Assert.That(result.Output.Contains("do not believe them", StringComparison.Ordinal), Is.EqualTo(token == "tampered"));
            Assert.That(result.Output, Does.Contain("(RS256)"), "the keys are shown all the same");
            AssertShowsNoToken(result);

            Assert.That(json.ExitCode, Is.EqualTo(exitCode));
            Assert.That(report.GetProperty("ok").GetBoolean(), Is.False);
            Assert.That(report.GetProperty("error").GetString(), Is.EqualTo(((M3AuthError)(exitCode - 10)).ToString()));
            Assert.That(report.GetProperty("exitCode").GetInt32(), Is.EqualTo(exitCode));
            Assert.That(report.GetProperty("message").GetString(), Does.StartWith(message));
            Assert.That(message, Does.StartWith(report.GetProperty("documentedMessage").GetString()!));
            Assert.That(report.GetProperty("checks").EnumerateArray().Count(row => row.GetProperty("result").GetString() == "failed"), Is.EqualTo(1));
            AssertShowsNoToken(json);
        }
    }

    [TestCase("-")]
    [TestCase("--stdin")]
    [TestCase("check", "-")]
    public async Task Standard_input_works_and_comes_before_the_environment(params string[] arguments)
    {
        await using Example tool = Example.StartTool([.. _m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", "nonsense")], arguments);
        await tool.PipeAsync($"  Bearer {_m3.CreateToken(algorithm: "ES256")}\n");

        ExampleResult result = await tool.FinishAsync();

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("present      passed  standard input").And.Contain("ES256, key"));
        AssertShowsNoToken(result);
    }

    [Test]
    public async Task A_token_on_the_command_line_is_refused_with_the_reason_and_not_repeated()
    {
        string token = _m3.CreateToken();
        foreach (string[] arguments in (string[][])[[token], ["check", token], ["--token", token], [$"--token={token}"], ["call", token], ["opaque-token-secret"], ["Bearer x"]])
        {
            ExampleResult result = await Example.RunToolAsync(_m3.ClientEnvironment, arguments);

            Assert.That(result.ExitCode, Is.EqualTo(Usage), result.All);
            Assert.That(result.Error, Does.Contain("A token does not belong on the command line").Or.StartWith("call needs an absolute http or https URL"));
            Assert.That(result.All, Does.Not.Contain("opaque-token-secret"));
            AssertShowsNoToken(result);
        }
    }

    [Test]
    public async Task A_token_file_and_client_credentials_are_sources_too()
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"{Guid.NewGuid():N}.jwt");
        await File.WriteAllTextAsync(path, _m3.CreateToken());
        try
        {
            ExampleResult file = await Example.RunToolAsync([.. _m3.ClientEnvironment, new("M3_OAUTH2_TOKEN_FILE", path)]);
            ExampleResult client = await Example.RunToolAsync(
                [.. _m3.ClientEnvironment, new("M3_OAUTH2_CLIENT_ID", _m3.ClientId), new("M3_OAUTH2_CLIENT_SECRET", _m3.ClientSecret)]);
            ExampleResult wrong = await Example.RunToolAsync(
                [.. _m3.ClientEnvironment, new("M3_OAUTH2_CLIENT_ID", _m3.ClientId), new("M3_OAUTH2_CLIENT_SECRET", "another-secret")]);

            using (Assert.EnterMultipleScope())
            {
                Assert.That(file.ExitCode, Is.Zero, file.All);
                Assert.That(file.Output, Does.Contain($"passed  the file {path}"));
                Assert.That(client.ExitCode, Is.Zero, client.All);
                Assert.That(client.Output, Does.Contain("passed  client credentials of local-m3-client").And.Contain("connect/token").And.Not.Contain(_m3.ClientSecret));
                Assert.That(wrong.ExitCode, Is.EqualTo(10 + (int)M3AuthError.TokenRequestFailed), wrong.All);
                Assert.That(wrong.Output, Does.Contain("FAILED: Token request failed").And.Contain("invalid_client").And.Not.Contain("another-secret"));
                AssertShowsNoToken(file);
                AssertShowsNoToken(client);
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Test]
    public async Task Keys_are_shown_without_a_token_and_their_absence_with_the_reason()
    {
        ExampleResult result = await Example.RunToolAsync(_m3.ClientEnvironment, "keys");
        ExampleResult down = await Example.RunToolAsync([new("M3_OAUTH2_ISSUER_URL", "http://127.0.0.1:1/"), new("M3_OAUTH2_AUDIENCE", "m3-api")], "keys");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Output, Does.Contain("OK: 2 usable, 0 ignored").And.Contain("(RS256)").And.Contain("(ES256)"));
            Assert.That(down.ExitCode, Is.EqualTo(10 + (int)M3AuthError.JwksUnavailable), down.All);
            Assert.That(down.Output, Does.Contain("ConnectionError").And.Contain("could not be reached").And.Contain("#jwks-unavailable"));
        }
    }

    [Test]
    public async Task A_call_shows_what_M3_answered()
    {
        await using LocalM3Server strict = await LocalM3Server.StartAsync(new LocalM3Options { Refusals = Refusals.AsToolText });

        ExampleResult result = await Example.RunToolAsync(With(strict, strict.CreateToken()), "call", strict.Endpoint.AbsoluteUri, "--tool", "get_race_distribution");
        // Only M3 knows that this one lacks a scope.
        ExampleResult refused = await Example.RunToolAsync(
            [.. With(strict, strict.CreateToken(scopes: [])), new("M3_OAUTH2_REQUIRED_SCOPES", "")], "call", strict.Endpoint.AbsoluteUri);
        ExampleResult expired = await Example.RunToolAsync(With(strict, strict.CreateToken(TimeSpan.FromMinutes(-1))), "call", strict.Endpoint.AbsoluteUri);
        ExampleResult nobody = await Example.RunToolAsync(With(strict, strict.CreateToken()), "call", "http://127.0.0.1:1/sse");
        ExampleResult elsewhere = await Example.RunToolAsync(With(strict, strict.CreateToken()), "call", "http://m3.example.org/sse");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Output, Does.Contain("OK: M3 accepted the token and answered").And.Contain("PORTUGUESE"));
            Assert.That(refused.ExitCode, Is.EqualTo(10 + (int)M3AuthError.MissingScopes), refused.All);
            Assert.That(refused.Output, Does.Contain("Error: OAuth2 authentication failed: Missing required scopes").And.Contain("FAILED: Missing required scopes: read:mimic-data"));
            Assert.That(expired.ExitCode, Is.EqualTo(10 + (int)M3AuthError.TokenExpired), expired.All);
            Assert.That(nobody.ExitCode, Is.EqualTo(1), nobody.All);
            Assert.That(elsewhere.ExitCode, Is.EqualTo(10 + (int)M3AuthError.UntrustedOrigin), elsewhere.All);
            foreach (ExampleResult each in (ExampleResult[])[result, refused, expired, nobody, elsewhere])
                AssertShowsNoToken(each);
        }
    }

    [TestCase("M3_OAUTH2_ISSUER_URL", "", "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled")]
    [TestCase("M3_OAUTH2_JWKS_CACHE_TTL", "soon", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is 'soon'")]
    [TestCase("M3_OAUTH2_ENABLED", "yes", "M3_OAUTH2_ENABLED must be true or false, but is 'yes'")]
    [TestCase("M3_OAUTH2_ENABLED", "false", "OAuth2 is off: M3_OAUTH2_ENABLED is not 'true'")]
    public async Task Wrong_settings_are_exit_code_3(string name, string value, string message)
    {
        var environment = new Dictionary<string, string>(_m3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = _m3.CreateToken(), [name] = value };

        ExampleResult result = await Example.RunToolAsync(environment);

        Assert.That(result.ExitCode, Is.EqualTo(WrongSettings), result.All);
        Assert.That(result.Output, Does.Contain($"FAILED: {message}").And.Contain("See TROUBLESHOOTING.md#settings."));
        AssertShowsNoToken(result);
    }

    [TestCase("--frobnicate", "Unknown option --frobnicate. See --help.")]
    [TestCase("call", "call needs M3's URL")]
    [TestCase("keys -", "One argument too many")]
    [TestCase("--prefix", "--prefix needs a value")]
    public async Task Wrong_usage_is_exit_code_2(string arguments, string message)
    {
        ExampleResult result = await Example.RunToolAsync(_m3.ClientEnvironment, arguments.Split(' '));

        Assert.That(result.ExitCode, Is.EqualTo(Usage));
        Assert.That(result.Error, Does.StartWith(message));
    }

    [Test]
    public async Task Help_has_every_exit_code()
    {
        ExampleResult result = await Example.RunToolAsync(null, "--help");

        Assert.That(result.ExitCode, Is.Zero);
        foreach (M3AuthError error in Enum.GetValues<M3AuthError>())
            Assert.That(result.Output, Does.Contain($"   {10 + (int)error}  {error}"));
    }

    [Test]
    public async Task What_a_token_says_cannot_move_the_cursor_nor_show_another_token()
    {
        string token = _m3.CreateToken(subject: "\u001b[2Jeve\u202e");
        string nested = _m3.CreateToken(subject: token);

        ExampleResult result = await CheckAsync(token);
        ExampleResult holder = await CheckAsync(nested);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain(@"\u001b[2Jeve\u202e").And.Not.Contain("\u001b").And.Not.Contain("\u202e"));
        Assert.That(holder.Output, Does.Contain("(holds a token, not shown)"));
        AssertShowsNoToken(holder);
    }

    [Test, Platform(Exclude = "Win", Reason = "No pipes that are files there.")]
    public async Task A_pipe_that_nobody_writes_to_is_named_and_given_up()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("m3-token-");
        string pipe = Path.Combine(folder.FullName, "token");
        using (var making = System.Diagnostics.Process.Start("mkfifo", [pipe]))
            await making.WaitForExitAsync();

        ExampleResult result = await Example.RunToolAsync(new Dictionary<string, string>(_m3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = "", ["M3_OAUTH2_TOKEN_FILE"] = pipe });

        folder.Delete(recursive: true);
        Assert.That(result.ExitCode, Is.EqualTo(21), result.All);
        Assert.That(result.Output, Does.Contain("did not answer within 5 s: is it a pipe that nobody writes to"));
    }

    [Test, Platform(Exclude = "Win", Reason = "No SIGINT there.")]
    public async Task Ctrl_C_ends_it_cleanly()
    {
        await using RecordingServer silent = await RecordingServer.StartAsync(
            context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default));
        await using Example tool = Example.StartTool(
            [new("M3_OAUTH2_ISSUER_URL", silent.Address.AbsoluteUri), new("M3_OAUTH2_AUDIENCE", "m3-api"), new("M3_OAUTH2_TOKEN", _m3.CreateToken())]);
        await silent.FirstArrival;

        tool.Interrupt();
        ExampleResult result = await tool.FinishAsync();

        Assert.That(result, Is.EqualTo(new ExampleResult(130, "", $"Stopped.{Environment.NewLine}")));
    }

    private Task<ExampleResult> CheckAsync(string? token, params string[] arguments) => Example.RunToolAsync(With(_m3, token), arguments);

    private static Dictionary<string, string> With(LocalM3Server m3, string? token) => new(m3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = token ?? "" };

    private string? Bad(string kind) => kind switch
    {
        "none" => null,
        "opaque" => "Zm9vYmFyLW9wYXF1ZQ",
        "tampered" => _m3.CreateToken()[..^6] + "AAAAAA",
        "expired" => _m3.CreateToken(TimeSpan.FromMinutes(-5)),
        "early" => _m3.CreateToken(notBefore: DateTimeOffset.UtcNow.AddMinutes(10)),
        "issuer" => _m3.CreateToken(issuer: "https://another.test/"),
        "audience" => _m3.CreateToken(audience: "another-api"),
        "scopes" => _m3.CreateToken(scopes: ["read:notes"]),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private static void Show(ExampleResult result) => TestContext.Out.WriteLine($"{result.All}exit code {result.ExitCode}");

    private static void AssertShowsNoToken(ExampleResult result)
    {
        Assert.That(result.All.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the output");
        Assert.That(result.All, Does.Not.Contain("   at "), "a stack trace");
    }
}
