using M3.Client.Auth.IntegrationTests.Errors;

namespace M3.Client.Auth.IntegrationTests.Tool;

/// <summary>What the tool does for a token, for the keys alone, and for a call.</summary>
public sealed class CheckTests : ToolFixture
{
    [Test]
    public async Task A_good_token_is_explained_step_by_step()
    {
        ExampleResult result = await CheckAsync(M3.CreateToken());

        Show(result);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Error, Is.Empty);
            foreach (string expected in (string[])
            [
                @"^OK: by M3's rules this token is good, and has 30 min left\n\nSet in the environment\n",
                @"\n\nSet in the environment\n(  .*\n)* +M3_OAUTH2_ISSUER_URL +http://127\.0\.0\.1:\d+/\n", @"\n\nSet in the environment\n(  .*\n)* +M3_OAUTH2_TOKEN +\(set, not shown\)\n",
                @"\n\nLeft at their defaults\n(  .*\n)* +M3_OAUTH2_JWKS_CACHE_TTL +3600 s\n",
                @"alg +RS256", @"iss +http://127", @"exp +\d+ = 20", @"GET http://\S+/\.well-known/openid-configuration +200", @"GET http://\S+jwks\.json +200",
                @"\(RS256\) +usable", @"\(ES256\) +usable",
                @"present +passed +the environment variable M3_OAUTH2_TOKEN\n +format +passed.*\n +signature +passed +RS256.*\n +exp +passed.*\n +nbf and iat +passed.*\n +iss +passed.*\n +aud +passed +m3-api\n +scopes +passed +needed: read:mimic-data; granted: read:mimic-data",
                @"time left +30 min", @"rate limit +100 requests per 60 min for local-m3-client",
            ])
                Assert.That(result.Output.ReplaceLineEndings("\n"), Does.Match(expected));
            Assert.That(M3.Received, Is.Empty, "a check sends nothing to M3");
            Assert.That(result.Output.Split('\n'), Has.None.Match(" \r?$"), "no line ends in padding");
            AssertShowsNoToken(result);
        }
    }

    [TestCase("-")]
    [TestCase("--stdin")]
    [TestCase("check", "-")]
    public async Task Standard_input_works_and_comes_before_the_environment(params string[] arguments)
    {
        await using Example tool = Example.StartTool([.. M3.ClientEnvironment, new("M3_OAUTH2_TOKEN", "nonsense")], arguments);
        await tool.PipeAsync($"  Bearer {M3.CreateToken(algorithm: "ES256")}\n");

        ExampleResult result = await tool.FinishAsync();

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("present      passed  standard input").And.Contain("ES256, key"));
        AssertShowsNoToken(result);
    }

    [Test]
    public async Task A_token_file_and_client_credentials_are_sources_too()
    {
        using var token = new TemporaryFile(M3.CreateToken());
        ExampleResult file = await Example.RunToolAsync([.. M3.ClientEnvironment, new("M3_OAUTH2_TOKEN_FILE", token.Path)]);
        ExampleResult client = await Example.RunToolAsync(
            [.. M3.ClientEnvironment, new("M3_OAUTH2_CLIENT_ID", M3.ClientId), new("M3_OAUTH2_CLIENT_SECRET", M3.ClientSecret)]);
        ExampleResult wrong = await Example.RunToolAsync(
            [.. M3.ClientEnvironment, new("M3_OAUTH2_CLIENT_ID", M3.ClientId), new("M3_OAUTH2_CLIENT_SECRET", "another-secret")]);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(file.ExitCode, Is.Zero, file.All);
            Assert.That(file.Output, Does.Contain($"passed  the file {token.Path}"));
            Assert.That(client.ExitCode, Is.Zero, client.All);
            Assert.That(client.Output, Does.Contain("passed  client credentials of local-m3-client").And.Contain("connect/token").And.Not.Contain(M3.ClientSecret));
            Assert.That(wrong.ExitCode, Is.EqualTo(CodeOf(M3AuthError.TokenRequestFailed)), wrong.All);
            Assert.That(wrong.Output, Does.Contain("FAILED: Token request failed").And.Contain("invalid_client").And.Not.Contain("another-secret"));
            AssertShowsNoToken(file);
            AssertShowsNoToken(client);
        }
    }

    [Test]
    public async Task An_empty_file_is_passed_by_for_client_credentials_whose_secret_a_file_holds()
    {
        using var empty = new TemporaryFile("");
        using var secret = new TemporaryFile($"{M3.ClientSecret}\n");
        Dictionary<string, string> environment = new(M3.ClientEnvironment) { ["M3_OAUTH2_TOKEN_FILE"] = empty.Path, ["M3_OAUTH2_CLIENT_ID"] = M3.ClientId };

        ExampleResult result = await Example.RunToolAsync([.. environment, new("M3_OAUTH2_CLIENT_SECRET_FILE", secret.Path)]);
        ExampleResult gone = await Example.RunToolAsync([.. environment, new("M3_OAUTH2_CLIENT_SECRET_FILE", secret.Path + ".gone")]);
        ExampleResult noSecret = await Example.RunToolAsync([.. environment, new("M3_OAUTH2_CLIENT_SECRET_FILE", empty.Path)]);
        ExampleResult nothing = await Example.RunToolAsync([.. M3.ClientEnvironment, new("M3_OAUTH2_TOKEN_FILE", empty.Path)]);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Output, Does.Contain("passed  client credentials of local-m3-client").And.Not.Contain(M3.ClientSecret));
            Assert.That(gone.Output, Does.StartWith($"FAILED: Token request failed: the file {secret.Path}.gone cannot be read"));
            Assert.That(noSecret.Output, Does.StartWith($"FAILED: Token request failed: the file {empty.Path} is empty"));
            Assert.That(nothing.Output, Does.StartWith($"FAILED: Missing OAuth2 access token: looked in the environment variable M3_OAUTH2_TOKEN, the file {empty.Path}"));
        }
    }

    [Test]
    public async Task Half_a_pair_of_client_credentials_is_noted_beside_a_token_that_is_good()
    {
        ExampleResult result = await Example.RunToolAsync([.. With(M3, M3.CreateToken()), new("M3_OAUTH2_CLIENT_ID", M3.ClientId)]);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Match(@"^OK: .*\nNote: M3_OAUTH2_CLIENT_ID is set, but none of M3_OAUTH2_CLIENT_SECRET, M3_OAUTH2_CLIENT_SECRET_FILE, M3_OAUTH2_CLIENT_KEY_FILE and M3_OAUTH2_CLIENT_ASSERTION_FILE is"));
    }

    [Test]
    public async Task What_M3_or_a_setting_repeats_of_a_token_or_a_secret_is_not_shown()
    {
        string token = M3.CreateToken();
        await using TextServer echo = await TextServer.StartAsync($"your signature is {token.Split('.')[2]}");

        ExampleResult call = await Example.RunToolAsync(With(M3, token), "call", echo.Endpoint.AbsoluteUri);
        ExampleResult setting = await Example.RunToolAsync(
            [.. With(M3, token), new("M3_OAUTH2_CLIENT_ID", "made-up-secret"), new("M3_OAUTH2_CLIENT_SECRET", "made-up-secret"), new("M3_OAUTH2_TOKEN_FILE", token)]);
        ExampleResult json = await Example.RunToolAsync([.. With(M3, token), new("M3_OAUTH2_CLIENT_ID", "made-up-secret"), new("M3_OAUTH2_CLIENT_SECRET", "made-up-secret")], "--json");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(call.Output, Does.Contain("(holds a secret, not shown)"), call.All);
            Assert.That(setting.Output, Does.Match(@"M3_OAUTH2_CLIENT_ID +\(holds a secret, not shown\)").And.Match(@"M3_OAUTH2_TOKEN_FILE +\(holds a token, not shown\)"));
            foreach (ExampleResult each in (ExampleResult[])[call, setting, json])
            {
                Assert.That(each.All, Does.Not.Contain("made-up-secret"));
                AssertShowsNoToken(each, token);
            }
        }
    }

    [Test]
    public async Task Keys_are_shown_without_a_token_and_their_absence_with_the_reason()
    {
        ExampleResult result = await Example.RunToolAsync(M3.ClientEnvironment, "keys");
        ExampleResult down = await Example.RunToolAsync([new("M3_OAUTH2_ISSUER_URL", "http://127.0.0.1:1/"), new("M3_OAUTH2_AUDIENCE", "m3-api")], "keys");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Output, Does.Contain("OK: 2 usable, 0 ignored").And.Contain("(RS256)").And.Contain("(ES256)"));
            Assert.That(down.ExitCode, Is.EqualTo(CodeOf(M3AuthError.JwksUnavailable)), down.All);
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
            Assert.That(refused.ExitCode, Is.EqualTo(CodeOf(M3AuthError.MissingScopes)), refused.All);
            Assert.That(refused.Output, Does.Contain("Error: OAuth2 authentication failed: Missing required scopes").And.Contain("FAILED: Missing required scopes: read:mimic-data"));
            Assert.That(expired.ExitCode, Is.EqualTo(CodeOf(M3AuthError.TokenExpired)), expired.All);
            Assert.That(nobody.ExitCode, Is.EqualTo(1), nobody.All);
            Assert.That(elsewhere.ExitCode, Is.EqualTo(CodeOf(M3AuthError.UntrustedOrigin)), elsewhere.All);
            foreach (ExampleResult each in (ExampleResult[])[result, refused, expired, nobody, elsewhere])
                AssertShowsNoToken(each);
        }
    }

    [TestCase("M3_OAUTH2_ISSUER_URL", "", "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled")]
    [TestCase("M3_OAUTH2_JWKS_CACHE_TTL", "soon", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is 'soon'")]
    [TestCase("M3_OAUTH2_ENABLED", "yes", "M3_OAUTH2_ENABLED must be true or false, but is 'yes'")]
    [TestCase("M3_OAUTH2_ENABLED", "false", "OAuth2 is off: M3_OAUTH2_ENABLED is 'false'")]
    [TestCase("M3_OAUTH2_CLIENT_SECRET", "made-up", "M3_OAUTH2_CLIENT_ID is required when M3_OAUTH2_CLIENT_SECRET is set")]
    public async Task Wrong_settings_are_exit_code_3(string name, string value, string message)
    {
        var environment = new Dictionary<string, string>(M3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = M3.CreateToken(), [name] = value };

        ExampleResult result = await Example.RunToolAsync(environment);

        Assert.That(result.ExitCode, Is.EqualTo(WrongSettings), result.All);
        Assert.That(result.Output, Does.StartWith($"FAILED: {message}").And.Match(@"\nWhat to do: .*TROUBLESHOOTING\.md#settings"));
        Assert.That(result.Output, value == "" ? Does.Contain("Set in the environment") : Does.Match($@"\n  {name} +({value}|\(set, not shown\))\r?\n"));
        Assert.That(result.Output, Does.Not.Contain("made-up"));
        AssertShowsNoToken(result);
    }

    [Test]
    public async Task What_a_token_says_cannot_move_the_cursor_nor_show_another_token()
    {
        string token = M3.CreateToken(subject: "\u001b[2Jeve\u202e");
        string nested = M3.CreateToken(subject: token);

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

        ExampleResult result = await Example.RunToolAsync(new Dictionary<string, string>(M3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = "", ["M3_OAUTH2_TOKEN_FILE"] = pipe });

        folder.Delete(recursive: true);
        Assert.That(result.ExitCode, Is.EqualTo(CodeOf(M3AuthError.TokenRequestFailed)), result.All);
        Assert.That(result.Output, Does.Contain("did not answer within 5 s: is it a pipe that nobody writes to"));
    }

    [Test, Platform(Exclude = "Win", Reason = "No signals there.")]
    public async Task Ctrl_C_and_a_shutdown_end_it_cleanly([Values] bool isShutdown)
    {
        await using RecordingServer silent = await RecordingServer.StartAsync(
            context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default));
        await using Example tool = Example.StartTool(
            [new("M3_OAUTH2_ISSUER_URL", silent.Address.AbsoluteUri), new("M3_OAUTH2_AUDIENCE", "m3-api"), new("M3_OAUTH2_TOKEN", M3.CreateToken())]);
        await silent.FirstArrival;

        if (isShutdown)
            tool.Terminate();
        else
            tool.Interrupt();
        ExampleResult result = await tool.FinishAsync();

        Assert.That(result, Is.EqualTo(new ExampleResult(130, "", $"Stopped.{Environment.NewLine}")));
    }
}
