namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>A server in the net that would have a person sign in at something on the person's own machine.</summary>
[Parallelizable(ParallelScope.All)]
[Platform(Include = "Linux", Reason = "What is trusted can be named there.")]
public sealed class HttpsServerTests
{
    private const string Address = $"https://{HttpsServer.Host}/sse";

    [TestCase("http://localhost:8080")]
    [TestCase("https://localhost:8443")]
    [TestCase("https://127.0.0.1")]
    [TestCase("https://127.1.2.3")]
    [TestCase("https://[::1]")]
    [TestCase("https://issuer.localhost")]
    [TestCase("https://localhost.")]
    [TestCase("https://0.0.0.0")]
    [TestCase("https://[::ffff:127.0.0.1]")]
    [TestCase("https://2130706433")]
    public async Task An_issuer_on_the_persons_machine_is_refused(string issuer)
    {
        ExampleResult result = await LoginAsync(issuer);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.Output, Does.Contain($"{Address} names '{issuer}' as its issuer"));
        Assert.That(result.Error, Does.Not.Contain("issuer    "), "nobody is asked");
    }

    [Test]
    public async Task An_issuer_in_the_net_is_asked_about()
    {
        ExampleResult result = await LoginAsync("https://issuer.example.org");

        Assert.That(result.Output, Does.Contain("nobody is here to say whether this issuer is the right one"), result.All);
        Assert.That(result.Error, Does.Contain("https://issuer.example.org"));
    }

    private static async Task<ExampleResult> LoginAsync(string issuer)
    {
        await using var server = new HttpsServer(path => path == "/.well-known/oauth-protected-resource/sse"
            ? $$"""{"resource":"{{Address}}","authorization_servers":["{{issuer}}"]}"""
            : null);
        return await Example.RunToolAsync(server.Environment, "login", Address, "--client-id", "x");
    }
}
