using System.Runtime.Versioning;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary><c>m3-token login --browser</c> as a process, with a browser that only writes down which address it is to open.</summary>
[UnsupportedOSPlatform("windows")]
internal sealed class BrowserLogin : IAsyncDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("m3-browser-").FullName;
    private readonly Example _tool;

    private BrowserLogin(IReadOnlyDictionary<string, string> settings, string[] arguments)
    {
        string browser = Path.Combine(_home, "browser");
        File.WriteAllText(browser, $"#!/bin/sh\necho a browser says this and that\nprintf '%s' \"$1\" > '{Opened}.new' && mv '{Opened}.new' '{Opened}'\n");
        File.SetUnixFileMode(browser, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        _tool = Example.StartTool(new Dictionary<string, string>(settings) { ["M3_SIGN_IN_DIRECTORY"] = Folder, ["HOME"] = _home, ["BROWSER"] = browser }, arguments);
    }

    public string Folder => Path.Combine(_home, "sign-ins");

    public IEnumerable<string> Kept => Directory.Exists(Folder) ? Directory.GetFiles(Folder, "*.json") : [];

    public bool HasOpened => File.Exists(Opened);

    private string Opened => Path.Combine(_home, "opened");

    public static BrowserLogin Start(IReadOnlyDictionary<string, string>? settings, params string[] arguments) => new(settings ?? new Dictionary<string, string>(), arguments);

    /// <summary>The page that the browser was told to open.</summary>
    public async Task<Uri> WaitForPageAsync()
    {
        await Eventually.UntilAsync(() => HasOpened);
        return new Uri(await File.ReadAllTextAsync(Opened));
    }

    public void Interrupt() => _tool.Interrupt();

    public Task<ExampleResult> FinishAsync() => _tool.FinishAsync();

    public async ValueTask DisposeAsync()
    {
        await _tool.DisposeAsync();
        Directory.Delete(_home, recursive: true);
    }
}
