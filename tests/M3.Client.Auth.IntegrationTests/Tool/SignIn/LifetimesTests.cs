using System.Net;
using M3.Client.Auth.IntegrationTests.Browser;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>Each way to sign in, from the first command to the last, at issuers that end a sign-in when a used refresh token comes again.</summary>
[Parallelizable(ParallelScope.All)]
[Platform(Exclude = "Win", Reason = "The sign-in is encrypted there.")]
public sealed class LifetimesTests : ToolFixture
{
    private const int Lifetimes = 3;
    private const int CallsInEach = 3;

    // Each with what the tool is told for it, and the person's part.
    private static readonly Dictionary<string, Grant> Grants = new()
    {
        ["device code"] = new(["--device"], (scene, tool) => scene.AllowShownDeviceAsync(tool)),
        ["authorization code"] = new(["--browser"], AllowInBrowserAsync),
    };

    private static IEnumerable<string> Ways => Grants.Keys;

    [Test]
    public async Task One_sign_in_serves_every_call_over_its_tokens_lifetimes_until_logout_ends_it_everywhere(
        [ValueSource(typeof(SignInScene), nameof(SignInScene.Issuers))] string issuer, [ValueSource(nameof(Ways))] string way)
    {
        Grant grant = Grants[way];
        await using SignInScene scene = await SignInScene.StartAsync(issuer);
        using var home = new SignInHome();
        await home.SignInAsync([.. scene.Login, .. grant.Options], tool => grant.AnswerAsync(scene, tool));

        await using Example script = home.StartScript(scene.M3);
        await script.ReadUntilAsync(line => line == "ready");
        List<string> said = [await CallAsync(script, home)];
        for (int i = 0; i < Lifetimes; i++)
        {
            await scene.WaitUntilRefusedAsync(home.Look());
            for (int j = 0; j < CallsInEach; j++)
                said.Add(await CallAsync(script, home));
        }

        Assert.That(said, Has.Count.EqualTo(10).And.All.EqualTo("200"));
        Assert.That(home.AccessTokens, Has.Count.AtLeast(Lifetimes + 1));
        await AssertEachRefreshTokenWasUsedOnceAsync(scene, home);
        Assert.That(await home.PrintAsync(), Is.EqualTo(home.Look()), "the token, and nothing else");
        await AssertEachRefreshTokenWasUsedOnceAsync(scene, home);
        Assert.That(home.FilesWithTokens, Is.EqualTo(home.Kept), "tokens stand in the sign-in's file alone");

        string accessToken = home.Look(), refreshToken = home.RefreshToken;
        ExampleResult logout = await home.RunToolAsync("logout");

        Assert.That((logout.ExitCode, home.Kept), Is.EqualTo((0, Array.Empty<string>())), logout.All);
        Assert.That(await scene.RefreshAsync(refreshToken), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_grant")), "the issuer has forgotten it");
        ExampleResult call = await home.RunToolAsync("call", scene.M3.AbsoluteUri);
        Assert.That(call.ExitCode, Is.EqualTo(CodeOf(M3AuthError.MissingToken)), call.All);
        await scene.WaitUntilRefusedAsync(accessToken);
        Assert.That(await CallOnceAsync(script, home), Does.StartWith("MissingToken: "), "nor has the program that ran on");

        await script.PipeAsync("");
        ExampleResult end = home.Note(await script.FinishAsync());
        Assert.That(end.Error, Does.Contain("Signed in as"), "it does log");
        Assert.That(home.HasTokens(home.Output), Is.False, "a token stands in somebody's output");
        Assert.That(home.FilesWithTokens, Is.Empty);
    }

    // Every one that came is in the list of those that were handed out, the last of which waits for its turn.
    private static async Task AssertEachRefreshTokenWasUsedOnceAsync(SignInScene scene, SignInHome home)
    {
        (int came, int refused) = await scene.CountRefreshTokensAsync();
        Assert.That((came, refused), Is.EqualTo((home.RefreshTokens.Count - 1, 0)));
        Assert.That(came, Is.AtLeast(Lifetimes));
    }

    private static async Task<string> CallAsync(Example script, SignInHome home)
    {
        string said = await CallOnceAsync(script, home);
        home.Look();
        return said;
    }

    private static async Task<string> CallOnceAsync(Example script, SignInHome home)
    {
        await script.TypeAsync("\n");
        string said = (await script.ReadUntilAsync(_ => true)).Single();
        home.Note([said]);
        return said;
    }

    private static async Task<IEnumerable<string>> AllowInBrowserAsync(SignInScene scene, Example tool)
    {
        List<string> shown = await tool.ReadErrorUntilAsync(line => line.StartsWith("    http", StringComparison.Ordinal) && line.Contains("code_challenge=", StringComparison.Ordinal));
        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await Chromium.LaunchAsync(playwright);
        IPage page = await browser.NewPageAsync();
        await page.GotoAsync(shown[^1].Trim());
        await scene.AllowAsync(page);
        await Expect(page.GetByRole(AriaRole.Heading)).ToHaveTextAsync("Done", new() { Timeout = 20_000 });
        return shown;
    }

    private sealed record Grant(string[] Options, Func<SignInScene, Example, Task<IEnumerable<string>>> AnswerAsync);
}
