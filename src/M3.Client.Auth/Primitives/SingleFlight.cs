namespace M3.Client.Auth;

/// <summary>
/// One piece of work at a time for however many callers wait for it. It belongs to none of them: it has its own timeout, and whatever
/// happens, those who wait get an answer. Its owner's lock guards what is in flight.
/// </summary>
/// <param name="timeProvider">For the timeout.</param>
/// <param name="timeout">How long the work may take.</param>
/// <param name="stopped">Ends the work when its owner is disposed.</param>
internal sealed class SingleFlight<T>(TimeProvider timeProvider, TimeSpan timeout, CancellationToken stopped)
{
    private TaskCompletionSource<T>? _flight;

    /// <summary>What is in flight; null: nothing. Under the owner's lock.</summary>
    public Task<T>? InFlight => _flight?.Task;

    /// <summary>Has everybody join from now on. Under the owner's lock; <see cref="RunAsync"/> must follow outside of it.</summary>
    public Task<T> Announce() => (_flight = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Has the next caller begin anew. Under the owner's lock, when the result is in its place.</summary>
    public void Land() => _flight = null;

    /// <summary>Does the work that was announced.</summary>
    /// <param name="work">Its token is signalled at the timeout and when the owner is disposed.</param>
    /// <param name="conclude">
    /// Called with the result, or with the failure (a <see cref="TimeoutException"/> where the time was up or the owner disposed); calls
    /// <see cref="Land"/>, and returns what those who wait are to see: one of the two.
    /// </param>
    public async Task RunAsync(Func<CancellationToken, Task<T>> work, Func<T?, Exception?, (T? Result, Exception? Failure)> conclude)
    {
        T? result = default;
        Exception? failure = null;
        Task<T>? working = null;
        try
        {
            using var timer = new CancellationTokenSource(timeout, timeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, stopped);
            working = work(either.Token);
            result = await working.WaitAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Detached.Abandon(working);
            failure = new TimeoutException();
        }
        catch (Exception e)
        {
            failure = e;
        }
        finally
        {
            Answer(result, failure, conclude);
        }
    }

    private void Answer(T? result, Exception? failure, Func<T?, Exception?, (T? Result, Exception? Failure)> conclude)
    {
        TaskCompletionSource<T> flight = _flight!;
        try
        {
            (result, failure) = conclude(result, failure);
        }
        catch (Exception e)
        {
            failure = e;
        }

        if (failure is null)
        {
            flight.SetResult(result!);
            return;
        }

        flight.SetException(failure);
        // Observed: everybody who waited may have left.
        _ = flight.Task.Exception;
    }
}
