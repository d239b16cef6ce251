using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using M3.Client.Auth.IntegrationTests.Examples.SignIn;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary><c>m3-token login</c> and what comes after it, against LocalM3, by device code.</summary>
public sealed class LoginTests : ToolFixture
{
    private string _home = "";
    private LocalM3Server _m3 = null!;

    [SetUp]
    public async Task StartServerAsync()
    {
        _home = Directory.CreateTempSubdirectory("m3-login-").FullName;
        _m3 = await LocalM3Server.StartAsync(new LocalM3Options { DeviceInterval = TimeSpan.FromSeconds(1) });
    }

    [TearDown]
    public async Task StopServerAsync()
    {
        await _m3.DisposeAsync();
        Directory.Delete(_home, recursive: true);
    }

    private string Folder => Path.Combine(_home, "sign-ins");

    private IEnumerable<string> Kept => Directory.Exists(Folder) ? Directory.GetFiles(Folder, "*.json") : [];

    // The address alone is enough: the server says who issues its tokens.
    [Test]
    public async Task Whoever_signs_in_once_is_found_by_programs_until_they_sign_out()
    {
        ExampleResult login = await LoginAsync(code => _m3.SignIns.Approve(code), "--json");

        JsonElement said = JsonDocument.Parse(login.Output).RootElement;
        Dictionary<string, string> settings = said.GetProperty("environment").EnumerateObject().ToDictionary(setting => setting.Name, setting => setting.Value.GetString()!);
        Assert.That(login.ExitCode, Is.Zero, login.All);
        Assert.That(said.GetProperty("signIn").GetProperty("subject").GetString(), Is.EqualTo("ada"));
        Assert.That(settings["M3_OAUTH2_ISSUER_URL"], Is.EqualTo(_m3.IssuerUrl));
        AssertShowsNoToken(login);

        ExampleResult call = await RunAsync(settings, "call", _m3.Endpoint.AbsoluteUri);
        Assert.That(call.ExitCode, Is.Zero, call.All);
        Assert.That(call.Output, Does.Contain("the sign-in kept by m3-token login"));
        ExampleResult status = await RunAsync([], "status");
        Assert.That(status.Output, Does.Contain("ada").And.Contain(_m3.IssuerUrl).And.Contain("local-m3-cli"));
        AssertShowsNoToken(status);

        string refreshToken = (string)JsonNode.Parse(await File.ReadAllTextAsync(Kept.Single()))!["refresh_token"]!;
        ExampleResult logout = await RunAsync([], "logout");
        Assert.That((logout.ExitCode, Kept), Is.EqualTo((0, Array.Empty<string>())), logout.All);
        using var foreign = new ForeignClient(_m3);
        Assert.That((int)(await foreign.RefreshAsync(refreshToken)).Status, Is.EqualTo(400), "the issuer has forgotten it as well");

        ExampleResult after = await RunAsync(settings, "call", _m3.Endpoint.AbsoluteUri);
        Assert.That(after.ExitCode, Is.EqualTo(CodeOf(M3AuthError.MissingToken)));
        Assert.That(Directory.EnumerateFiles(_home, "*", SearchOption.AllDirectories).Where(file => File.ReadAllText(file).Contains("eyJ", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task Print_renews_an_expired_token_and_puts_out_nothing_else()
    {
        await LoginAsync(code => _m3.SignIns.Approve(code));
        ExampleResult first = await RunAsync([], "print");
        string file = Kept.Single();
        JsonNode kept = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        kept["access_token_expires_at"] = "2026-11-23T12:00:00.0000000+00:00";
        await File.WriteAllTextAsync(file, kept.ToJsonString());

        ExampleResult second = await RunAsync([], "print");

        Assert.That((first.ExitCode, first.Error, second.ExitCode, second.Error), Is.EqualTo((0, "", 0, "")));
        Assert.That(first.Output, Does.Match(@"^eyJ[\w-]+\.[\w-]+\.[\w-]+\s+\z"));
        Assert.That(second.Output != first.Output, "it is another token");
        Assert.That(_m3.SignIns.RefreshRequests, Is.EqualTo(1));
    }

    // LocalM3 refuses a secret of a client that has none.
    [Test]
    public async Task What_is_set_for_another_issuer_is_not_sent_along_when_a_token_is_renewed_or_revoked()
    {
        Dictionary<string, string> settings = new()
        {
            ["M3_OAUTH2_ISSUER_URL"] = "https://issuer.test",
            ["M3_OAUTH2_CLIENT_ID"] = _m3.PublicClientId,
            ["M3_OAUTH2_CLIENT_SECRET"] = "not-for-strangers",
            ["M3_OAUTH2_JWKS_URL"] = $"{M3.IssuerUrl}.well-known/jwks.json",
        };
        await LoginAsync(code => _m3.SignIns.Approve(code));
        string file = Kept.Single();
        JsonNode kept = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        kept["access_token_expires_at"] = "2026-11-23T12:00:00.0000000+00:00";
        await File.WriteAllTextAsync(file, kept.ToJsonString());

        ExampleResult print = await RunAsync(settings, "print");
        ExampleResult logout = await RunAsync(settings, "logout");

        Assert.That((print.ExitCode, _m3.SignIns.RefreshRequests), Is.EqualTo((0, 1)), print.Error);
        Assert.That(logout.ExitCode, Is.Zero, logout.All);
        Assert.That(logout.All, Does.Not.Contain("could not be told"));
    }

    [Test]
    public async Task A_setting_that_cannot_be_understood_loses_no_sign_in()
    {
        await LoginAsync(code => _m3.SignIns.Approve(code));

        ExampleResult logout = await RunAsync(new() { ["M3_OAUTH2_ENABLED"] = "perhaps" }, "logout");

        Assert.That((logout.ExitCode, Kept.Count()), Is.EqualTo((WrongSettings, 1)), logout.All);
    }

    [Test]
    public async Task Where_the_issuer_cannot_be_told_the_sign_in_is_forgotten_here_and_logout_fails()
    {
        await LoginAsync(code => _m3.SignIns.Approve(code));
        await _m3.DisposeAsync();

        ExampleResult logout = await RunAsync([], "logout");

        Assert.That((logout.ExitCode, Kept), Is.EqualTo((1, Array.Empty<string>())), logout.All);
        Assert.That(logout.Output, Does.Contain("signed out here only").And.Contain("The issuer could not be told"));
    }

    [Test, Platform(Exclude = "Win", Reason = "No SIGINT there.")]
    public async Task Whoever_is_interrupted_while_the_issuer_is_told_can_sign_out_again()
    {
        await using RecordingServer silent = await RecordingServer.StartAsync(context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await LoginAsync(code => _m3.SignIns.Approve(code));
        JsonNode kept = JsonNode.Parse(await File.ReadAllTextAsync(Kept.Single()))!;
        string issuer = silent.Address.AbsoluteUri.TrimEnd('/');
        kept["issuer"] = issuer;
        File.Delete(Kept.Single());
        string file = Path.Combine(Folder, $"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{issuer}\n{kept["client_id"]}\n{kept["audience"]}")))}.json");
        await File.WriteAllTextAsync(file, kept.ToJsonString());
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        await using Example logout = Example.StartTool(With([]), "logout");
        await silent.FirstArrival;
        logout.Interrupt();
        ExampleResult result = await logout.FinishAsync();

        Assert.That((result.ExitCode, Kept), Is.EqualTo((130, new[] { file })), result.All);
    }

    // The settings name a program that prints a token: this one is not to run itself.
    [Test]
    public async Task Print_is_the_sign_in_and_no_other_source()
    {
        await LoginAsync(code => _m3.SignIns.Approve(code));

        ExampleResult print = await RunAsync(new() { ["M3_OAUTH2_TOKEN_COMMAND"] = "no-such-program", ["M3_OAUTH2_TOKEN"] = "another" }, "print");

        Assert.That((print.ExitCode, print.Output.StartsWith("eyJ", StringComparison.Ordinal)), Is.EqualTo((0, true)), print.Error);
    }

    [Test, Platform(Include = "Linux", Reason = "script is there.")]
    public async Task Print_shows_no_token_on_a_terminal()
    {
        await LoginAsync(code => _m3.SignIns.Approve(code));

        await using Example terminal = Example.StartProgram("script", ["-qec", $"'{Example.Dotnet}' exec '{Example.ToolProgram}' print", "/dev/null"], With([]), _home);
        ExampleResult result = await terminal.FinishAsync();

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.All, Does.Contain("a token is not written to a terminal"));
        AssertShowsNoToken(result);
    }

    [Test]
    public async Task Without_an_address_the_settings_say_where_and_its_token_may_go_wherever_the_user_says()
    {
        Dictionary<string, string> settings = new(_m3.ClientEnvironment) { ["M3_OAUTH2_CLIENT_ID"] = _m3.PublicClientId };
        await using Example tool = Example.StartTool(With(settings), "login", "--json");
        await DecideAsync(code => _m3.SignIns.Approve(code, "grace"));
        ExampleResult result = await tool.FinishAsync();

        JsonElement signIn = JsonDocument.Parse(result.Output).RootElement.GetProperty("signIn");
        Assert.That((signIn.GetProperty("subject").GetString(), signIn.GetProperty("audience").GetString(), signIn.GetProperty("onlyFor").ValueKind),
            Is.EqualTo(("grace", "m3-api", JsonValueKind.Null)), result.All);
    }

    [Test]
    public async Task With_the_settings_of_the_servers_own_issuer_their_audience_counts()
    {
        await using Example tool = Example.StartTool(With(new(_m3.ClientEnvironment)), [.. Login(), "--json"]);
        await DecideAsync(code => _m3.SignIns.Approve(code));
        ExampleResult result = await tool.FinishAsync();

        Assert.That(JsonDocument.Parse(result.Output).RootElement.GetProperty("signIn").GetProperty("audience").GetString(), Is.EqualTo("m3-api"), result.All);
    }

    [Test]
    public async Task Who_declines_is_not_signed_in()
    {
        ExampleResult result = await LoginAsync(code => _m3.SignIns.Deny(code));

        Assert.That((result.ExitCode, Kept), Is.EqualTo((CodeOf(M3AuthError.TokenRequestFailed), Array.Empty<string>())), result.All);
        Assert.That(result.Output, Does.Contain("the sign-in was declined"));
    }

    [Test]
    public async Task A_code_that_nobody_uses_expires()
    {
        await using LocalM3Server short_ = await LocalM3Server.StartAsync(new LocalM3Options { DeviceInterval = TimeSpan.FromSeconds(1), DeviceCodeLifetime = TimeSpan.FromSeconds(2) });

        ExampleResult result = await RunAsync([], "login", short_.Endpoint.AbsoluteUri, "--client-id", short_.PublicClientId, "--yes");

        Assert.That((result.ExitCode, Kept), Is.EqualTo((CodeOf(M3AuthError.TokenRequestFailed), Array.Empty<string>())), result.All);
        Assert.That(result.Output, Does.Contain("the code has expired before anybody signed in with it"));
    }

    [Test, Platform(Exclude = "Win", Reason = "No SIGINT there.")]
    public async Task Ctrl_C_ends_the_wait_and_keeps_nothing()
    {
        await using Example tool = Example.StartTool(With([]), Login());
        await DecideAsync(_ => { });
        tool.Interrupt();
        ExampleResult result = await tool.FinishAsync();

        Assert.That((result.ExitCode, Kept), Is.EqualTo((130, Array.Empty<string>())), result.All);
        Assert.That(result.Error, Does.EndWith($"Stopped.{Environment.NewLine}"));
    }

    // A server may be anybody's: whoever is sent to an issuer by it is asked first.
    [Test]
    public async Task Without_a_yes_the_issuer_is_not_even_asked()
    {
        ExampleResult result = await RunAsync([], Login()[..^1]);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.Output, Does.Contain("nobody is here to say whether this issuer is the right one"));
        Assert.That(result.Error, Does.Contain(_m3.IssuerUrl).And.Contain("read:mimic-data"));
        Assert.That((_m3.SignIns.WaitingUserCodes.Count, _m3.SignIns.DevicePolls), Is.EqualTo((0, 0)));
    }

