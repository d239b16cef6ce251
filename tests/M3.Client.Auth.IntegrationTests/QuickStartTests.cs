namespace M3.Client.Auth.IntegrationTests;

/// <summary>The README's first command, as a process.</summary>
public sealed class QuickStartTests
{
    [Test]
    public async Task With_nothing_set_up_it_shows_the_token_two_tools_the_budget_and_three_failures()
    {
        ExampleResult result = await Example.RunAsync("QuickStart");

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Error, Is.Empty);
            foreach (string expected in (string[])
            [
                "made-up rows", "✓  signature", "RS256", "✓  expiry", "30 minutes from now", "✓  issuer", "✓  audience", "m3-api", "✓  scopes", "read:mimic-data",
                "get_database_schema", "hosp_patients", "execute_mimic_query", "first_careunit", "(MICU)", "98 of 100 calls left",
                "MissingTokenException", "Missing OAuth2 access token", "set M3_OAUTH2_TOKEN",
                "TokenExpiredException", "Token has expired", "Get a new token",
                "MissingScopesException", "Missing required scopes: read:mimic-data", "Ask your provider",
            ])
                Assert.That(result.Output, Does.Contain(expected));
            AssertShowsNoToken(result);
            Assert.That(result.Output.Contains('\x1b'), Is.False, "piped, it is plain text");
        });
    }

    [Test]
    public async Task With_debugging_it_also_tells_each_step_on_standard_error_and_never_the_token()
    {
        ExampleResult result = await Example.RunAsync("QuickStart", [new("M3_OAUTH2_DEBUG", "true")]);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            foreach (string expected in (string[])
            [
                "Keys fetched from http://127.0.0.1", "Token from the environment variable M3_OAUTH2_TOKEN accepted", "checked signature, exp", "kid '", "alg RS256",
                "scopes read:mimic-data", "which expires", "99 left of 100", "98 left of 100",
                "refused: TokenExpired: Token has expired", "refused: MissingToken", "refused: MissingScopes",
            ])
                Assert.That(result.Error, Does.Contain(expected));
            AssertShowsNoToken(result);
        });
    }

    [Test]
    public async Task Against_another_M3_it_shows_the_same_without_the_failures()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        string token = m3.CreateToken(algorithm: "ES256");

        ExampleResult result = await Example.RunAsync("QuickStart", [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", token)]);

        Assert.Multiple(() =>
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Output, Does.Contain("ES256").And.Contain(m3.IssuerUrl).And.Contain("hosp_patients").And.Contain("98 of 100 calls left"));
            Assert.That(result.Output, Does.Not.Contain("MissingTokenException").And.Not.Contain("LocalM3, a stand-in"));
            Assert.That(m3.Received.Count(request => request.McpMethod == "tools/call"), Is.EqualTo(2));
            Assert.That(m3.Received.All(request => request.Token == token), "another token arrived");
            AssertShowsNoToken(result);
        });
    }

    [Test]
    public async Task Against_LocalM3_as_a_process_the_lines_that_it_prints_are_enough()
    {
        await using Example m3 = Example.Start("LocalM3");
        List<string> lines = await m3.ReadUntilAsync(line => line.Contains("M3_OAUTH2_CLIENT_SECRET", StringComparison.Ordinal));
        IEnumerable<KeyValuePair<string, string>> exports = lines.Where(line => line.StartsWith("export ", StringComparison.Ordinal))
            .Select(line => line["export ".Length..].Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0], pair[1]));

        ExampleResult result = await Example.RunAsync("QuickStart", exports);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("hosp_patients"));
        AssertShowsNoToken(result);

        if (!OperatingSystem.IsWindows())
        {
            m3.Interrupt();
            Assert.That((await m3.FinishAsync()).ExitCode, Is.Zero, "Ctrl+C stops LocalM3");
        }
    }

    [Test]
    public async Task A_failure_is_told_with_its_remedy_and_exit_code_1()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();

        ExampleResult result = await Example.RunAsync("QuickStart", [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", m3.CreateToken(audience: "another-api"))]);

        AssertFails(result, "Invalid token audience: 'another-api'", "Ask your provider for a token for M3_OAUTH2_AUDIENCE");
        Assert.That(m3.Received, Is.Empty);
    }

    [Test]
    public async Task Each_variable_missing_beside_M3_URL_is_named()
    {
        AssertFails(await Example.RunAsync("QuickStart", [new("M3_URL", "http://127.0.0.1:9/sse")]),
            "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled", "M3_OAUTH2_AUDIENCE is required when OAuth2 is enabled");

        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        AssertFails(await Example.RunAsync("QuickStart", m3.ClientEnvironment), "Missing OAuth2 access token", "M3_OAUTH2_TOKEN");
    }

    [TestCase("M3_URL", "m3.example.org", "M3_URL must be an absolute http or https URL, but is 'm3.example.org'")]
    [TestCase("M3_URL", "http://m3.example.org/sse", "Token withheld from untrusted origin: http://m3.example.org:80")]
    [TestCase("M3_URL", "http://127.0.0.1:9/sse", "M3 did not answer as it should")]
    [TestCase("M3_OAUTH2_ISSUER_URL", " ", "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled")]
    [TestCase("M3_OAUTH2_JWKS_CACHE_TTL", "abc", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is 'abc'")]
    [TestCase("M3_OAUTH2_JWKS_URL", "http://keys.example.org/jwks", "M3_OAUTH2_JWKS_URL must use https")]
    public async Task A_setting_that_is_no_good_is_told_without_a_stack_trace(string name, string value, string expected)
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        Dictionary<string, string> environment = new(m3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = m3.CreateToken(), [name] = value };

        AssertFails(await Example.RunAsync("QuickStart", environment), expected);
    }

    [Test]
    public async Task Help_says_how_to_use_it()
    {
        ExampleResult result = await Example.RunAsync("QuickStart", null, "--help");

        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Output, Does.Contain("dotnet run --project examples/QuickStart").And.Contain("M3_URL").And.Contain("M3_OAUTH2_TOKEN"));
    }

    [TestCase("QuickStart", "--fast", "Unknown option '--fast'. See --help.")]
    [TestCase("QuickStart", "eyJhbGciOi.pasted.token", "An argument that is no option. See --help.")]
    [TestCase("WrappedClient", "--fast", "Unknown option '--fast'. See --help.")]
    [TestCase("WrappedClient", "eyJhbGciOi.pasted.token", "An argument that is no option. See --help.")]
    [TestCase("LocalM3", "eyJhbGciOi.pasted.token", "An argument that is no option. See --help.")]
    [TestCase("LocalM3", "@eyJhbGciOi.pasted.token", "An argument that is no option. See --help.")]
    [TestCase("HttpClientFactory", "--urls", "Required argument missing for option: '--urls'. See --help.")]
    public async Task A_wrong_argument_is_exit_code_2(string example, string argument, string expected)
    {
        ExampleResult result = await Example.RunAsync(example, null, argument);

        Assert.That(result, Is.EqualTo(new ExampleResult(2, "", expected + Environment.NewLine)));
    }

    [TestCase("QuickStart"), TestCase("WrappedClient"), Platform(Exclude = "Win", Reason = "No SIGINT there.")]
    public async Task Ctrl_C_stops_it_though_M3_does_not_answer(string name)
    {
        await using LocalM3Server issuer = await LocalM3Server.StartAsync();
        await using RecordingServer silent = await RecordingServer.StartAsync(
            context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default));
        Dictionary<string, string> environment = new(issuer.ClientEnvironment)
        {
            ["M3_OAUTH2_TOKEN"] = issuer.CreateToken(),
            ["M3_URL"] = silent.Address.AbsoluteUri,
        };
        await using Example example = Example.Start(name, environment);
        await silent.FirstArrival;

        example.Interrupt();
        ExampleResult result = await example.FinishAsync();

        Assert.That(result.ExitCode, Is.EqualTo(130), result.All);
        Assert.That(result.Error, Is.EqualTo($"Stopped.{Environment.NewLine}"));
    }

    private static void AssertFails(ExampleResult result, params string[] expected) => Assert.Multiple(() =>
    {
        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        foreach (string line in expected)
            Assert.That(result.Error, Does.Contain(line));
        Assert.That(result.All, Does.Not.Contain("   at "), "a stack trace");
        AssertShowsNoToken(result);
    });

    // Every JWT begins so: {" in base64url.
    private static void AssertShowsNoToken(ExampleResult result) =>
        Assert.That(result.All.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the output");
}
