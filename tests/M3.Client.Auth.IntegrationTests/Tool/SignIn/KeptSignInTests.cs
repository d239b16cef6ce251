using System.Text.Json.Nodes;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>What the tool does with a sign-in that is kept: print, logout.</summary>
public sealed class KeptSignInTests : LoginFixture
{
    [Test]
    public async Task Print_renews_an_expired_token_and_puts_out_nothing_else()
    {
        await LoginAsync(code => Server.SignIns.Approve(code));
        ExampleResult first = await RunAsync([], "print");
        await ExpireAsync();

        ExampleResult second = await RunAsync([], "print");

        Assert.That((first.ExitCode, first.Error, second.ExitCode, second.Error), Is.EqualTo((0, "", 0, "")));
        Assert.That(first.Output, Does.Match(@"^eyJ[\w-]+\.[\w-]+\.[\w-]+\s+\z"));
        Assert.That(second.Output != first.Output, "it is another token");
        Assert.That(Server.SignIns.RefreshRequests, Is.EqualTo(1));
    }

    // LocalM3 refuses a secret of a client that has none.
    [Test]
    public async Task What_is_set_for_another_issuer_is_not_sent_along_when_a_token_is_renewed_or_revoked()
    {
        Dictionary<string, string> settings = new()
        {
            ["M3_OAUTH2_ISSUER_URL"] = "https://issuer.test",
            ["M3_OAUTH2_CLIENT_ID"] = Server.PublicClientId,
            ["M3_OAUTH2_CLIENT_SECRET"] = "not-for-strangers",
            ["M3_OAUTH2_JWKS_URL"] = $"{M3.IssuerUrl}.well-known/jwks.json",
        };
        await LoginAsync(code => Server.SignIns.Approve(code));
        await ExpireAsync();

        ExampleResult print = await RunAsync(settings, "print");
        ExampleResult logout = await RunAsync(settings, "logout");

        Assert.That((print.ExitCode, Server.SignIns.RefreshRequests), Is.EqualTo((0, 1)), print.Error);
        Assert.That(logout.ExitCode, Is.Zero, logout.All);
        Assert.That(logout.All, Does.Not.Contain("could not be told"));
    }

    [Test]
    public async Task A_setting_that_cannot_be_understood_loses_no_sign_in()
    {
        await LoginAsync(code => Server.SignIns.Approve(code));

        ExampleResult logout = await RunAsync(new() { ["M3_OAUTH2_ENABLED"] = "perhaps" }, "logout");

        Assert.That((logout.ExitCode, Kept.Count()), Is.EqualTo((WrongSettings, 1)), logout.All);
    }

    [Test]
    public async Task Where_the_issuer_cannot_be_told_the_sign_in_is_forgotten_here_and_logout_fails()
    {
        await LoginAsync(code => Server.SignIns.Approve(code));
        await Server.DisposeAsync();

        ExampleResult logout = await RunAsync([], "logout");

        Assert.That((logout.ExitCode, Kept), Is.EqualTo((1, Array.Empty<string>())), logout.All);
        Assert.That(logout.Output, Does.Contain("signed out here only").And.Contain("The issuer could not be told"));
    }

    [Test, Platform(Exclude = "Win", Reason = "No SIGINT there.")]
    public async Task Whoever_is_interrupted_while_the_issuer_is_told_can_sign_out_again()
    {
        await using RecordingServer silent = await RecordingServer.StartAsync(context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await LoginAsync(code => Server.SignIns.Approve(code));
        JsonNode kept = JsonNode.Parse(await File.ReadAllTextAsync(Kept.Single()))!;
        string issuer = silent.Address.AbsoluteUri.TrimEnd('/');
        kept["issuer"] = issuer;
        File.Delete(Kept.Single());
        string file = Path.Combine(Folder, KeptSignIn.NameOf(issuer, (string)kept["client_id"]!, (string)kept["audience"]!));
        KeptSignIn.WriteFile(file, kept);

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
        await LoginAsync(code => Server.SignIns.Approve(code));

        ExampleResult print = await RunAsync(new() { ["M3_OAUTH2_TOKEN_COMMAND"] = "no-such-program", ["M3_OAUTH2_TOKEN"] = "another" }, "print");

        Assert.That((print.ExitCode, print.Output.StartsWith("eyJ", StringComparison.Ordinal)), Is.EqualTo((0, true)), print.Error);
    }

    [Test, Platform(Include = "Linux", Reason = "script is there.")]
    public async Task Print_shows_no_token_on_a_terminal()
    {
        await LoginAsync(code => Server.SignIns.Approve(code));

        await using Example terminal = Example.StartProgram("script", ["-qec", $"'{Example.Dotnet}' exec '{Example.ToolProgram}' print", "/dev/null"], With([]), Home);
        ExampleResult result = await terminal.FinishAsync();

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.All, Does.Contain("a token is not written to a terminal"));
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
}
