using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using M3.Client.Auth.IntegrationTests.Errors;
using Microsoft.AspNetCore.Http;

namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>What the example service offers to whoever runs it, beside the page: health, metrics and traces.</summary>
public sealed class ServiceInProductionTests : LocalM3Fixture
{
    [Test]
    public async Task The_page_is_served_whatever_folder_the_service_is_started_from_and_may_ask_nobody_else()
    {
        string folder = Directory.CreateTempSubdirectory("m3-elsewhere-").FullName;
        await using Example service = Example.StartIn(folder, "HttpClientFactory", null, "--urls", "http://127.0.0.1:0");
        using var http = new HttpClient { BaseAddress = await ExampleTests.AddressOfAsync(service) };

        using HttpResponseMessage page = await http.GetAsync("");
        string html = await page.Content.ReadAsStringAsync();

        Assert.That(page.Content.Headers.ContentType?.MediaType, Is.EqualTo("text/html"));
        Assert.That(page.Headers.GetValues("Content-Security-Policy").Single(), Does.StartWith("default-src 'self';"));
        Assert.That(html, Does.Contain("<h1>M3 client</h1>").And.Not.Contain("://"));
        foreach (string file in (string[])["app.js", "style.css", "icon.svg"])
        {
            Assert.That(html, Does.Contain($"\"{file}\""));
            using HttpResponseMessage response = await http.GetAsync(file);
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK), file);
        }

        Directory.Delete(folder);
    }

    [Test]
    public async Task Health_is_200_while_calls_can_go_out_and_tells_what_it_goes_by()
    {
        await using Example service = Start(M3.CreateToken(subject: "dr-example"));
        using var http = new HttpClient { BaseAddress = await ExampleTests.AddressOfAsync(service) };
        await http.GetStringAsync("race-distribution");

        using HttpResponseMessage response = await http.GetAsync("health");
        string body = await response.Content.ReadAsStringAsync();
        JsonElement health = JsonDocument.Parse(body).RootElement;

        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(health.GetProperty("status").GetString(), Is.EqualTo("Healthy"));
            JsonElement data = health.GetProperty("checks").GetProperty("m3").GetProperty("data");
            Assert.That(data.GetProperty("keys.state").GetString(), Is.EqualTo("Fresh"));
            Assert.That(data.GetProperty("budget.left").GetInt32(), Is.EqualTo(99));
            Assert.That(body, Does.Not.Contain("dr-example"));
            Assert.That(body.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the report");
        }
    }

    [Test]
    public async Task Health_is_503_when_no_call_could_go_out_and_says_why()
    {
        await using Example service = Start(M3.CreateToken(TimeSpan.FromMinutes(-5)));
        using var http = new HttpClient { BaseAddress = await ExampleTests.AddressOfAsync(service) };

        using HttpResponseMessage response = await http.GetAsync("health");
        JsonElement health = await response.Content.ReadFromJsonAsync<JsonElement>();

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));
        Assert.That(health.GetProperty("status").GetString(), Is.EqualTo("Unhealthy"));
        Assert.That(health.GetProperty("checks").GetProperty("m3").GetProperty("description").GetString(), Does.StartWith("No call can go out: Token has expired"));
    }

    [Test]
    public async Task Prometheus_finds_what_was_attached_what_was_refused_and_what_is_left()
    {
        await using Example service = Start(M3.CreateToken(), KeyValuePair.Create("M3_OAUTH2_RATE_LIMIT_REQUESTS", "1"));
        using var http = new HttpClient { BaseAddress = await ExampleTests.AddressOfAsync(service) };
        await http.GetStringAsync("race-distribution");
        using HttpResponseMessage refused = await http.GetAsync("race-distribution");
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.ServiceUnavailable));

        string metrics = await http.GetStringAsync("metrics");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(metrics, Does.Match("""(?m)^m3_client_auth_request_attached_total\{.*m3_client_name="m3".*\} [1-9]"""));
            Assert.That(metrics, Does.Match("""(?m)^m3_client_auth_request_refused_total\{.*error_type="RateLimitExceeded".*\} 1"""));
            Assert.That(metrics, Does.Match("""(?m)^m3_client_auth_budget_left\{.*m3_client_name="m3".*\} 0"""));
            Assert.That(metrics, Does.Contain("http_server_request_duration_seconds").And.Contain("http_client_request_duration_seconds"));
            Assert.That(metrics.Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the metrics");
        }
    }

    [Test]
    [Platform(Exclude = "Win")]
    public async Task A_collector_is_sent_metrics_and_traces_and_no_token()
    {
        ConcurrentQueue<(string Path, string Body)> exports = new();
        await using RecordingServer collector = await RecordingServer.StartAsync(async context =>
        {
            using var reader = new StreamReader(context.Request.Body, Encoding.Latin1);
            exports.Enqueue((context.Request.Path, await reader.ReadToEndAsync()));
            context.Response.StatusCode = StatusCodes.Status200OK;
        });
        await using Example service = Start(M3.CreateToken(),
            KeyValuePair.Create("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Address.AbsoluteUri),
            KeyValuePair.Create("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"));
        using var http = new HttpClient { BaseAddress = await ExampleTests.AddressOfAsync(service) };
        await http.GetStringAsync("race-distribution");

        // What was not sent yet is sent at the end.
        service.Interrupt();
        ExampleResult result = await service.FinishAsync();

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(exports.Where(export => export.Path == "/v1/metrics").Select(export => export.Body), Has.Some.Contains("m3.client.auth.request.attached"));
        Assert.That(exports.Where(export => export.Path == "/v1/traces").Select(export => export.Body), Has.Some.Contains("m3.fetch_keys"));
        Assert.That(exports.Any(export => export.Body.Contains("eyJ", StringComparison.Ordinal)), Is.False, "a token was exported");
    }

    [Test]
    public async Task The_help_names_what_there_is_to_look_at()
    {
        ExampleResult help = await Example.RunAsync("HttpClientFactory", null, "--help");

        foreach (string path in (string[])["/", "/health", "/metrics"])
            Assert.That(help.Output, Does.Contain($"GET {path} "));
    }

    private Example Start(string token, params KeyValuePair<string, string>[] environment) =>
        Example.Start("HttpClientFactory", [.. M3.ClientEnvironment, new("M3_OAUTH2_TOKEN", token), .. environment], "--urls", "http://127.0.0.1:0");
}