    // Whatever the settings turn off for programs.
    [TestCase("")]
    [TestCase("false")]
    public async Task A_token_that_M3_would_refuse_is_not_kept(string validateSignature)
    {
        await using Example tool = Example.StartTool(With(new() { ["M3_OAUTH2_ISSUER_URL"] = _m3.IssuerUrl, ["M3_OAUTH2_AUDIENCE"] = "m3-api", ["M3_OAUTH2_JWKS_URL"] = $"{M3.IssuerUrl}.well-known/jwks.json", ["M3_OAUTH2_VALIDATE_SIGNATURE"] = validateSignature }), Login());
        await DecideAsync(code => _m3.SignIns.Approve(code));
        ExampleResult result = await tool.FinishAsync();

        Assert.That((result.ExitCode, Kept), Is.EqualTo((CodeOf(M3AuthError.InvalidTokenSignature), Array.Empty<string>())), result.All);
        AssertShowsNoToken(result);
    }

    [Test]
    public async Task A_token_for_something_else_is_not_kept_and_the_error_says_what_to_ask_for()
    {
        await using var issuer = await OidcProvider.OidcProvider.StartAsync();
        await using Example tool = Example.StartTool(With([]),
            "login", "--issuer", issuer.IssuerUrl, "--audience", "another-api", "--client-id", OidcProvider.OidcProvider.NativeClientId, "--resource", OidcProvider.OidcProvider.Resource);
        await issuer.AnswerDeviceAsync(await ReadUserCodeAsync(tool), yes: true);
        ExampleResult result = await tool.FinishAsync();

        Assert.That((result.ExitCode, Kept), Is.EqualTo((CodeOf(M3AuthError.InvalidAudience), Array.Empty<string>())), result.All);
        Assert.That(result.Output, Does.Contain("Nothing is kept. Say what M3 expects with --audience"));
        AssertShowsNoToken(result);
    }

