using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Errors;

/// <summary>The two examples that show typed errors, as processes.</summary>
public sealed class ExampleTests
{
    [Test]
    public async Task WrappedClient_shows_strings_before_and_types_after()
    {
        ExampleResult result = await Example.RunAsync("WrappedClient");

        string output = result.Output.ReplaceLineEndings("\n");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.Zero, result.All);
            Assert.That(result.Error, Is.Empty);
            foreach (string expected in (string[])
            [
                "With a good token\n  before  IcuStay { SubjectId = 90000002",
                "before  InvalidOperationException: Error: Missing OAuth2 access token\n          (2 requests reached M3)\n  after   MissingTokenException: Missing OAuth2 access token",
                "before  InvalidOperationException: Error: OAuth2 authentication failed: Token has expired\n          (2 requests reached M3)\n  after   TokenExpiredException: Token has expired: at ",
                "after   InvalidAudienceException: Invalid token audience: 'another-api'",
                "after   MissingScopesException: Missing required scopes: read:mimic-data (the token has read:notes)\n",
                "after   MissingScopesException: Missing required scopes: read:mimic-data\n",
                "(0 requests reached M3)",
            ])
                Assert.That(output, Does.Contain(expected));
            AssertShowsNoToken(result);
        }
    }

    [TestCase("M3_URL", "ftp://m3", "M3_URL must be an absolute http or https URL, but is 'ftp://m3'.")]
    [TestCase("M3_OAUTH2_JWKS_CACHE_TTL", "soon", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is 'soon'")]
    public async Task WrappedClient_names_a_wrong_setting_and_its_value(string name, string value, string expected)
    {
        ExampleResult result = await Example.RunAsync("WrappedClient", [new("M3_URL", "http://127.0.0.1:1/sse"), new(name, value)]);

        Assert.That((result.ExitCode, result.Error.Split('\n')[0].Trim()), Is.EqualTo((2, expected)), result.All);
    }

    [Test]
    public void WrappedClients_two_classes_differ_in_two_lines()
    {
        string[] before = Source("WrappedClient/Before/M3Client.cs");
        string[] after = Source("WrappedClient/After/M3Client.cs");

        Assert.That(after, Has.Length.EqualTo(before.Length));
        string[] changed = [.. before.Zip(after).Where(pair => pair.First != pair.Second).Select(pair => pair.Second.Trim())];
        Assert.That(changed, Has.Length.EqualTo(3).And.ItemAt(0).EqualTo("namespace WrappedClient.After;"), string.Join('\n', changed));
    }

    [Test]
    public async Task WrappedClient_calls_another_M3_and_tells_what_is_wrong_there()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();

        ExampleResult good = await Example.RunAsync("WrappedClient", [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", m3.CreateToken())]);
        ExampleResult bad = await Example.RunAsync("WrappedClient", [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", "nonsense")]);
        ExampleResult settings = await Example.RunAsync("WrappedClient", [new("M3_URL", m3.Endpoint.AbsoluteUri)]);
        ExampleResult help = await Example.RunAsync("WrappedClient", null, "--help");
        ExampleResult wrong = await Example.RunAsync("WrappedClient", null, "--fast");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(good.ExitCode, Is.Zero, good.All);
            Assert.That(good.Output, Does.Contain("IcuStay { SubjectId = 90000002"));
            Assert.That(bad.ExitCode, Is.EqualTo(1));
            Assert.That(bad.Error, Does.StartWith("Invalid token format").And.Contain("TROUBLESHOOTING.md#invalid-token-format"));
            Assert.That(settings.ExitCode, Is.EqualTo(2));
            Assert.That(settings.Error, Does.Contain("M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled"));
            Assert.That(help.ExitCode, Is.Zero);
            Assert.That(help.Output, Does.Contain("dotnet run --project examples/WrappedClient"));
            Assert.That(wrong.ExitCode, Is.EqualTo(2));
            AssertShowsNoToken(good);
        }
    }

    [Test]
    public async Task HttpClientFactory_answers_JSON_through_both_clients_and_stops_on_Ctrl_C()
    {
        await using Example service = Example.Start("HttpClientFactory", null, "--urls", "http://127.0.0.1:0");
        using var http = new HttpClient { BaseAddress = await AddressOfAsync(service) };

        JsonElement stays = await http.GetFromJsonAsync<JsonElement>("icu-stays?limit=2");
        JsonElement races = await http.GetFromJsonAsync<JsonElement>("race-distribution");
        using HttpResponseMessage wrong = await http.GetAsync("icu-stays?limit=0");
        JsonElement problem = await wrong.Content.ReadFromJsonAsync<JsonElement>();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(stays.GetArrayLength(), Is.EqualTo(2));
            Assert.That(stays[0].GetProperty("subject_id").GetString(), Is.EqualTo("90000002"));
            Assert.That(races.GetArrayLength(), Is.EqualTo(3));
            Assert.That(wrong.StatusCode, Is.EqualTo(HttpStatusCode.BadGateway));
            Assert.That(problem.GetProperty("detail").GetString(), Does.StartWith("Error: Invalid limit"));
        }

        if (OperatingSystem.IsWindows())
            return;
        service.Interrupt();
        ExampleResult result = await service.FinishAsync();
        Assert.That(result.ExitCode, Is.Zero, result.All);
        AssertShowsNoToken(result);
    }

    [TestCase("nonsense", "Invalid token format", "InvalidTokenFormat", 502)]
    [TestCase("expired", "Token has expired", "TokenExpired", 502)]
    [TestCase("early", "Token is not yet valid", "TokenNotYetValid", 503)]
    public async Task HttpClientFactory_answers_a_failing_token_with_the_documented_message_and_remedy(string token, string title, string error, int status)
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        string value = token switch
        {
            "expired" => m3.CreateToken(TimeSpan.FromMinutes(-5)),
            "early" => m3.CreateToken(notBefore: DateTimeOffset.UtcNow.AddMinutes(10)),
            _ => token,
        };
        await using Example service = Example.Start("HttpClientFactory", [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", value)], "--urls", "http://127.0.0.1:0");
        using var http = new HttpClient { BaseAddress = await AddressOfAsync(service) };

        foreach (string path in (string[])["icu-stays", "race-distribution"])
        {
            using HttpResponseMessage response = await http.GetAsync(path);
            string body = await response.Content.ReadAsStringAsync();
            JsonElement problem = JsonDocument.Parse(body).RootElement;
            using (Assert.EnterMultipleScope())
            {
                Assert.That((int)response.StatusCode, Is.EqualTo(status));
                Assert.That(response.Content.Headers.ContentType?.MediaType, Is.EqualTo("application/problem+json"));
                Assert.That(problem.GetProperty("title").GetString(), Is.EqualTo(title));
                Assert.That(problem.GetProperty("detail").GetString(), Does.StartWith(title));
                Assert.That(problem.GetProperty("error").GetString(), Is.EqualTo(error));
                Assert.That(problem.GetProperty("remedy").GetString(), Does.Contain("/TROUBLESHOOTING.md#"));
                Assert.That(body.Contains("eyJ", StringComparison.Ordinal), Is.False);
            }
        }

        Assert.That(m3.Received, Is.Empty);
    }

    [TestCase("QuickStart")]
    [TestCase("WrappedClient")]
    [TestCase("HttpClientFactory")]
    [TestCase("DataPull")]
    public async Task A_token_that_was_set_as_the_address_is_not_said_back(string example)
    {
        ExampleResult result = await Example.RunAsync(example, [new("M3_URL", "eyJhbGciOi.pasted.into-the-wrong-place")]);

        Assert.That(result.ExitCode, Is.InRange(1, 2));
        Assert.That(result.All, Does.Contain("M3_URL must be an absolute http or https URL, but is 38 characters (not shown: they may be a token).").And.Not.Contain("pasted"));
    }

    [TestCase("DataPull", "--rows")]
    [TestCase("DataPull", "--table")]
    [TestCase("DataPull", "--part")]
    [TestCase("LocalM3", "--port")]
    [TestCase("LocalM3", "--algorithm")]
    public async Task A_token_that_was_given_to_an_option_is_not_said_back(string example, string option)
    {
        ExampleResult result = await Example.RunAsync(example, [], option, "eyJhbGciOi.pasted.into-the-wrong-place");

        Assert.That(result.ExitCode, Is.EqualTo(2));
        Assert.That(result.All, Does.Contain($"{option} takes ").And.Contain("not 38 characters (not shown: they may be a token).").And.Not.Contain("pasted"));
    }

    [Test]
    public async Task HttpClientFactory_names_wrong_settings_when_it_starts()
    {
        ExampleResult result = await Example.RunAsync("HttpClientFactory", [new("M3_URL", "http://127.0.0.1:1/sse")], "--urls", "http://127.0.0.1:0");
        ExampleResult url = await Example.RunAsync("HttpClientFactory", [new("M3_URL", "m3")], "--urls", "http://127.0.0.1:0");
        ExampleResult help = await Example.RunAsync("HttpClientFactory", null, "--help");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
            Assert.That(result.All.ReplaceLineEndings("\n"), Is.EqualTo("M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled\nM3_OAUTH2_AUDIENCE is required when OAuth2 is enabled\n"));
            Assert.That(url.ExitCode, Is.EqualTo(1));
            Assert.That(url.Error, Does.StartWith("M3_URL must be an absolute http or https URL, but is 'm3'."));
            Assert.That(help.ExitCode, Is.Zero);
            Assert.That(help.Output, Does.Contain("dotnet run --project examples/HttpClientFactory"));
        }
    }

    internal static async Task<Uri> AddressOfAsync(Example service)
    {
        List<string> lines = await service.ReadUntilAsync(line => line.Contains("Try: curl ", StringComparison.Ordinal));
        return new Uri(new Uri(lines[^1].Split("Try: curl ")[1]), "/");
    }

    private static string[] Source(string path, [CallerFilePath] string here = "") =>
        File.ReadAllLines(Path.Combine(Path.GetDirectoryName(here)!, "../../../examples", path));

    private static void AssertShowsNoToken(ExampleResult result) =>
        Assert.That(result.All.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the output");
}
