namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>Waits for what another process does, and looks often.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static Task UntilAsync(Func<bool> isSo, TimeSpan? patience = null) => UntilAsync(() => Task.FromResult(isSo()), patience);

    /// <exception cref="OperationCanceledException">It never was so: the test fails, and holds up none.</exception>
    public static async Task UntilAsync(Func<Task<bool>> isSo, TimeSpan? patience = null)
    {
        using var end = new CancellationTokenSource(patience ?? TimeSpan.FromSeconds(30));
        using var timer = new PeriodicTimer(Pause);
        while (!await isSo())
            await timer.WaitForNextTickAsync(end.Token);
    }
}
