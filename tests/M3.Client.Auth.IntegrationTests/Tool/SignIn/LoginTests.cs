using System.Text.Json;
using System.Text.Json.Nodes;
using M3.Client.Auth.IntegrationTests.Examples.SignIn;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary><c>m3-token login</c> and what comes after it, against LocalM3, by device code.</summary>
public sealed class LoginTests : LoginFixture
{
    // The address alone is enough: the server says who issues its tokens.
    [Test]
    public async Task Whoever_signs_in_once_is_found_by_programs_until_they_sign_out()
    {
        ExampleResult login = await LoginAsync(code => Server.SignIns.Approve(code), "--json");

        JsonElement said = JsonDocument.Parse(login.Output).RootElement;
        Dictionary<string, string> settings = said.GetProperty("environment").EnumerateObject().ToDictionary(setting => setting.Name, setting => setting.Value.GetString()!);
        Assert.That(login.ExitCode, Is.Zero, login.All);
        Assert.That(said.GetProperty("signIn").GetProperty("subject").GetString(), Is.EqualTo("ada"));
        Assert.That(settings["M3_OAUTH2_ISSUER_URL"], Is.EqualTo(Server.IssuerUrl));
        AssertShowsNoToken(login);

        ExampleResult call = await RunAsync(settings, "call", Server.Endpoint.AbsoluteUri);
        Assert.That(call.ExitCode, Is.Zero, call.All);
        Assert.That(call.Output, Does.Contain("the sign-in kept by m3-token login"));
        ExampleResult status = await RunAsync([], "status");
        Assert.That(status.Output, Does.Contain("ada").And.Contain(Server.IssuerUrl).And.Contain("local-m3-cli"));
        AssertShowsNoToken(status);

        string refreshToken = (string)JsonNode.Parse(await File.ReadAllTextAsync(Kept.Single()))!["refresh_token"]!;
        ExampleResult logout = await RunAsync([], "logout");
        Assert.That((logout.ExitCode, Kept), Is.EqualTo((0, Array.Empty<string>())), logout.All);
        using var foreign = new ForeignClient(Server);
        Assert.That((int)(await foreign.RefreshAsync(refreshToken)).Status, Is.EqualTo(400), "the issuer has forgotten it as well");

        ExampleResult after = await RunAsync(settings, "call", Server.Endpoint.AbsoluteUri);
        Assert.That(after.ExitCode, Is.EqualTo(CodeOf(M3AuthError.MissingToken)));
        Assert.That(Directory.EnumerateFiles(Home, "*", SearchOption.AllDirectories).Where(file => File.ReadAllText(file).Contains("eyJ", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task Without_an_address_the_settings_say_where_and_its_token_may_go_wherever_the_user_says()
    {
        Dictionary<string, string> settings = new(Server.ClientEnvironment) { ["M3_OAUTH2_CLIENT_ID"] = Server.PublicClientId };
        await using Example tool = Example.StartTool(With(settings), "login", "--json");
        await DecideAsync(code => Server.SignIns.Approve(code, "grace"));
        ExampleResult result = await tool.FinishAsync();

        JsonElement signIn = JsonDocument.Parse(result.Output).RootElement.GetProperty("signIn");
        Assert.That((signIn.GetProperty("subject").GetString(), signIn.GetProperty("audience").GetString(), signIn.GetProperty("onlyFor").ValueKind),
            Is.EqualTo(("grace", "m3-api", JsonValueKind.Null)), result.All);
    }

    [Test]
    public async Task The_settings_audience_is_not_a_servers_to_have_though_it_names_the_settings_own_issuer()
    {
        await using Example tool = Example.StartTool(With(new(Server.ClientEnvironment)), [.. Login(), "--json"]);
        await DecideAsync(code => Server.SignIns.Approve(code));
        ExampleResult result = await tool.FinishAsync();

        Assert.That(JsonDocument.Parse(result.Output).RootElement.GetProperty("signIn").GetProperty("audience").GetString(), Is.EqualTo(Server.Endpoint.AbsoluteUri), result.All);
        Assert.That(result.Error, Does.Contain("The audience in your settings, 'm3-api', is not asked for"));
    }

    [Test]
    public async Task The_settings_that_it_ends_with_can_be_pasted_however_long_they_are()
    {
        string audience = $"https://m3.example.org/{new string('a', 150)}";
        await using Example tool = Example.StartTool(With([]), [.. Login(), "--audience", audience]);
        await DecideAsync(code => Server.SignIns.Approve(code));
        ExampleResult result = await tool.FinishAsync();

        Assert.That(result.Output, Does.Contain($"\n  {(OperatingSystem.IsWindows() ? $"$env:M3_OAUTH2_AUDIENCE='{audience}'" : $"export M3_OAUTH2_AUDIENCE={audience}")}{Environment.NewLine}"), result.All);
    }

    [Test]
    public async Task A_damaged_sign_in_is_replaced_and_hides_no_other()
    {
        await LoginAsync(code => Server.SignIns.Approve(code));
        string file = Kept.Single();
        await File.WriteAllTextAsync(file, "{");

        ExampleResult status = await RunAsync([], "status");
        ExampleResult print = await RunAsync([], "print");
        ExampleResult login = await LoginAsync(code => Server.SignIns.Approve(code));

        Assert.That((status.ExitCode, print.ExitCode, login.ExitCode), Is.EqualTo((0, 1, 0)), status.All + print.All + login.All);
        Assert.That(status.Output + print.Error, Does.Match("is damaged(.|\n)*is damaged"));
        Assert.That(await File.ReadAllTextAsync(file), Does.Contain("refresh_token"));
    }

    [TestCase("auth.example.com", "no absolute https URL")]
    [TestCase("https://user@auth.example.com", "no absolute https URL")]
    [TestCase("http://auth.example.com", "no absolute https URL")]
    public async Task An_issuer_that_is_no_address_is_named(string issuer, string expected)
    {
        ExampleResult result = await RunAsync([], "login", "--issuer", issuer, "--audience", "m3-api", "--client-id", "x");

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.Output, Does.Contain(expected).And.Contain($"'{issuer}'"));
    }

    [Test]
    public async Task Who_declines_is_not_signed_in()
    {
        ExampleResult result = await LoginAsync(code => Server.SignIns.Deny(code));

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
        Assert.That(result.Error, Does.Contain(Server.IssuerUrl).And.Contain("read:mimic-data"));
        Assert.That((Server.SignIns.WaitingUserCodes.Count, Server.SignIns.DevicePolls), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task A_token_that_M3_would_refuse_is_not_kept()
    {
        await using Example tool = Example.StartTool(With(new() { ["M3_OAUTH2_ISSUER_URL"] = Server.IssuerUrl, ["M3_OAUTH2_AUDIENCE"] = "m3-api", ["M3_OAUTH2_JWKS_URL"] = $"{M3.IssuerUrl}.well-known/jwks.json" }), Login());
        await DecideAsync(code => Server.SignIns.Approve(code));
        ExampleResult result = await tool.FinishAsync();

        Assert.That((result.ExitCode, Kept), Is.EqualTo((CodeOf(M3AuthError.InvalidTokenSignature), Array.Empty<string>())), result.All);
        AssertShowsNoToken(result);
    }

    // Whatever is turned off for another issuer.
    [Test]
    public async Task A_token_for_something_else_is_not_kept_and_the_error_says_what_to_ask_for()
    {
        await using var issuer = await OidcProvider.OidcProvider.StartAsync();
        await using Example tool = Example.StartTool(
            With(new() { ["M3_OAUTH2_ISSUER_URL"] = "https://issuer.test", ["M3_OAUTH2_AUDIENCE"] = "m3-api", ["M3_OAUTH2_VALIDATE_AUD"] = "false" }),
            "login", "--issuer", issuer.IssuerUrl, "--audience", "another-api", "--client-id", OidcProvider.OidcProvider.NativeClientId, "--resource", OidcProvider.OidcProvider.Resource);
        await issuer.AnswerDeviceAsync((await SignInHome.ReadUserCodeAsync(tool.ReadErrorUntilAsync)).UserCode, yes: true);
        ExampleResult result = await tool.FinishAsync();

        Assert.That((result.ExitCode, Kept), Is.EqualTo((CodeOf(M3AuthError.InvalidAudience), Array.Empty<string>())), result.All);
        Assert.That(result.Output, Does.Contain("Nothing is kept. Say what M3 expects with --audience"));
        Assert.That(await issuer.CountAsync("revoked"), Is.EqualTo(1), "nobody has its refresh token");
        AssertShowsNoToken(result);
    }

    [Test]
    public async Task The_README_shows_these_commands()
    {
        string readme = await File.ReadAllTextAsync(Path.Combine(Docs.MarkdownPage.Root, "src/M3.Client.Auth.Tool/README.md"));

        foreach (string command in (string[])["m3-token login https://m3.example.org/sse --client-id YOUR_CLIENT", "m3-token print | other-program", "m3-token logout"])
            Assert.That(readme, Does.Contain($"    {command}\n"));
    }
}
