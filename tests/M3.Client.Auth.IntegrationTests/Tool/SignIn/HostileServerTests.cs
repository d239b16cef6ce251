using Microsoft.AspNetCore.Http;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>A server that would have a person sign in where it pleases: what its metadata say counts only within RFC 9728's bounds.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class HostileServerTests
{
    private const string WellKnown = "/.well-known/oauth-protected-resource";
    private const string Good = """{"resource":"{server}/sse","authorization_servers":["https://issuer.test"]}""";

    [TestCase("""{"resource":"https://m3.example.org/sse","authorization_servers":["https://issuer.test"]}""", "describes another resource, 'https://m3.example.org/sse'")]
    [TestCase("""{"resource":"{server}/","authorization_servers":["https://issuer.test"]}""", "describes another resource")]
    [TestCase("""{"authorization_servers":["https://issuer.test"]}""", "describes another resource")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":["http://issuer.test"]}""", "names 'http://issuer.test' as its issuer, which is no https address")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":["https://issuer.test","ftp://x"]}""", "names 'ftp://x' as its issuer")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":["https://issuer.test@evil.test"]}""", "names 'https://issuer.test@evil.test' as its issuer")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":["https://issuer.test?x"]}""", "names 'https://issuer.test?x' as its issuer")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":["https://issuer.test#x"]}""", "names 'https://issuer.test#x' as its issuer")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":["https://\u0456ssuer.test"]}""", "as its issuer, which is no https address in ASCII")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":["https://issuer.test"],"scopes_supported":["read:all        client    another"]}""", "is no scope")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":[]}""", "names no issuer")]
    [TestCase("""{"resource":"{server}/sse"}""", "names no issuer")]
    [TestCase("""{"resource":"{server}/sse","resource":"{server}/sse","authorization_servers":["https://issuer.test"]}""", "something else than a JSON object")]
    [TestCase("<html>sign in</html>", "something else than a JSON object")]
    [TestCase("""{"resource":"{SERVER}/sse","authorization_servers":["https://issuer.test"]}""", "describes another resource")]
    [TestCase("""{"resource":"{server}/%73se","authorization_servers":["https://issuer.test"]}""", "describes another resource")]
    [TestCase("""{"resource":"{server}/x/../sse","authorization_servers":["https://issuer.test"]}""", "describes another resource")]
    [TestCase("""{"resource":"{server}/sse","authorization_servers":["https://one.test","https://two.test"]}""", "the server names several issuers: 'https://one.test', 'https://two.test'")]
    public async Task What_it_says_is_refused(string metadata, string expected)
    {
        await using RecordingServer server = await ServeAsync(context => context.Request.Path == WellKnown + "/sse" ? metadata : null);

        ExampleResult result = await LoginAsync(server);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.Output, Does.Contain(expected));
    }

    [Test]
    public async Task An_issuer_is_chosen_among_those_that_it_names_only()
    {
        await using RecordingServer server = await ServeAsync(context => context.Request.Path == WellKnown + "/sse" ? Good : null);

        ExampleResult result = await LoginAsync(server, "--issuer", "https://elsewhere.test");

        Assert.That(result.Output, Does.Contain("the server does not name 'https://elsewhere.test' as an issuer, but 'https://issuer.test'"), result.All);
    }

    [Test]
    public async Task Metadata_of_another_origin_are_not_even_fetched()
    {
        await using RecordingServer other = await RecordingServer.StartAsync();
        await using RecordingServer server = await ServeAsync(context =>
        {
            context.Response.StatusCode = 401;
            context.Response.Headers.WWWAuthenticate = $"Bearer resource_metadata=\"{other.Address}x\"";
            return "";
        });

        ExampleResult result = await LoginAsync(server);

        Assert.That((result.ExitCode, other.Arrivals.Count), Is.EqualTo((1, 0)), result.All);
        Assert.That(result.Output, Does.Contain("names metadata of another origin"));
    }

    [Test]
    public async Task A_redirect_to_another_origin_is_not_followed()
    {
        await using RecordingServer other = await RecordingServer.StartAsync();
        await using RecordingServer server = await ServeAsync(context =>
        {
            if (context.Request.Path.StartsWithSegments("/.well-known"))
                context.Response.Redirect(other.Address.AbsoluteUri);
            return "";
        });

        ExampleResult result = await LoginAsync(server);

        Assert.That((result.ExitCode, other.Arrivals.Count), Is.EqualTo((1, 0)), result.All);
        Assert.That(result.Output, Does.Contain("redirects to another origin"));
    }

    [Test]
    public async Task An_answer_without_end_is_not_read()
    {
        await using RecordingServer server = await ServeAsync(context => context.Request.Path == WellKnown + "/sse" ? new string(' ', 1024 * 1024) + Good : null);

        ExampleResult result = await LoginAsync(server);

        Assert.That(result.Output, Does.Contain("answered more than 1048576 bytes"), result.All);
    }

    [TestCase("/sse", false, "could not be reached (no answer)")]
    [TestCase(WellKnown + "/sse", false, "did not answer in time when it was asked for its metadata")]
    [TestCase(WellKnown + "/sse", true, "did not answer in time when it was asked for its metadata")]
    public async Task An_answer_that_never_comes_is_not_waited_for(string path, bool begins, string expected)
    {
        await using RecordingServer server = await RecordingServer.StartAsync(async context =>
        {
            context.Response.StatusCode = 404;
            if (context.Request.Path != path)
                return;
            context.Response.StatusCode = 200;
            if (begins)
                await context.Response.WriteAsync("{");
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });

        ExampleResult result = await LoginAsync(server);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.Output, Does.Contain(expected));
    }

    [Test]
    public async Task What_it_says_cannot_move_the_cursor()
    {
        await using RecordingServer server = await ServeAsync(context => context.Request.Path == WellKnown + "/sse"
            ? """{"resource":"{server}/sse","authorization_servers":["https://issuer.test"],"scopes_supported":["a\u001b[2Jb"]}"""
            : null);

        ExampleResult result = await LoginAsync(server);

        Assert.That(result.All, Does.Contain("is no scope").And.Not.Contain("\u001b"));
    }

    // Of Entra ID no resource is asked for.
    [Test]
    public async Task A_server_behind_Entra_ID_is_asked_about_like_any_other()
    {
        await using RecordingServer server = await ServeAsync(context => context.Request.Path == WellKnown + "/sse"
            ? """{"resource":"{server}/sse","authorization_servers":["https://login.microsoftonline.com/contoso/v2.0"]}"""
            : null);

        ExampleResult result = await LoginAsync(server);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.Output, Does.Contain("nobody is here to say whether this issuer is the right one"));
    }

    // Who set a client with its secret for one issuer, and then asks a server that names another, must not lose the secret to that one.
    [TestCase(true)]
    [TestCase(false)]
    public async Task A_secret_goes_to_the_issuer_that_it_was_set_for_and_to_no_other(bool isSetForThisOne)
    {
        await using RecordingServer server = await ServeWithIssuerAsync(verificationUri: "{server}/v");
        Dictionary<string, string> settings = new()
        {
            ["M3_OAUTH2_ISSUER_URL"] = isSetForThisOne ? server.Address.AbsoluteUri.TrimEnd('/') : "https://issuer.test",
            ["M3_OAUTH2_AUDIENCE"] = "m3-api",
            ["M3_OAUTH2_CLIENT_ID"] = "mine",
            ["M3_OAUTH2_CLIENT_SECRET"] = "not-for-strangers",
        };

        ExampleResult result = await Example.RunToolAsync(settings,
            ["login", new Uri(server.Address, "/sse").AbsoluteUri, "--yes", .. isSetForThisOne ? [] : (string[])["--client-id", "mine"]]);

        Assert.That(result.Output, Does.Contain("the sign-in was declined"), result.All);
        Assert.That(server.Arrivals.Where(arrival => arrival.Path == "/device" || arrival.Path == "/token").Select(arrival => arrival.Authorization is not null),
            Is.EqualTo((bool[])[isSetForThisOne, isSetForThisOne]));
        Assert.That(server.Arrivals.Count(arrival => arrival.Path == "/.well-known/openid-configuration"), Is.EqualTo(1), "what the metadata do not say is no reason to read them again");
    }

    [Test]
    public async Task A_client_that_is_set_for_one_issuer_is_not_another_ones_to_know()
    {
        await using RecordingServer server = await ServeAsync(context => context.Request.Path == WellKnown + "/sse" ? Good : null);

        ExampleResult result = await Example.RunToolAsync(
            new Dictionary<string, string> { ["M3_OAUTH2_ISSUER_URL"] = "https://another.test", ["M3_OAUTH2_AUDIENCE"] = "m3-api", ["M3_OAUTH2_CLIENT_ID"] = "mine" },
            "login", new Uri(server.Address, "/sse").AbsoluteUri, "--yes");

        Assert.That(result.Output, Does.Contain("no client is known"), result.All);
    }

    // It is then this person's code at an honest issuer, and the hostile one's to redeem.
    [Test]
    public async Task An_issuer_whose_page_is_another_ones_opens_no_browser_unless_its_answers_say_whose_they_are()
    {
        await using RecordingServer server = await ServeWithIssuerAsync(verificationUri: "{server}/v");

        ExampleResult result = await LoginAsync(server, "--yes", "--browser");

        Assert.That(result.Output, Does.Contain("the issuer's page is at another origin, https://honest.test"), result.All);
    }

    [Test]
    public async Task A_code_that_is_to_be_typed_elsewhere_is_warned_of()
    {
        await using RecordingServer server = await ServeWithIssuerAsync(verificationUri: "https://honest.test/device");

        ExampleResult result = await LoginAsync(server, "--yes", "--device");

        Assert.That(result.Error, Does.Contain("Mind: the page is at https://honest.test:443, not at the issuer's own address."), result.All);
    }

    [TestCase("http://m3.example.org/sse", "is not https")]
    [TestCase("https://user@m3.example.org/sse", "has a user, a query or a fragment in it")]
    public async Task An_address_that_cannot_be_trusted_is_asked_nothing(string address, string expected)
    {
        ExampleResult result = await Example.RunToolAsync(null, "login", address, "--client-id", "x");

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.Output, Does.Contain(expected));
    }

    // It is its own issuer, which declines whoever comes with a code, and whose page is at an honest one.
    private static Task<RecordingServer> ServeWithIssuerAsync(string verificationUri) => ServeAsync(context => context.Request.Path.Value switch
    {
        WellKnown + "/sse" => """{"resource":"{server}/sse","authorization_servers":["{server}"]}""",
        "/.well-known/openid-configuration" =>
            """
            {"issuer":"{server}","token_endpoint":"{server}/token","device_authorization_endpoint":"{server}/device",
            "authorization_endpoint":"https://honest.test/authorize","code_challenge_methods_supported":["S256"]}
            """,
        "/device" => $$"""{"device_code":"d","user_code":"AB-CD","verification_uri":"{{verificationUri}}","expires_in":60,"interval":1}""",
        "/token" => """{"error":"access_denied"}""",
        _ => null,
    });

    private static Task<RecordingServer> ServeAsync(Func<HttpContext, string?> answer) => RecordingServer.StartAsync(async context =>
    {
        string? text = answer(context);
        if (text is null)
            context.Response.StatusCode = 404;
        else if (text.Length > 0)
            await context.Response.WriteAsync(text.Replace("{server}", $"http://{context.Request.Host}", StringComparison.Ordinal).Replace("{SERVER}", $"HTTP://{context.Request.Host}", StringComparison.Ordinal));
    });

    private static Task<ExampleResult> LoginAsync(RecordingServer server, params string[] more) =>
        Example.RunToolAsync(null, ["login", new Uri(server.Address, "/sse").AbsoluteUri, "--client-id", "x", .. more]);
}
