namespace M3.Client.Auth;

/// <summary>
/// Work that many callers wait for and that belongs to none of them: nothing that flows with one caller's context (its user, its
/// trace) goes along.
/// </summary>
internal static class Detached
{
    public static Task Run(Func<Task> work)
    {
        if (ExecutionContext.IsFlowSuppressed())
            return Task.Run(work);

        using (ExecutionContext.SuppressFlow())
            return Task.Run(work);
    }
}
