using System.Text;
using Microsoft.Win32.SafeHandles;

namespace M3.Client.Auth;

/// <summary>
/// A mounted file with a token or a secret, read anew each time. Opening a pipe, or a file of a mount that hangs, blocks its thread and
/// heeds no cancellation: so a reading has a thread of its own, and while it is under way it is waited for again, not begun again.
/// </summary>
internal sealed class TextFile(string path)
{
    private const int MaxCharacters = 128 * 1024;

    // An ordinary file is read long before; what hangs holds its caller up no longer than this, and nobody after him.
    private static readonly TimeSpan InlineWait = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private Task<string>? _reading;
    private bool _modeChecked;

    public string Name => $"the file {Printable.Text(path)}";

    /// <param name="timeProvider">For the 5 s that it may take.</param>
    /// <param name="onOpened">Called with the open file, before it is read.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="TokenRequestFailedException">It did not answer within 5 s.</exception>
    /// <exception cref="IOException">It cannot be read; or <see cref="UnauthorizedAccessException"/>.</exception>
    public async Task<string> ReadAsync(TimeProvider timeProvider, Action<SafeFileHandle>? onOpened, CancellationToken cancellationToken)
    {
        Task<string>? reading = _reading;
        if (reading is null)
        {
            _reading = reading = ReadOnOwnThread(onOpened);
            // Here and now, as a rule, so that what the file says counts for this very call.
            _ = Task.WaitAny([reading], InlineWait);
        }

        try
        {
            return await reading.WaitAsync(Timeout, timeProvider, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new TokenRequestFailedException($"{Name} did not answer within {Duration.Describe(Timeout)}: is it a pipe that nobody writes to, or a mount that hangs?", isTransient: true);
        }
        finally
        {
            if (reading.IsCompleted)
                _reading = null;
        }
    }

    /// <summary>Warns once of a file that other users can read.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="log">Where to.</param>
    /// <param name="content">What it holds.</param>
    public void WarnIfOpen(SafeFileHandle file, Log? log, string content)
    {
        if (!_modeChecked && !OperatingSystem.IsWindows() && File.GetUnixFileMode(file).HasFlag(UnixFileMode.OtherRead))
            log?.SecretFileIsOpen(content, path);
        _modeChecked = true;
    }

    private Task<string> ReadOnOwnThread(Action<SafeFileHandle>? onOpened)
    {
        var promise = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                promise.SetResult(Read(onOpened));
            }
            catch (Exception e)
            {
                promise.SetException(e);
            }
        })
        { IsBackground = true }.UnsafeStart();
        return promise.Task;
    }

    private string Read(Action<SafeFileHandle>? onOpened)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        onOpened?.Invoke(file.SafeFileHandle);

        // In one piece, if it is as short as tokens are: whoever writes it in place must not be met halfway. And with an end, if it is no token's.
        using var reader = new StreamReader(file, Encoding.UTF8, detectEncodingFromByteOrderMarks: true, bufferSize: 16 * 1024);
        var text = new StringBuilder();
        char[] piece = new char[4096];
        int read;
        while (text.Length < MaxCharacters && (read = reader.Read(piece)) > 0)
            text.Append(piece, 0, read);
        return text.ToString();
    }
}
