using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace M3.Client.Auth;

/// <summary>Whether a client's next call could go out, and what will stand in its way soon.</summary>
internal sealed class M3AuthHealthCheck(IServiceProvider services, string clientName, TimeSpan? expiryMargin, double budgetMargin) : IHealthCheck
{
    private static readonly TimeSpan LongestDefaultMargin = TimeSpan.FromMinutes(5);

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        M3AuthRegistration registration = services.GetKeyedService<M3AuthRegistration>(clientName)
            ?? throw new InvalidOperationException($"There is no client '{clientName}' with M3's authentication: add it with AddHttpClient(\"{clientName}\").AddM3Auth().");
        Dictionary<string, object> data = new(StringComparer.Ordinal) { ["client"] = clientName };
        if (!registration.Options.Enabled)
            return HealthCheckResult.Healthy($"OAuth2 is off ({registration.Options.Prefix}ENABLED is not 'true'): requests go without a token.", data);

        List<string> blockers = [];
        List<string> concerns = [];
        IReadOnlyCollection<BudgetState> budgets;
        try
        {
            // What a call would do, too: answered from memory while nothing is due, and no oftener than calls themselves ask the issuer.
            M3AccessToken token = await registration.Tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
            ReadToken(registration, token, data, concerns);
            // The next call's subject, which need not be the last one's.
            budgets = registration.Admission.GetBudgets(token.Subject);
        }
        catch (M3AuthException e)
        {
            registration.Explain(e);
            budgets = registration.GetBudgets();
            data["error.type"] = e.Error.ToString();
            blockers.Add($"{e.Message}. {e.Remedy}");
        }

        ReadKeys(registration, data, concerns);
        ReadBudgets(registration, budgets, data, blockers, concerns);

        return blockers.Count > 0 ? new HealthCheckResult(context.Registration.FailureStatus, $"No call can go out: {string.Join("; ", blockers)}", data: data)
            : concerns.Count > 0 ? HealthCheckResult.Degraded(string.Join("; ", concerns), data: data)
            : HealthCheckResult.Healthy("Calls can go out.", data);
    }

    private void ReadToken(M3AuthRegistration registration, M3AccessToken token, Dictionary<string, object> data, List<string> concerns)
    {
        // Without an expiry, where that is not checked.
        if (!registration.Options.ValidateLifetime || token.ExpiresAt == DateTimeOffset.MaxValue)
            return;

        TimeSpan left = token.ExpiresAt - registration.Options.TimeProvider.GetUtcNow();
        data["token.expires_at"] = Describe(token.ExpiresAt);
        data["token.expires_in"] = Math.Round(left.TotalSeconds);
        if (left > (expiryMargin ?? DefaultMargin(token)) || (registration.Tokens as M3TokenProvider)?.TokenStatus is not { MayBeRenewed: false } status)
            return;
        concerns.Add($"The token expires in {Duration.Describe(left)}, and "
            + (status.HasFailed ? "could not be renewed" : "its source has no newer one: somebody has to put it there"));
    }

    private static TimeSpan DefaultMargin(M3AccessToken token) =>
        token.IssuedAt is { } issuedAt && (token.ExpiresAt - issuedAt) / 5 is var fifth && fifth < LongestDefaultMargin ? fifth : LongestDefaultMargin;

    private static void ReadKeys(M3AuthRegistration registration, Dictionary<string, object> data, List<string> concerns)
    {
        if (registration is not { Options.ValidateSignature: true, Tokens: M3TokenProvider provider })
            return;

        JwksStatus keys = provider.GetKeyStatus();
        data["keys.state"] = keys.State.ToString();
        data["keys.usable"] = keys.UsableKeys.Count;
        data["keys.ignored"] = keys.IgnoredKeys.Count;
        if (keys.FreshUntil is { } until)
            data["keys.fresh_until"] = Describe(until);
        if (keys.State == JwksState.Stale)
            concerns.Add($"The issuer's keys are stale, and used until {Describe(keys.UsableUntil!.Value)} at the latest{(keys.LastError is { } why ? $": {why}" : "")}");
    }

    // The data tell of the origin with the least left.
    private void ReadBudgets(M3AuthRegistration registration, IReadOnlyCollection<BudgetState> budgets, Dictionary<string, object> data,
        List<string> blockers, List<string> concerns)
    {
        if (budgets.Count == 0)
            return;

        BudgetState[] fewestFirst = [.. budgets.OrderBy(budget => (double)budget.Left / budget.Limit).ThenBy(budget => budget.Host, StringComparer.Ordinal)];
        BudgetState least = fewestFirst[0];
        data["budget.host"] = least.Host;
        data["budget.left"] = least.Left;
        data["budget.limit"] = least.Limit;
        data["budget.window_seconds"] = least.Window.TotalSeconds;

        (registration.Options.RateLimitMode == RateLimitMode.Reject ? blockers : concerns).AddRange(budgets.Select(budget => budget.Problem).OfType<string>().Distinct(StringComparer.Ordinal));

        // A provider of the application's own may have another subject for the next call, and an origin that no call went to has all its budget.
        bool isBlocked = fewestFirst.All(budget => budget.Left == 0)
            && registration is { Options.RateLimitMode: RateLimitMode.Reject, Tokens: M3TokenProvider } && budgets.Count >= registration.Origins.Named;
        (isBlocked ? blockers : concerns).AddRange(
            fewestFirst.Where(budget => budget.Left == 0 || budget.Left < budget.Limit * budgetMargin).Select(Describe));
    }

    private static string Describe(BudgetState budget) => budget.Pause > TimeSpan.Zero
        ? $"M3 has asked for a pause (Retry-After): no call goes to {budget.Host} for {Duration.Describe(budget.Pause)}"
        : string.Create(CultureInfo.InvariantCulture, $"{budget.Left} of {budget.Limit} calls to {budget.Host} are left within {Duration.Describe(budget.Window)}");

    private static string Describe(DateTimeOffset time) => time.ToString("u", CultureInfo.InvariantCulture);
}
