using M3.Client.Auth;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds a health check for a client with M3's authentication.</summary>
public static class M3AuthHealthChecksBuilderExtensions
{
    /// <summary>
    /// Checks what a call of this client would need. Unhealthy: no call could go out, since there is no valid token, or no call is left in
    /// the budget for any of its hosts. Degraded: the token ends soon and cannot be renewed, the issuer's keys are stale, or few calls are
    /// left for a host. The report's data are strings and numbers, and no secret or subject is among them.
    /// </summary>
    /// <param name="builder">The application's health checks.</param>
    /// <param name="clientName">The name of the client: <c>AddHttpClient("m3").AddM3Auth()</c>.</param>
    /// <param name="name">The name of the check. Default null: the client's.</param>
    /// <param name="failureStatus">What to report where no call could go out. Default null: <see cref="HealthStatus.Unhealthy"/>.</param>
    /// <param name="tags">To filter checks by. Default null: none.</param>
    /// <param name="expiryMargin">
    /// From when on before its expiry a token that cannot be renewed counts as ending soon. Default null: five minutes, or a fifth of the token's
    /// life where that is less.
    /// </param>
    /// <param name="budgetMargin">Below which share of the limit few calls are left, from 0 to 1. Default a tenth.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A margin is negative, or the budget's more than 1.</exception>
    public static IHealthChecksBuilder AddM3Auth(this IHealthChecksBuilder builder, string clientName, string? name = null, HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null, TimeSpan? expiryMargin = null, double budgetMargin = 0.1)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(clientName);
        ArgumentOutOfRangeException.ThrowIfLessThan(expiryMargin ?? TimeSpan.Zero, TimeSpan.Zero, nameof(expiryMargin));
        if (budgetMargin is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(budgetMargin), budgetMargin, "The margin is a share of the limit, from 0 to 1.");
        return builder.Add(new HealthCheckRegistration(name ?? clientName,
            services => new M3AuthHealthCheck(services, clientName, expiryMargin, budgetMargin), failureStatus, tags));
    }
}
