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

    /// <summary>Leaves work that has not heeded its cancellation to itself: nobody is to see its failure, and what it brings is disposed.</summary>
    public static void Abandon<T>(Task<T>? work) => work?.ContinueWith(
        static done =>
        {
            if (done.IsCompletedSuccessfully)
                (done.Result as IDisposable)?.Dispose();
            else
                _ = done.Exception;
        },
        CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    /// <inheritdoc cref="Abandon{T}(Task{T}?)" />
    public static void Abandon(Task? work) => work?.ContinueWith(
        static done => _ = done.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
}
