namespace M3.Client.Auth;

/// <summary>
/// Has a process that ends wait for a renewal that is under way: where refresh tokens are rotated, a sign-in would be lost whose next one never
/// reaches its file.
/// </summary>
internal sealed class ExitDelay : IDisposable
{
    // The answer's own limit, and the file's moment.
    private static readonly TimeSpan Longest = Backchannel.Timeout + TimeSpan.FromSeconds(1);

    private readonly ManualResetEventSlim _isDone = new();

    public ExitDelay() => AppDomain.CurrentDomain.ProcessExit += Wait;

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= Wait;
        _isDone.Set();
    }

    private void Wait(object? sender, EventArgs e) => _isDone.Wait(Longest);
}
