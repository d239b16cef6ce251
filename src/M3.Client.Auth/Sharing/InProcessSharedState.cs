using System.Collections.Concurrent;

namespace M3.Client.Auth;

internal sealed class InProcessSharedState : M3SharedState
{
    private readonly ConcurrentDictionary<(string Origin, TimeProvider Clock), InProcessPermitPool> _pools = new();

    internal override PermitPool Join(string origin, int limit, TimeSpan window, TimeProvider timeProvider, Log log)
    {
        InProcessPermitPool pool = _pools.GetOrAdd((origin, timeProvider), key => new InProcessPermitPool(limit, window, key.Clock));
        if (pool.Restrict(limit, window))
            log.LimitsDiffer(origin, pool.Limit, pool.Window);
        return pool;
    }
}
