using M3.Client.Auth;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace HttpClientFactory;

/// <summary>Reads what the page shows from where any application finds it: the health check, and the client's keyed services.</summary>
internal sealed class StatusReader(
    HealthCheckService health,
    [FromKeyedServices("m3")] IM3TokenProvider tokens,
    [FromKeyedServices("m3")] M3TokenProvider provider,
    RecentRefusals refusals,
    TimeProvider time)
{
    public async Task<ServiceStatus> ReadAsync(CancellationToken cancellationToken)
    {
        HealthReport report = await health.CheckHealthAsync(cancellationToken);
        HealthReportEntry entry = report.Entries["m3"];

        TokenState? token = null;
        TokenProblem? problem = null;
        try
        {
            token = TokenState.Of(await tokens.GetTokenAsync(cancellationToken), time.GetUtcNow());
        }
        catch (M3AuthException e)
        {
            problem = new(e.Message, e.Remedy);
        }

        return new(new(report.Status.ToString(), entry.Description), token, problem, KeyState.Of(provider.GetKeyStatus()), BudgetState.Of(entry.Data), refusals.Newest);
    }
}
