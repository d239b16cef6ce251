using System.Collections.Concurrent;
using System.Threading.RateLimiting;

namespace M3.Client.Auth;

/// <summary>Lets requests through to M3: finds each its token and its permits.</summary>
internal sealed class Admission(M3AuthOptions options, IM3TokenProvider tokens, M3SharedState? sharedState, Log log, Telemetry telemetry)
{
    private readonly M3SharedState _sharedState = options.SharedState ?? sharedState ?? M3SharedState.CreateInProcess();
    private readonly ConcurrentDictionary<Origin, RequestBudget> _budgets = new(ReferenceEqualityComparer.Instance);
    private LastBudget? _lastBudget;

    private readonly Clock _clock = new(options.TimeProvider);

    // This library's and by the same clock: its cached token can be had with a single look at that.
    private readonly M3TokenProvider? _ownTokens = tokens is M3TokenProvider own && own.TimeProvider == options.TimeProvider ? own : null;

    /// <summary>Whether nothing but this library's own code supplies the tokens.</summary>
    public bool HasOwnTokens => _ownTokens is not null;

    // Whether there is anything to keep inside: M3's limit, or the application's own.
    private bool IsCounting => options.RateLimitEnabled || options.RateLimiter is not null;

    /// <summary>Lets a request through whose token is cached and whose permits are at hand.</summary>
    /// <param name="request">The request.</param>
    /// <param name="origin">Where it goes.</param>
    /// <param name="calls">How many tool calls it makes, once they are counted; null: they are not, or only its buffered body can tell.</param>
    /// <param name="admitted">The request's token and permits.</param>
    /// <returns>False: its token has to be had first, and then the rest decided with that.</returns>
    public bool TryAdmit(HttpRequestMessage request, Origin origin, ref int? calls, out AdmittedRequest admitted)
    {
        // The one look at the clocks: nothing is waited for from here on.
        Moment now = _clock.Now;
        if (_ownTokens?.TryGetCached(now) is { } token)
            return TryAdmit(request, origin, token, now.Monotonic, ref calls, out admitted);
        admitted = default;
        return false;
    }

    /// <summary>Lets a request through whose permits are at hand.</summary>
    /// <param name="request">The request.</param>
    /// <param name="origin">Where it goes.</param>
    /// <param name="token">Its token.</param>
    /// <param name="calls">How many tool calls it makes, as above.</param>
    /// <param name="admitted">The request's token and permits.</param>
    /// <returns>False: <see cref="AdmitAsync"/> has to decide.</returns>
    public bool TryAdmit(HttpRequestMessage request, Origin origin, M3AccessToken token, ref int? calls, out AdmittedRequest admitted) =>
        TryAdmit(request, origin, token, _clock.Monotonic, ref calls, out admitted);

    /// <summary>Lets a request through as soon as it may go by the rules of the mode and of the application's own limiter.</summary>
    /// <param name="request">The request.</param>
    /// <param name="origin">Where it goes.</param>
    /// <param name="token">Its token, which is checked again after each wait.</param>
    /// <param name="counted">How many tool calls it makes; null: its body has to be buffered to tell.</param>
    /// <param name="cancellationToken">Ends the wait. Whoever is cancelled has taken nothing of M3's limit.</param>
    /// <exception cref="M3AuthException">The request may not go, or not now; or there is no valid token any more.</exception>
    public async Task<AdmittedRequest> AdmitAsync(HttpRequestMessage request, Origin origin, M3AccessToken token, int? counted, CancellationToken cancellationToken)
    {
        if (counted is not { } calls)
        {
            calls = await ToolCalls.BufferAndCountAsync(request, cancellationToken).ConfigureAwait(false);
            token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
        }

        if (calls == 0)
            return new AdmittedRequest(token, default, null);

        RateLimitLease? lease = null;
        try
        {
            if (options.RateLimiter is { } limiter)
            {
                lease = await AcquireLeaseAsync(limiter, request, cancellationToken).ConfigureAwait(false);
                token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
            }

            return BudgetOf(origin) is { } budget
                ? await AdmitInTurnAsync(token, calls, budget, lease, cancellationToken).ConfigureAwait(false)
                : new AdmittedRequest(token, default, lease);
        }
        catch
        {
            lease?.Dispose();
            throw;
        }
    }

    /// <summary>The budget for an origin; null: M3's limit is not to be kept.</summary>
    public RequestBudget? BudgetOf(Origin origin)
    {
        if (!options.RateLimitEnabled)
            return null;
        // Nearly always there is one.
        if (_lastBudget is { } last && ReferenceEquals(last.Origin, origin))
            return last.Budget;
        RequestBudget budget = _budgets.GetOrAdd(origin, NewBudget);
        _lastBudget = new LastBudget(origin, budget);
        return budget;
    }

    /// <summary>How one subject's budget for each origin stands.</summary>
    public IReadOnlyCollection<BudgetState> GetBudgets(string? subject) => [.. _budgets.Select(pair => StateOf(pair.Key, pair.Value, subject))];

    private bool TryAdmit(HttpRequestMessage request, Origin origin, M3AccessToken token, long now, ref int? calls, out AdmittedRequest admitted)
    {
        admitted = default;
        calls ??= IsCounting ? ToolCalls.Count(request) : 0;
        if (calls is not { } count || (count > 0 && options.RateLimiter is not null))
            return false;
        Permit permit = default;
        if (count > 0 && BudgetOf(origin)?.TryAcquire(token.Subject, count, now, out permit) == false)
            return false;
        admitted = new AdmittedRequest(token, permit, null);
        return true;
    }

    private static BudgetState StateOf(Origin origin, RequestBudget budget, string? subject)
    {
        PermitCount count = budget.Count(subject);
        return new BudgetState(origin.Host, origin.Port, count.Limit, count.Used, count.Left, budget.Window, count.Pause, budget.Problem);
    }

    private RequestBudget NewBudget(Origin origin)
    {
        PermitPool permits = _sharedState.Join(origin.ToString(), options.RateLimitRequests, options.RateLimitWindow, options.TimeProvider, log);
        return new RequestBudget(permits, options.RateLimitMode, options.RateLimitProgress, log, telemetry);
    }

    // The token may have expired during the wait, or been renewed, or be another subject's now.
    private async Task<AdmittedRequest> AdmitInTurnAsync(M3AccessToken token, int calls, RequestBudget budget, IDisposable? lease,
        CancellationToken cancellationToken)
    {
        while (true)
        {
            string? subject = token.Subject;
            Permit permit = await budget.AcquireAsync(subject, calls, cancellationToken).ConfigureAwait(false);
            bool isUsed = false;
            try
            {
                token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
                isUsed = token.Subject == subject;
                if (isUsed)
                    return new AdmittedRequest(token, permit, lease);
            }
            finally
            {
                if (!isUsed)
                    permit.Pool.Return(permit);
            }
        }
    }

    private async ValueTask<RateLimitLease> AcquireLeaseAsync(PartitionedRateLimiter<HttpRequestMessage> limiter, HttpRequestMessage request,
        CancellationToken cancellationToken)
    {
        RateLimitLease lease = options.RateLimitMode == RateLimitMode.Wait
            ? await limiter.AcquireAsync(request, cancellationToken: cancellationToken).ConfigureAwait(false)
            : limiter.AttemptAcquire(request);
        if (lease.IsAcquired)
            return lease;

        TimeSpan? retryAfter = lease.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan time) ? time : null;
        lease.Dispose();
        throw new RateLimitExceededException(retryAfter, "the application's own limiter refused the request");
    }

    private sealed record LastBudget(Origin Origin, RequestBudget Budget);
}
