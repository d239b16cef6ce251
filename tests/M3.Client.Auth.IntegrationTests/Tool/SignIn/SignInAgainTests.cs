using System.Text.RegularExpressions;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>What a person is told to type when their sign-in has ended does sign them in again.</summary>
[Parallelizable(ParallelScope.All)]
[Platform(Exclude = "Win", Reason = "The sign-in is encrypted there.")]
public sealed class SignInAgainTests
{
    [TestCaseSource(typeof(SignInScene), nameof(SignInScene.Issuers))]
    public async Task The_command_in_the_remedy_can_be_typed_as_it_stands(string issuer)
    {
        await using SignInScene scene = await SignInScene.StartAsync(issuer);
        using var home = new SignInHome();
        await home.SignInAsync(scene.Login, scene.AllowShownDeviceAsync);
        // Somebody else has used the refresh token: the issuer ends the sign-in when it comes again.
        await scene.RefreshAsync(home.RefreshToken);
        await scene.WaitUntilRefusedAsync(home.Look());

        ExampleResult ended = await home.RunToolAsync("print");
        string[] command = Regex.Match(ended.All, @"Sign in again: m3-token login (.*?)(\s+See |\s*$)", RegexOptions.Multiline).Groups[1].Value.Split(' ');
        await home.SignInAsync([.. command, "--yes"], scene.AllowShownDeviceAsync);

        Assert.That(await home.PrintAsync(), Is.EqualTo(home.Look()));
    }
}
