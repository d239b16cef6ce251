namespace M3.Client.Auth;

/// <summary>A lock that is a file held open: across processes, and gone with its holder.</summary>
internal static class FileLock
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMilliseconds(250);

    // EWOULDBLOCK on Linux and on macOS; ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION.
    private static readonly int[] TakenCodes = [11, 35, unchecked((int)0x80070020), unchecked((int)0x80070021)];

    /// <exception cref="SignInStoreException">The file cannot be opened.</exception>
    public static async Task<FileStream> WaitAsync(string path, TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        // No operating system's file lock can be waited for and cancelled alike in .NET.
        for (TimeSpan delay = FirstDelay; ; delay = delay * 2 < LongestDelay ? delay * 2 : LongestDelay)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryTake(path) is { } held)
                return held;
            await Task.Delay(delay, timeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Whether another could take it now. A holder who finds that so has no lock.</summary>
    public static bool IsFree(string path)
    {
        using FileStream? second = TryTake(path);
        return second is not null;
    }

    private static FileStream? TryTake(string path)
    {
        try
        {
            return PrivateFiles.OpenExclusively(path);
        }
        catch (IOException e) when (TakenCodes.Contains(e.HResult))
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SignInStoreException($"The sign-in cannot be locked: {Printable.Text(path)} cannot be opened ({e.GetType().Name}). It is not renewed here.", e);
        }
    }
}
