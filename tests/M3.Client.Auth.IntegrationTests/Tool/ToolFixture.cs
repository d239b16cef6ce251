using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Tool;

/// <summary>The command-line tool as a process, and an issuer and M3 for it.</summary>
public abstract class ToolFixture : LocalM3Fixture
{
    protected const int Usage = 2;
    protected const int WrongSettings = 3;

    protected static int CodeOf(M3AuthError error) => 10 + (int)error;

    private protected Task<ExampleResult> CheckAsync(string? token, params string[] arguments) => Example.RunToolAsync(With(M3, token), arguments);

    private protected static Dictionary<string, string> With(LocalM3Server m3, string? token) => new(m3.ClientEnvironment) { ["M3_OAUTH2_TOKEN"] = token ?? "" };

    private protected static JsonElement ReadJson(ExampleResult result)
    {
        Assert.That(result.Error, Is.Empty);
        return JsonDocument.Parse(result.Output).RootElement;
    }

    private protected static void Show(ExampleResult result) => TestContext.Out.WriteLine($"{result.All}exit code {result.ExitCode}");

    /// <summary>No part of a JWT that can be read, no piece of the token's signature, and no stack trace.</summary>
    private protected static void AssertShowsNoToken(ExampleResult result, string? token = null)
    {
        const int piece = 10;
        Assert.That(result.All.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the output");
        Assert.That(result.All, Does.Not.Contain("   at "), "a stack trace");
        string signature = token?.Split('.')[^1] ?? "";
        for (int start = 0; start + piece <= signature.Length; start++)
            Assert.That(result.All.Contains(signature.Substring(start, piece), StringComparison.Ordinal), Is.False, "a piece of the signature stands in the output");
    }
}
