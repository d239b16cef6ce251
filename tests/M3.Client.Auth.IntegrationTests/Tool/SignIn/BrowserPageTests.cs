using System.Runtime.Versioning;
using System.Text.Json;
using M3.Client.Auth.IntegrationTests.Browser;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary><c>m3-token login --browser</c>, with a person at a real browser.</summary>
[Platform(Exclude = "Win", Reason = "The browser that opens is a script here.")]
[UnsupportedOSPlatform("windows")]
public sealed class BrowserPageTests : BrowserFixture
{
    private IPage _page = null!;

    [SetUp]
    public async Task OpenAsync() => _page = await Browser.NewPageAsync();

    [TearDown]
    public Task ShutAsync() => _page.CloseAsync();

    [Test]
    public async Task A_person_allows_it_and_the_page_says_done()
    {
        await using BrowserLogin login = Start();
        await _page.GotoAsync((await login.WaitForPageAsync()).AbsoluteUri);
        await _page.GetByLabel("grace").CheckAsync();
        await Button("Allow").ClickAsync();

        await Expect(_page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("Done");
        await _page.KeepPicturesAsync("login-done");
        ExampleResult result = await login.FinishAsync();
        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(JsonDocument.Parse(result.Output).RootElement.GetProperty("signIn").GetProperty("subject").GetString(), Is.EqualTo("grace"));
        Assert.That(login.Kept.Count(), Is.EqualTo(1));
        Assert.That(result.All, Does.Not.Contain("eyJ").And.Not.Contain("this and that"));
    }

    [Test]
    public async Task A_person_denies_it_and_nobody_is_signed_in()
    {
        await using BrowserLogin login = Start();
        await _page.GotoAsync((await login.WaitForPageAsync()).AbsoluteUri);
        await Button("Deny").ClickAsync();

        await Expect(_page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("Not signed in");
        await _page.KeepPicturesAsync("login-denied");
        ExampleResult result = await login.FinishAsync();
        Assert.That((result.ExitCode, login.Kept.Count()), Is.EqualTo((10 + (int)M3AuthError.TokenRequestFailed, 0)), result.All);
        Assert.That(result.Output, Does.Contain("the sign-in was declined"));
    }

    private BrowserLogin Start() => BrowserLogin.Start(null, "login", M3.Endpoint.AbsoluteUri, "--client-id", M3.PublicClientId, "--yes", "--browser", "--json");

    private ILocator Button(string name) => _page.GetByRole(AriaRole.Button, new() { Name = name });
}
