using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>An issuer that has <c>m3-token login</c> slow down (RFC 8628, section 3.5), and declines the sign-in of whoever does not.</summary>
[Platform(Exclude = "Win", Reason = "The sign-in is encrypted there.")]
public sealed class SlowDownTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SlowerBy = TimeSpan.FromSeconds(5);

    // A timer may go off a little early.
    private static readonly TimeSpan TimerSlack = TimeSpan.FromMilliseconds(50);

    [Test]
    public async Task Whoever_is_told_to_slow_down_does_so_from_then_on_and_is_signed_in()
    {
        List<string> answers = [];
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        TimeSpan asked = Interval;
        long last = 0;
        issuer.Misbehave = async (context, _) =>
        {
            switch (context.Request.Path)
            {
                case "/.well-known/openid-configuration":
                    await context.Response.WriteAsync(
                        """{"issuer":"{issuer}","jwks_uri":"{issuer}keys","token_endpoint":"{issuer}token","device_authorization_endpoint":"{issuer}device"}"""
                        .Replace("{issuer}", issuer.IssuerUrl, StringComparison.Ordinal));
                    return true;
                case "/device":
                    last = Stopwatch.GetTimestamp();
                    await context.Response.WriteAsync($$"""
                        {"device_code":"d","user_code":"AB-CD","verification_uri":"{{issuer.IssuerUrl}}v","expires_in":600,"interval":{{Interval.TotalSeconds}}}
                        """);
                    return true;
                case "/token":
                    bool isTooFast = Stopwatch.GetElapsedTime(last) < asked - TimerSlack;
                    last = Stopwatch.GetTimestamp();
                    answers.Add(isTooFast ? "access_denied" : answers.Count switch { 0 => "slow_down", 1 => "authorization_pending", _ => "tokens" });
                    asked += answers[^1] == "slow_down" ? SlowerBy : TimeSpan.Zero;
                    context.Response.StatusCode = answers[^1] == "tokens" ? 200 : 400;
                    context.Response.ContentType = "application/json";
                    await context.Response.WriteAsync(answers[^1] == "tokens"
                        ? $$"""{"access_token":"{{issuer.CreateToken()}}","token_type":"Bearer","refresh_token":"made-up"}"""
                        : $$"""{"error":"{{answers[^1]}}"}""");
                    return true;
                default:
                    return false;
            }
        };
        using var home = new SignInHome();

        await home.SignInAsync(["--issuer", issuer.IssuerUrl, "--audience", TestIssuer.Audience, "--client-id", "any"], _ => Task.FromResult<IEnumerable<string>>([]));

        Assert.That(answers, Is.EqualTo((string[])["slow_down", "authorization_pending", "tokens"]));
        Assert.That(home.Kept, Has.Count.EqualTo(1));
    }
}
