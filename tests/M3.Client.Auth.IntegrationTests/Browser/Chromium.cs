using Microsoft.Playwright;

namespace M3.Client.Auth.IntegrationTests.Browser;

/// <summary>The browser that is installed on this machine; where there is none, Debian's is installed once.</summary>
internal static class Chromium
{
    /// <summary>Starts it, or skips the tests and says what is missing.</summary>
    public static async Task<IBrowser> LaunchAsync(IPlaywright playwright)
    {
        if (await DebianPackage.FindAsync("chromium", "chromium", "chromium-browser", "google-chrome") is not { } chromium)
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
}
