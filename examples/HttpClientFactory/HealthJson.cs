using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace HttpClientFactory;

/// <summary>The health report in full. The library puts no secret and no subject into it; an exception's stack trace is left out.</summary>
internal static class HealthJson
{
    public static Task WriteAsync(HttpContext context, HealthReport report) => context.Response.WriteAsJsonAsync(new
    {
        status = report.Status.ToString(),
        checks = report.Entries.ToDictionary(entry => entry.Key, entry => new
        {
            status = entry.Value.Status.ToString(),
            description = entry.Value.Description,
            data = entry.Value.Data,
        }),
    });
}
