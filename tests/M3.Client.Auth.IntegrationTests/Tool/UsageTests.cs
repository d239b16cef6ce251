using System.Diagnostics;
using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Tool;

/// <summary>The command line itself.</summary>
public sealed class UsageTests : ToolFixture
{
    [TestCase("--frobnicate", "Unknown option --frobnicate. See --help.")]
    [TestCase("keys --tool x", "Unknown option --tool. See --help.")]
    [TestCase("call", "call needs URL: M3's address, for example http://localhost:3000/sse. See --help.")]
    [TestCase("call nonsense", "call needs an absolute http or https URL, for example: m3-token call http://localhost:3000/sse")]
    [TestCase("call ftp://m3/sse", "call needs an absolute http or https URL, for example: m3-token call http://localhost:3000/sse")]
    [TestCase("keys -", "One argument too many: the commands are check, keys, call, login, status, print, logout, see --help. If it is a token: A token does not belong on the command line")]
    [TestCase("chekc", "One argument too many: the commands are check, keys, call, login, status, print, logout, see --help. If it is a token: A token does not belong on the command line")]
    [TestCase("@token.txt", "One argument too many: the commands are check, keys, call, login, status, print, logout, see --help. If it is a token: A token does not belong on the command line")]
    [TestCase("login nonsense", "ADDRESS is M3's own, an absolute http or https URL, for example: m3-token login https://m3.example.org/sse")]
    [TestCase("--prefix", "Required argument missing for option: '--prefix'. See --help.")]
    [TestCase("call http://m3/sse --tool a --tool b", "Option '--tool' expects a single argument but 2 were provided. See --help.")]
    public async Task Wrong_usage_is_exit_code_2_in_words_and_in_JSON(string arguments, string message)
    {
        ExampleResult text = await Example.RunToolAsync(M3.ClientEnvironment, arguments.Split(' '));
        ExampleResult json = await Example.RunToolAsync(M3.ClientEnvironment, ["--json", .. arguments.Split(' ')]);

        JsonElement error = ReadJson(json).GetProperty("error");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text.ExitCode, Is.EqualTo(Usage));
            Assert.That(text.Error, Does.StartWith(message));
            Assert.That(text.Output, Is.Empty);
            Assert.That(json.ExitCode, Is.EqualTo(Usage));
            Assert.That(error.GetProperty("error").GetString(), Is.EqualTo("Usage"));
            Assert.That(error.GetProperty("message").GetString(), Does.StartWith(message));
            Assert.That(error.GetProperty("remedy").GetString(), Is.EqualTo("See m3-token --help."));
            Assert.That(error.GetProperty("isTransient").GetBoolean(), Is.False);
        }
    }

    [Test]
    public async Task A_token_on_the_command_line_is_refused_with_the_reason_and_not_repeated()
    {
        string token = M3.CreateToken();
        foreach (string[] arguments in (string[][])
            [[token], ["check", token], ["--token", token], [$"--token={token}"], ["call", token], ["opaque-token-secret"], ["--json", token], ["--json=opaque-token-secret"], ["Bearer x"]])
        {
            ExampleResult result = await Example.RunToolAsync(M3.ClientEnvironment, arguments);

            Assert.That(result.ExitCode, Is.EqualTo(Usage), result.All);
            Assert.That(result.All, Does.Contain("A token does not belong on the command line"));
            Assert.That(result.All, Does.Not.Contain("opaque-token-secret"));
            AssertShowsNoToken(result, token);
        }
    }

    [Test]
    public async Task Help_has_every_command_every_option_and_every_exit_code()
    {
        ExampleResult result = await Example.RunToolAsync(null, "--help");
        ExampleResult call = await Example.RunToolAsync(null, "call", "--help");
        ExampleResult confused = await Example.RunToolAsync(null, "--frobnicate", "--help");

        Show(result);
        Assert.That(result.ExitCode, Is.Zero);
        foreach (M3AuthError error in Enum.GetValues<M3AuthError>())
            Assert.That(result.Output, Does.Contain($"   {CodeOf(error)}  {error}"));
        foreach (string expected in (string[])["  check ", "  keys ", "  call <URL>", "  login <ADDRESS>", "  status ", "  print ", "  logout <ADDRESS>", "--prefix", "--json", "--plain", "--stdin", "--version", "dotnet-suggest"])
            Assert.That(result.Output, Does.Contain(expected));
        Assert.That(confused, Is.EqualTo(result), "whoever asks for help gets it");
        Assert.That(call.Output, Does.Contain("m3-token").And.Contain("--tool <NAME>").And.Contain("get_database_schema").And.Not.Contain("Exit codes"));
    }

    [Test]
    public async Task The_version_is_that_of_the_assembly()
    {
        ExampleResult result = await Example.RunToolAsync(null, "--version");

        Assert.That(result.ExitCode, Is.Zero);
        Assert.That(result.Output.Trim(), Is.EqualTo(FileVersionInfo.GetVersionInfo(Example.ToolProgram).ProductVersion).And.Match(@"^\d+\.\d+\.\d+"));
    }

    [TestCase("[suggest:0]", "", "check", "keys", "call", "--json", "--prefix")]
    [TestCase("[suggest:1]", "c", "check", "call")]
    [TestCase("[suggest:9]", "--prefix ", "M3_OAUTH2_", "M4_OAUTH2_")]
    [TestCase("[suggest:12]", "call --tool ", "get_database_schema", "get_race_distribution")]
    public async Task Completions_are_there_for_dotnet_suggest(string directive, string typed, params string[] expected)
    {
        ExampleResult result = await Example.RunToolAsync(null, directive, typed);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output.Split(Environment.NewLine), Is.SupersetOf(expected));
    }
}
