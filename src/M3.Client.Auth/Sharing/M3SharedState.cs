namespace M3.Client.Auth;

/// <summary>
/// What several clients share, so that together they keep inside M3's rate limit: the permits of each origin's budget. A container's clients
/// share one; whatever is built directly has one of its own, unless <see cref="M3AuthOptions.SharedState"/> names another.
/// </summary>
public abstract class M3SharedState
{
    // Nobody else's yet: it grows with the first implementation for many machines.
    private protected M3SharedState()
    {
    }

    /// <summary>Makes one for the clients of this process.</summary>
    public static M3SharedState CreateInProcess() => new InProcessSharedState();

    /// <summary>The permits for one origin.</summary>
    /// <param name="origin">Whose budget it is.</param>
    /// <param name="limit">How many calls of one subject M3 takes within any window.</param>
    /// <param name="window">The window. Where others have joined with another limit or window, the stricter of each counts for all.</param>
    /// <param name="timeProvider">The clock. Only clients with the same one share.</param>
    /// <param name="log">Told when the limits differ.</param>
    internal abstract PermitPool Join(string origin, int limit, TimeSpan window, TimeProvider timeProvider, Log log);

    /// <summary>The values that processes share; null: none.</summary>
    /// <param name="timeProvider">The clock.</param>
    /// <param name="log">Told what is wrong with them.</param>
    /// <param name="telemetry">Told what became of each.</param>
    internal virtual SharedValues? JoinValues(TimeProvider timeProvider, Log log, Telemetry telemetry) => null;
}
