using System.Net;
using M3.Client.Auth.IntegrationTests.Examples.SignIn;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary><c>m3-token logout</c> of somebody with two sign-ins at LocalM3: by its address, and by the settings.</summary>
[Platform(Exclude = "Win", Reason = "The sign-in is encrypted there.")]
public sealed class LogoutTests
{
    private LocalM3Server _m3 = null!;
    private SignInHome _home = null!;

    [SetUp]
    public async Task SignInTwiceAsync()
    {
        _home = new SignInHome();
        _m3 = await LocalM3Server.StartAsync(new LocalM3Options { DeviceInterval = TimeSpan.FromSeconds(1) });
        await SignInAsync("ada", _m3.Endpoint.AbsoluteUri, "--yes");
        await SignInAsync("grace", "--issuer", _m3.IssuerUrl, "--audience", _m3.Audience);
        Assert.That((_home.Kept.Count, _home.RefreshTokens.Count), Is.EqualTo((2, 2)));
    }

    [TearDown]
    public async Task StopServerAsync()
    {
        await _m3.DisposeAsync();
        _home.Dispose();
    }

    [Test]
    public async Task All_ends_each_of_them_here_and_at_the_issuer()
    {
        ExampleResult logout = await _home.RunToolAsync("logout", "--all");

        Assert.That((logout.ExitCode, _home.Kept.Count), Is.EqualTo((0, 0)), logout.All);
        Assert.That(logout.Output, Does.Contain("'ada'").And.Contain("'grace'"));
        Assert.That(await CountAcceptedAsync(), Is.Zero);
        Assert.That(_home.HasTokens(_home.Output), Is.False, "a token stands in the output");
    }

    [Test]
    public async Task All_of_one_server_leaves_the_other()
    {
        ExampleResult logout = await _home.RunToolAsync("logout", _m3.Endpoint.AbsoluteUri, "--all");

        Assert.That((logout.ExitCode, _home.Kept.Count), Is.EqualTo((0, 1)), logout.All);
        Assert.That(logout.Output, Does.Contain("'ada'").And.Not.Contain("'grace'"));
        Assert.That(await CountAcceptedAsync(), Is.EqualTo(1));
    }

    private Task<ExampleResult> SignInAsync(string person, params string[] arguments) =>
        _home.SignInAsync([.. arguments, "--client-id", _m3.PublicClientId], async tool =>
        {
            (List<string> shown, string userCode) = await SignInHome.ReadUserCodeAsync(tool.ReadErrorUntilAsync);
            _m3.SignIns.Approve(userCode, person);
            return shown;
        });

    private async Task<int> CountAcceptedAsync()
    {
        using var foreign = new ForeignClient(_m3);
        Answer[] answers = await Task.WhenAll(_home.RefreshTokens.Select(token => foreign.RefreshAsync(token)));
        return answers.Count(answer => answer.Status == HttpStatusCode.OK);
    }
}
