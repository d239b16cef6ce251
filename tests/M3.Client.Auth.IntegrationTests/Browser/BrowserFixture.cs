using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace M3.Client.Auth.IntegrationTests.Browser;

/// <summary>Tests that share one browser, and one M3.</summary>
public abstract class BrowserFixture : LocalM3Fixture
{
    private IPlaywright _playwright = null!;

    private protected IBrowser Browser { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task LaunchAsync()
    {
        SetDefaultExpectTimeout(20_000);
        _playwright = await Playwright.CreateAsync();
        Browser = await Chromium.LaunchAsync(_playwright);
    }

    [OneTimeTearDown]
    public async Task CloseAsync()
    {
        if (Browser is not null)
            await Browser.CloseAsync();
        _playwright?.Dispose();
    }
}