    [TestCase("print")]
    [TestCase("logout")]
    public async Task Where_nobody_is_signed_in_it_says_so(string command)
    {
        ExampleResult result = await RunAsync([], command);

        Assert.That(result.ExitCode, Is.EqualTo(1));
        Assert.That(result.All, Does.Contain("nobody is signed in").And.Contain("m3-token login"));
    }

    [Test]
    public async Task The_README_shows_these_commands()
    {
        string readme = await File.ReadAllTextAsync(Path.Combine(Docs.MarkdownPage.Root, "src/M3.Client.Auth.Tool/README.md"));

        foreach (string command in (string[])["m3-token login https://m3.example.org/sse --client-id YOUR_CLIENT", "m3-token print | other-program", "m3-token logout"])
            Assert.That(readme, Does.Contain($"    {command}\n"));
    }

    private string[] Login() => ["login", _m3.Endpoint.AbsoluteUri, "--client-id", _m3.PublicClientId, "--yes"];

    private async Task<ExampleResult> LoginAsync(Action<string> decide, params string[] more)
    {
        await using Example tool = Example.StartTool(With([]), [.. Login(), .. more]);
        await DecideAsync(decide);
        return await tool.FinishAsync();
    }

    private async Task DecideAsync(Action<string> decide)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (_m3.SignIns.WaitingUserCodes.Count == 0)
            await timer.WaitForNextTickAsync(patience.Token);
        decide(_m3.SignIns.WaitingUserCodes.Single());
    }

    private Task<ExampleResult> RunAsync(Dictionary<string, string> settings, params string[] arguments) => Example.RunToolAsync(With(settings), arguments);

    private Dictionary<string, string> With(Dictionary<string, string> settings) => new(settings) { ["M3_SIGN_IN_DIRECTORY"] = Folder, ["HOME"] = _home };
}
