namespace M3.Client.Auth;

/// <summary>
/// Waits on the caller's own thread. The work begins there, so that what is at hand needs no thread of the pool, and without the caller's
/// synchronization context, which nobody serves meanwhile.
/// </summary>
internal static class SynchronousWait
{
    /// <param name="work">What to wait for.</param>
    /// <param name="isOurs">Whether it is this library's: a token provider of the user's may do anything, its caller's scheduler included.</param>
    /// <param name="longest">The bound is our own: on a pool without a free thread <see cref="HttpClient"/>'s timeout never fires.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TokenRequestFailedException">It took longer.</exception>
    public static T For<T>(Func<Task<T>> work, bool isOurs, TimeSpan longest, CancellationToken cancellationToken)
    {
        SynchronizationContext? context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        Task<T> waiting;
        try
        {
            waiting = isOurs ? work() : Task.Run(work, CancellationToken.None);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }

        if (waiting.IsCompleted)
            return waiting.GetAwaiter().GetResult();

        try
        {
            if (Task.WaitAny([waiting], (int)longest.TotalMilliseconds, cancellationToken) < 0)
            {
                throw new TokenRequestFailedException($"no token within {Duration.Describe(longest)} "
                    + "(a synchronous call blocks its thread: with none left in the pool, nothing that it waits for can go on)", isTransient: true);
            }
        }
        catch
        {
            Detached.Abandon(waiting);
            throw;
        }

        return waiting.GetAwaiter().GetResult();
    }
}
