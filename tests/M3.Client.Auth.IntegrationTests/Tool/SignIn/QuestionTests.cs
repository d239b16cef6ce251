namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>The question of <c>m3-token login</c>, whether the issuer that a server names is the right one, answered by somebody at a terminal.</summary>
[Platform(Include = "Linux", Reason = "script is there.")]
public sealed class QuestionTests
{
    private LocalM3Server _m3 = null!;
    private SignInHome _home = null!;

    [SetUp]
    public async Task StartServerAsync()
    {
        _home = new SignInHome();
        _m3 = await LocalM3Server.StartAsync(new LocalM3Options { DeviceInterval = TimeSpan.FromSeconds(1) });
    }

    [TearDown]
    public async Task StopServerAsync()
    {
        await _m3.DisposeAsync();
        _home.Dispose();
    }

    [TestCase("y")]
    [TestCase(" YES ")]
    public async Task Yes_goes_on(string answer)
    {
        await using Example terminal = await AskAsync($"{answer}\n");
        (List<string> shown, string userCode) = await SignInHome.ReadUserCodeAsync(terminal.ReadUntilAsync);
        _m3.SignIns.Approve(userCode);
        ExampleResult result = _home.Note(await terminal.FinishAsync());
        _home.Note(shown);
        _home.Look();

        Assert.That((result.ExitCode, _home.Kept.Count), Is.EqualTo((0, 1)), _home.Output);
        Assert.That(_home.HasTokens(_home.Output), Is.False, "a token stands on the terminal");
    }

    [TestCase("\n", TestName = "An_empty_answer_does_not_go_on")]
    [TestCase("n\n", TestName = "No_does_not_go_on")]
    [TestCase("yep\n", TestName = "Anything_else_does_not_go_on")]
    public async Task Anything_but_yes_does_not_go_on(string answer)
    {
        await using Example terminal = await AskAsync(answer);
        ExampleResult result = await terminal.FinishAsync();

        Assert.That((result.ExitCode, _home.Kept.Count), Is.EqualTo((1, 0)), result.All);
        Assert.That(result.Output, Does.Contain("[y/N]").And.Contain("not signed in"));
        AssertIssuerWasNotAsked();
    }

    [Test]
    public async Task Ctrl_C_at_the_question_ends_it()
    {
        await using Example terminal = await AskAsync("\u0003");
        ExampleResult result = await terminal.FinishAsync();

        Assert.That((result.ExitCode, _home.Kept.Count), Is.EqualTo((130, 0)), result.All);
        Assert.That(result.Output, Does.Contain("Stopped."));
        AssertIssuerWasNotAsked();
    }

    private void AssertIssuerWasNotAsked() => Assert.That((_m3.SignIns.WaitingUserCodes.Count, _m3.SignIns.DevicePolls), Is.EqualTo((0, 0)));

    private async Task<Example> AskAsync(string answer)
    {
        Example terminal = _home.StartTerminal("login", _m3.Endpoint.AbsoluteUri, "--client-id", _m3.PublicClientId);
        // The line before the question, which has no end until it is answered.
        await terminal.ReadUntilAsync(line => line.Contains(_m3.PublicClientId, StringComparison.Ordinal));
        await terminal.TypeAsync(answer);
        return terminal;
    }
}
