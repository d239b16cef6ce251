using System.Net.Http.Headers;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>DataPull as a process, in a folder of its own, against a LocalM3 of this process.</summary>
public abstract class PullFixture : LocalM3Fixture
{
    private static readonly HttpClient Http = new();

    /// <summary>Where a pull writes.</summary>
    protected string Folder { get; private set; } = null!;

    /// <summary>How many calls have arrived that M3's rate limit counts.</summary>
    protected int Calls => M3.Received.Count(request => request.McpMethod == "tools/call");

    /// <summary>SQL that adds tables to LocalM3's own.</summary>
    protected virtual string? MoreTables => null;

    private protected override LocalM3Options M3Options => new() { MoreTables = MoreTables };

    [SetUp]
    public void MakeFolder() => Folder = Directory.CreateTempSubdirectory("DataPull-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(Folder, recursive: true);

    protected string In(string file) => Path.Combine(Folder, file);

    /// <summary>Points a pull at LocalM3, with a budget that is never used up.</summary>
    protected Dictionary<string, string> Environment() => new(M3.ClientEnvironment)
    {
        ["M3_OAUTH2_TOKEN"] = M3.CreateToken(),
        ["M3_OAUTH2_RATE_LIMIT_REQUESTS"] = "1000",
    };

    private protected Example Start(IEnumerable<KeyValuePair<string, string>> environment, params string[] arguments) =>
        Example.StartIn(Folder, "DataPull", environment, arguments);

    private protected async Task<ExampleResult> PullAsync(IEnumerable<KeyValuePair<string, string>> environment, params string[] arguments)
    {
        await using Example example = Start(environment, arguments);
        return await example.FinishAsync();
    }

    /// <summary>What a pull makes that nobody disturbs; it is gone when this returns.</summary>
    private protected async Task<byte[]> PullInOneGoAsync(string file, params string[] arguments)
    {
        ExampleResult result = await PullAsync(Environment(), arguments);
        Assert.That(result.ExitCode, Is.Zero, result.All);
        byte[] bytes = await File.ReadAllBytesAsync(In(file));
        File.Delete(In(file));
        return bytes;
    }

    /// <summary>Runs a pull whose budget has only so many calls, and does something to it when it waits for the next.</summary>
    private protected async Task<ExampleResult> StopWhileWaitingAsync(int calls, Action<Example> stop, params string[] arguments)
    {
        Dictionary<string, string> environment = new(Environment()) { ["M3_OAUTH2_RATE_LIMIT_REQUESTS"] = $"{calls}" };
        await using Example example = Start(environment, arguments);
        List<string> lines = await example.ReadUntilAsync(line => line.Contains("waits", StringComparison.Ordinal));
        stop(example);
        ExampleResult result = await example.FinishAsync();
        return result with { Output = Lines([.. lines]) + result.Output };
    }

    protected static string Lines(params string[] lines) => string.Concat(lines.Select(line => line + System.Environment.NewLine));

    /// <summary>Passes a request on to LocalM3, and the answer back.</summary>
    protected async Task ForwardAsync(HttpContext context, string message)
    {
        using var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), new Uri(M3.BaseAddress, context.Request.Path));
        if (message != "")
            request.Content = new StringContent(message, MediaTypeHeaderValue.Parse(context.Request.ContentType!));
        foreach ((string name, StringValues value) in context.Request.Headers.Where(header => header.Key is not ("Host" or "Connection" or "Content-Type" or "Content-Length" or "Transfer-Encoding")))
            request.Headers.TryAddWithoutValidation(name, value.ToArray());
        using HttpResponseMessage response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, context.RequestAborted);
        context.Response.StatusCode = (int)response.StatusCode;
        foreach ((string name, IEnumerable<string> value) in response.Headers.Concat(response.Content.Headers).Where(header => header.Key is not ("Transfer-Encoding" or "Content-Length")))
            context.Response.Headers.Append(name, value.ToArray());
        await response.Content.CopyToAsync(context.Response.Body, context.RequestAborted);
    }

    private protected static void AssertFails(ExampleResult result, int exitCode, params string[] expected) => Assert.Multiple(() =>
    {
        Assert.That(result.ExitCode, Is.EqualTo(exitCode), result.All);
        foreach (string line in expected)
            Assert.That(result.Error, Does.Contain(line));
        Assert.That(result.All, Does.Not.Contain("   at "), "a stack trace");
        AssertShowsNoToken(result);
    });

    // Every JWT begins so: {" in base64url.
    private protected static void AssertShowsNoToken(ExampleResult result) =>
        Assert.That(result.All.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the output");
}
