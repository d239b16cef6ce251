using System.CommandLine;
using HttpClientFactory;
using LocalM3;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

var command = new RootCommand(
    """
    HttpClientFactory: a small service that answers JSON from M3's tools, through a named and a typed client,
    and shows how it is: a page, health, metrics and traces.
    Start it with: dotnet run --project examples/HttpClientFactory [-- OPTIONS]
    """)
{
    new Option<string>("--urls") { HelpName = "URL", Description = "where it listens, for example http://127.0.0.1:5080" },
};
// Whatever else there is belongs to the application's configuration, as with any ASP.NET Core service.
command.TreatUnmatchedTokensAsErrors = false;

const string Notes =
    """
      GET /                             the page: M3's race distribution, the token's state, the budget, the last refusals
      GET /icu-stays?limit=3            through the typed client
      GET /race-distribution?limit=3    through the named client
      GET /health                       503 when no call could go out, and why
      GET /metrics                      for Prometheus; OpenTelemetry goes to OTEL_EXPORTER_OTLP_ENDPOINT, when that is set

    With nothing set up its M3 is LocalM3, a stand-in with made-up rows. To call another, set M3_URL,
    M3_OAUTH2_ISSUER_URL, M3_OAUTH2_AUDIENCE and M3_OAUTH2_TOKEN, in the environment or in appsettings.json.
    To see a failure, set M3_OAUTH2_TOKEN to anything that is no token: the answer is a problem (RFC 9457)
    with M3's documented message and the remedy.

    Ctrl+C stops it. Exit code: 0, or 1 when the settings are wrong, 2 a wrong argument.
    """;

return await command.RunAsync(Notes, args, async (_, cancellationToken) =>
{
    try
    {
        await ServeAsync(cancellationToken);
        return 0;
    }
    catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
    {
        return 0;
    }
    catch (Exception e) when (SettingsFailures(e) is [_, ..] failures)
    {
        Console.Error.WriteLine(string.Join('\n', failures));
        return 1;
    }
});

async Task ServeAsync(CancellationToken cancellationToken)
{
    WebApplicationBuilder builder = WebApplication.CreateBuilder(args);

    // With nothing configured, M3 is LocalM3, and the tokens come from its issuer by client credentials.
    Uri? configured = M3Url.Parse(builder.Configuration[M3Url.Variable]);
    await using LocalM3Server? local = configured is null ? await LocalM3Server.StartAsync(cancellationToken: cancellationToken) : null;
    if (local is not null)
    {
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(local.ClientEnvironment.Select(pair => KeyValuePair.Create(pair.Key, (string?)pair.Value)))
        {
            ["M3_OAUTH2_CLIENT_ID"] = local.ClientId,
            ["M3_OAUTH2_CLIENT_SECRET"] = local.ClientSecret,
        });
    }

    // The settings come from the application's configuration. M3 counts both clients' calls together, since their token has one
    // subject; so do they, since they go to the same origin.
    Uri m3 = configured ?? local!.Endpoint;
    builder.Services.AddHttpClient("m3", client => client.BaseAddress = m3).AddM3Auth();
    builder.Services.AddHttpClient<IcuClient>(client => client.BaseAddress = m3).AddM3Auth();

    // What it takes to run it for others: health, metrics and traces.
    builder.Services.AddHealthChecks().AddM3Auth("m3");
    builder.AddTelemetry();
    builder.Services.AddSingleton(TimeProvider.System);
    builder.Services.AddSingleton<RecentRefusals>();
    builder.Services.AddSingleton<StatusReader>();

    // Wrong settings are told above, without the host's stack trace.
    builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);

    builder.Services.AddProblemDetails();
    builder.Services.AddExceptionHandler<M3Problems>();

    await using WebApplication app = builder.Build();
    app.UseExceptionHandler();
    app.UseStatusPage();

    app.MapGet("/icu-stays", (IcuClient icu, CancellationToken cancellationToken, int limit = 3) => icu.GetStaysAsync(limit, cancellationToken));

    app.MapGet("/race-distribution", async (IHttpClientFactory clients, CancellationToken cancellationToken, int limit = 3) =>
    {
        using HttpClient http = clients.CreateClient("m3");
        return await M3Tool.CallAsync(http, "get_race_distribution", limit, cancellationToken);
    });

    // For whoever runs the service: in production these, and the page, belong behind its own authorization or on a port of their own.
    app.MapGet("/status", (StatusReader status, CancellationToken cancellationToken) => status.ReadAsync(cancellationToken));
    app.MapHealthChecks("/health", new HealthCheckOptions { ResponseWriter = HealthJson.WriteAsync });
    app.MapPrometheusScrapingEndpoint();

    app.Lifetime.ApplicationStarted.Register(() =>
        Console.WriteLine($"M3 is {(local is null ? m3 : "LocalM3, made-up rows")}. The page is at {app.Urls.First()}. Try: curl {app.Urls.First()}/icu-stays"));
    await app.RunAsync(cancellationToken);
}

// Two registrations with wrong settings are an AggregateException; what is wrong with both is told once.
static string[] SettingsFailures(Exception exception) =>
    [.. (exception is AggregateException several ? several.InnerExceptions : [exception]).OfType<OptionsValidationException>().SelectMany(e => e.Failures).Distinct()];
