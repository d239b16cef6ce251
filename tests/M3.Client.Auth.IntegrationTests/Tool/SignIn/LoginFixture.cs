using System.Text.Json.Nodes;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>A LocalM3 for each test, and an empty home for whoever signs in there by device code.</summary>
public abstract class LoginFixture : ToolFixture
{
    protected string Home { get; private set; } = "";

    private protected LocalM3Server Server { get; private set; } = null!;

    [SetUp]
    public async Task StartServerAsync()
    {
        Home = Directory.CreateTempSubdirectory("m3-login-").FullName;
        Server = await LocalM3Server.StartAsync(new LocalM3Options { DeviceInterval = TimeSpan.FromSeconds(1) });
    }

    [TearDown]
    public async Task StopServerAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(Home, recursive: true);
    }

    protected string Folder => Path.Combine(Home, "sign-ins");

    protected IEnumerable<string> Kept => Directory.Exists(Folder) ? Directory.GetFiles(Folder, "*.json") : [];

    protected string[] Login() => ["login", Server.Endpoint.AbsoluteUri, "--client-id", Server.PublicClientId, "--yes"];

    private protected async Task<ExampleResult> LoginAsync(Action<string> decide, params string[] more)
    {
        await using Example tool = Example.StartTool(With([]), [.. Login(), .. more]);
        await DecideAsync(decide);
        return await tool.FinishAsync();
    }

    protected async Task DecideAsync(Action<string> decide)
    {
        await Eventually.UntilAsync(() => Server.SignIns.WaitingUserCodes.Count > 0);
        decide(Server.SignIns.WaitingUserCodes.Single());
    }

    /// <summary>Has the kept access token expire.</summary>
    protected async Task ExpireAsync()
    {
        string file = Kept.Single();
        JsonNode kept = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        KeptSignIn.Expire(kept);
        await File.WriteAllTextAsync(file, kept.ToJsonString());
    }

    private protected Task<ExampleResult> RunAsync(Dictionary<string, string> settings, params string[] arguments) => Example.RunToolAsync(With(settings), arguments);

    protected Dictionary<string, string> With(Dictionary<string, string> settings) => new(settings) { ["M3_SIGN_IN_DIRECTORY"] = Folder, ["HOME"] = Home };
}
