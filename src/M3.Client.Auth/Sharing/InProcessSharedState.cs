namespace M3.Client.Auth;

internal sealed class InProcessSharedState : M3SharedState
{
    // Few, and each client looks once for its own.
    private readonly List<InProcessPermitPool> _pools = [];

    internal override PermitPool Join(string origin, int limit, TimeSpan window, TimeProvider timeProvider, Log log)
    {
        InProcessPermitPool pool;
        bool differs;
        lock (_pools)
        {
            pool = Find(origin, timeProvider) ?? Add(new InProcessPermitPool(origin, limit, window, timeProvider));
            differs = pool.Restrict(limit, window);
        }

        if (differs)
            log.LimitsDiffer(origin, pool.Limit, pool.Window);
        return pool;
    }

    private InProcessPermitPool? Find(string origin, TimeProvider timeProvider)
    {
        foreach (InProcessPermitPool pool in _pools)
        {
            if (pool.IsOf(origin, timeProvider))
                return pool;
        }

        return null;
    }

    private InProcessPermitPool Add(InProcessPermitPool pool)
    {
        _pools.Add(pool);
        return pool;
    }
}
