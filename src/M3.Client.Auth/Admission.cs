using System.Threading.RateLimiting;

namespace M3.Client.Auth;

/// <summary>Lets requests through to M3: finds each its token and its permits.</summary>
internal sealed class Admission(M3AuthOptions options, IM3TokenProvider tokens)
{
    private readonly Clock _clock = new(options.TimeProvider);

    // This library's and by the same clock: its cached token can be had with a single look at that.
    private readonly M3TokenProvider? _ownTokens = tokens is M3TokenProvider own && own.TimeProvider == options.TimeProvider ? own : null;

    /// <summary>Whether nothing but this library's own code supplies the tokens.</summary>
    public bool HasOwnTokens => _ownTokens is not null;

    // Whether there is anything to keep inside: M3's limit, or the application's own.
    private bool IsCounting => options.RateLimitEnabled || options.RateLimiter is not null;

    /// <summary>Lets a request through whose token is cached and whose permits are at hand.</summary>
    /// <param name="request">The request.</param>
    /// <param name="budget">Its origin's; null: there is no limit.</param>
    /// <param name="calls">How many tool calls it makes; null: its body is to be read first.</param>
    /// <param name="admitted">The request's token and permits.</param>
    /// <returns>False: <see cref="AdmitAsync"/> has to decide.</returns>
    public bool TryAdmit(HttpRequestMessage request, RequestBudget? budget, out int? calls, out AdmittedRequest admitted)
    {
        admitted = default;
        calls = IsCounting ? ToolCalls.Count(request) : 0;
        // The one look at the clocks: nothing is waited for from here on.
        Moment now = _clock.Now;
        if (calls is not { } count || (count > 0 && options.RateLimiter is not null) || _ownTokens?.TryGetCached(now) is not { } token)
            return false;

        Permit permit = default;
        if (count > 0 && budget?.TryAcquire(token.Subject, count, now.Monotonic, out permit) == false)
            return false;
        admitted = new AdmittedRequest(token, budget, permit, null);
        return true;
    }

    /// <summary>Lets a request through as soon as it may go by the rules of the mode and of the application's own limiter.</summary>
    /// <param name="request">The request.</param>
    /// <param name="budget">Its origin's; null: there is no limit.</param>
    /// <param name="calls">How many tool calls it makes; null: its body is to be read first.</param>
    /// <param name="cancellationToken">Ends the wait. Whoever is cancelled has taken nothing of M3's limit.</param>
    /// <exception cref="M3AuthException">There is no valid token; or the request may not go, or not now.</exception>
    public async ValueTask<AdmittedRequest> AdmitAsync(HttpRequestMessage request, RequestBudget? budget, int? calls, CancellationToken cancellationToken)
    {
        int count = calls ?? await ToolCalls.BufferAndCountAsync(request, cancellationToken).ConfigureAwait(false);
        RateLimitLease? lease = count > 0 && options.RateLimiter is { } limiter
            ? await AcquireLeaseAsync(limiter, request, cancellationToken).ConfigureAwait(false)
            : null;
        try
        {
            M3AccessToken token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
            if (count == 0 || budget is null)
                return new AdmittedRequest(token, budget, default, lease);
            return budget.TryAcquire(token.Subject, count, _clock.Now.Monotonic, out Permit permit)
                ? new AdmittedRequest(token, budget, permit, lease)
                : await AdmitInTurnAsync(token, count, budget, lease, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            lease?.Dispose();
            throw;
        }
    }

    // The token is looked at again after each wait: it may have expired, or been renewed, or be another subject's now.
    private async ValueTask<AdmittedRequest> AdmitInTurnAsync(M3AccessToken token, int count, RequestBudget budget, IDisposable? lease,
        CancellationToken cancellationToken)
    {
        while (true)
        {
            string? subject = token.Subject;
            Permit permit = await budget.AcquireAsync(subject, count, cancellationToken).ConfigureAwait(false);
            bool isUsed = false;
            try
            {
                token = await tokens.GetTokenAsync(cancellationToken).ConfigureAwait(false);
                isUsed = token.Subject == subject;
                if (isUsed)
                    return new AdmittedRequest(token, budget, permit, lease);
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
}
