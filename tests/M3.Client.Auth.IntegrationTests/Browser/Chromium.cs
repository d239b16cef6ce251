using Microsoft.Playwright;

namespace M3.Client.Auth.IntegrationTests.Browser;

/// <summary>The browser that is installed on this machine; where there is none, Debian's is installed once.</summary>
internal static class Chromium
{
    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome"];
    private static readonly TimeSpan InstallPatience = TimeSpan.FromMinutes(5);

    /// <summary>Starts it, or skips the tests and says what is missing.</summary>
    public static async Task<IBrowser> LaunchAsync(IPlaywright playwright)
    {
        if (Find() is null && Environment.IsPrivilegedProcess && FindOnPath("apt-get") is not null)
            await InstallAsync();
        if (Find() is not { } chromium)
        {
            Assert.Ignore("No browser is installed: the page's tests need chromium on the PATH "
                + "(Debian: apt-get install -y chromium, which as root they try themselves).");
            return null!;
        }

        return await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = chromium,
            // Root has no sandbox.
            ChromiumSandbox = !Environment.IsPrivilegedProcess,
        });
    }

    private static string? Find() => Names.Select(FindOnPath).FirstOrDefault(path => path is not null);

    private static string? FindOnPath(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static async Task InstallAsync()
    {
        await using Example install = Example.StartProgram("apt-get", ["install", "-y", "-qq", "chromium"], [new("DEBIAN_FRONTEND", "noninteractive")]);
        ExampleResult result = await install.FinishAsync(InstallPatience);
        if (result.ExitCode != 0)
            TestContext.Progress.WriteLine($"apt-get install chromium: {result.Error}");
    }
}
