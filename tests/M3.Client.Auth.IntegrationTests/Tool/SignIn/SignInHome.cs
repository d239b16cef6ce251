using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>A home directory in which a person signs in, and everything that their programs have put out.</summary>
internal sealed class SignInHome : IDisposable
{
    private const string BeforeCode = "the code  ";

    private readonly string _home = Directory.CreateTempSubdirectory("m3-home-").FullName;
    private readonly StringBuilder _output = new();
    private readonly HashSet<string> _accessTokens = [];
    private readonly HashSet<string> _refreshTokens = [];
    private Dictionary<string, string> _settings = [];

    /// <summary>The files that sign-ins are kept in.</summary>
    public IReadOnlyList<string> Kept => Directory.Exists(Folder) ? Directory.GetFiles(Folder, "*.json") : [];

    /// <summary>Every access token that was ever seen in a sign-in's file.</summary>
    public IReadOnlyCollection<string> AccessTokens => _accessTokens;

    /// <summary>Every refresh token that was ever seen there.</summary>
    public IReadOnlyCollection<string> RefreshTokens => _refreshTokens;

    /// <summary>The one that was seen last.</summary>
    public string RefreshToken { get; private set; } = "";

    /// <summary>All that was put out, but what went where it was to go.</summary>
    public string Output => _output.ToString();

    /// <summary>The files in which a token stands.</summary>
    public IEnumerable<string> FilesWithTokens => Directory.EnumerateFiles(_home, "*", SearchOption.AllDirectories)
        .Where(file => HasTokens(Encoding.Latin1.GetString(File.ReadAllBytes(file))));

    private string Folder => Path.Combine(_home, "sign-ins");

    // What a program writes, it writes into this home.
    private Dictionary<string, string> Environment => new(_settings)
    {
        ["M3_SIGN_IN_DIRECTORY"] = Folder,
        // Opens nothing: the tests have a browser of their own.
        ["BROWSER"] = "true",
        ["HOME"] = _home,
        ["TMPDIR"] = _home,
        ["M3_OAUTH2_DEBUG"] = "true",
        ["DOTNET_EnableDiagnostics"] = "0",
    };

    /// <summary>Reads what the tool shows up to the code that the person types.</summary>
    /// <param name="readUntil">Reads the stream that it shows it on.</param>
    public static async Task<(List<string> Shown, string UserCode)> ReadUserCodeAsync(Func<Predicate<string>, Task<List<string>>> readUntil)
    {
        List<string> shown = await readUntil(line => line.Contains(BeforeCode, StringComparison.Ordinal));
        return (shown, shown[^1].Split(BeforeCode)[1].Trim());
    }

    public bool HasTokens(string text) => _accessTokens.Concat(_refreshTokens).Append("eyJ").Any(token => text.Contains(token, StringComparison.Ordinal));

    /// <summary>Signs in with the tool; the settings that it names are every later program's.</summary>
    /// <param name="arguments">What it is told.</param>
    /// <param name="answer">The person's part.</param>
    public async Task<ExampleResult> SignInAsync(string[] arguments, Func<Example, Task<IEnumerable<string>>> answer)
    {
        await using Example tool = StartTool(["login", .. arguments, "--json"]);
        IEnumerable<string> shown = await answer(tool);
        ExampleResult result = Note(await tool.FinishAsync());
        Note(shown);
        Assert.That(result.ExitCode, Is.Zero, result.All);
        _settings = JsonDocument.Parse(result.Output).RootElement.GetProperty("environment").EnumerateObject().ToDictionary(setting => setting.Name, setting => setting.Value.GetString()!);
        Look();
        return result;
    }

    public Example StartTool(params string[] arguments) => Example.StartTool(Environment, arguments);

    /// <summary>Starts the tool on a terminal of its own; both what it puts out and what it says beside that stand in the terminal's output.</summary>
    public Example StartTerminal(params string[] arguments) => Example.StartProgram("script",
        ["-qec", string.Join(' ', ((string[])[Example.Dotnet, "exec", Example.ToolProgram, .. arguments]).Select(word => $"'{word}'")), "/dev/null"], Environment, _home);

    public Example StartScript(Uri m3) => Example.StartHelper("M3.Client.Auth.SignedInCaller", Environment, m3.AbsoluteUri);

    public async Task<ExampleResult> RunToolAsync(params string[] arguments) => Note(await Example.RunToolAsync(Environment, arguments));

    /// <summary>The one command whose output is a token.</summary>
    public async Task<string> PrintAsync()
    {
        ExampleResult result = await Example.RunToolAsync(Environment, "print");
        Assert.That(result.ExitCode, Is.Zero, result.Error);
        Note(result with { Output = "" });
        Look();
        return result.Output.TrimEnd();
    }

    /// <summary>Notes what is kept now. Returns its access token, of several sign-ins the last one's.</summary>
    public string Look()
    {
        string accessToken = "";
        foreach (string file in Kept)
        {
            JsonNode kept = JsonNode.Parse(File.ReadAllText(file))!;
            RefreshToken = (string)kept["refresh_token"]!;
            _refreshTokens.Add(RefreshToken);
            accessToken = (string)kept["access_token"]!;
            _accessTokens.Add(accessToken);
        }

        return accessToken;
    }

    public ExampleResult Note(ExampleResult result)
    {
        _output.AppendLine(result.All);
        return result;
    }

    public void Note(IEnumerable<string> lines) => _output.AppendJoin('\n', lines).AppendLine();

    public void Dispose() => Directory.Delete(_home, recursive: true);
}
