using M3.Client.Auth.IntegrationTests.Examples.SignIn;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace M3.Client.Auth.IntegrationTests.Browser;

/// <summary>What a person sees and does at LocalM3's pages, in a real browser.</summary>
[Platform(Exclude = "Win")]
public sealed class SignInPageTests : BrowserFixture
{
    // Of the verifier in RFC 7636, appendix B.
    private const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    private ForeignClient _client = null!;
    private IPage _page = null!;

    [SetUp]
    public async Task OpenAsync()
    {
        _client = new ForeignClient(M3);
        _page = await Browser.NewPageAsync();
    }

    [TearDown]
    public async Task ShutAsync()
    {
        await _page.CloseAsync();
        _client.Dispose();
    }

    [Test]
    public async Task A_person_types_a_devices_code_and_allows_it()
    {
        Answer device = await _client.StartDeviceAsync();
        await _page.GotoAsync(device["verification_uri"]);
        await _page.KeepPicturesAsync("sign-in-code");

        await _page.GetByLabel("The code that your device shows").FillAsync(device["user_code"].ToLowerInvariant().Replace("-", " "));
        await Button("Continue").ClickAsync();
        await Expect(_page.Locator("dl")).ToContainTextAsync(device["user_code"]);
        await Expect(_page.Locator("dl")).ToContainTextAsync(M3.PublicClientId);
        await _page.KeepPicturesAsync("sign-in-device");
        await _page.GetByLabel("grace").CheckAsync();
        await Button("Allow").ClickAsync();

        await Expect(_page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("Done");
        await Expect(_page.GetByRole(AriaRole.Main)).ToContainTextAsync("The device is signed in as grace.");
        await _page.KeepPicturesAsync("sign-in-done");
        Assert.That((await _client.PollAsync(device)).Claims.GetProperty("sub").GetString(), Is.EqualTo("grace"));
    }

    [Test]
    public async Task A_person_opens_the_complete_address_and_denies_the_device()
    {
        Answer device = await _client.StartDeviceAsync();
        await _page.GotoAsync(device["verification_uri_complete"]);
        await Button("Deny").ClickAsync();

        await Expect(_page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("Denied");
        Assert.That((await _client.PollAsync(device)).Error, Is.EqualTo("access_denied"));
    }

    [Test]
    public async Task A_mistyped_code_is_asked_for_again()
    {
        await _page.GotoAsync(new Uri(M3.BaseAddress, "connect/device?user_code=WRNG-CODE").AbsoluteUri);

        await Expect(_page.GetByRole(AriaRole.Alert)).ToContainTextAsync("No device waits with this code");
        await Expect(_page.GetByLabel("The code that your device shows")).ToBeVisibleAsync();
        await _page.KeepPicturesAsync("sign-in-wrong-code");
    }

    [TestCase("Allow")]
    [TestCase("Deny")]
    public async Task A_person_decides_and_is_sent_back_to_the_program(string decision)
    {
        await using RecordingServer program = await RecordingServer.StartAsync(context => context.Response.WriteAsync("Back at the program."));
        await _page.GotoAsync(QueryHelpers.AddQueryString(new Uri(M3.BaseAddress, "connect/authorize").AbsoluteUri, new Dictionary<string, string?>
        {
            ["client_id"] = M3.PublicClientId,
            ["response_type"] = "code",
            ["redirect_uri"] = new Uri(program.Address, "callback").AbsoluteUri,
            ["scope"] = ForeignClient.Scopes,
            ["resource"] = M3.Endpoint.AbsoluteUri,
            ["state"] = "a state",
            ["code_challenge"] = Challenge,
            ["code_challenge_method"] = "S256",
        }));
        await Expect(_page.Locator("dl")).ToContainTextAsync(M3.Endpoint.AbsoluteUri);
        await _page.KeepPicturesAsync("sign-in-authorize");

        await Button(decision).ClickAsync();

        await Expect(_page.GetByText("Back at the program.")).ToBeVisibleAsync();
        Assert.That(_page.Url, Does.StartWith($"{program.Address}callback?").And.Contains("state=a%20state").And.Contains("iss="));
        Assert.That(_page.Url, decision == "Allow" ? Does.Contain("code=") : Does.Contain("error=access_denied").And.Not.Contain("code="));
    }

    [Test]
    public async Task Another_page_of_this_machine_cannot_press_the_button()
    {
        Answer device = await _client.StartDeviceAsync();
        await using RecordingServer other = await RecordingServer.StartAsync(context =>
        {
            context.Response.ContentType = "text/html";
            return context.Response.WriteAsync(
                $"""
                <form method="post" action="{device["verification_uri"]}">
                <input type="hidden" name="user_code" value="{device["user_code"]}"><input type="hidden" name="person" value="ada">
                <button name="decision" value="allow">A kitten</button></form>
                """);
        });
        await _page.GotoAsync(other.Address.AbsoluteUri);
        await Button("A kitten").ClickAsync();

        await Expect(_page.GetByText("Allow it only if your device shows this code.")).ToBeVisibleAsync();
        Assert.That((await _client.PollAsync(device)).Error, Is.EqualTo("authorization_pending"));
    }

    private ILocator Button(string name) => _page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });
}
