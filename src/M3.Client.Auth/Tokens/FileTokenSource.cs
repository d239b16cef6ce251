using System.Text;

namespace M3.Client.Auth;

/// <summary>
/// A mounted secret. Its content is read each time, not its time stamp: orchestrators swap a link to a directory, which leaves the
/// file's own dates as they were.
/// </summary>
internal sealed class FileTokenSource(string path) : INamedTokenSource
{
    private const int MaxCharacters = 128 * 1024;

    // An ordinary file is read long before; what hangs holds its caller up no longer than this, and nobody after him.
    private static readonly TimeSpan InlineWait = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private Task<string>? _reading;
    private bool _hadToken;
    private bool _modeChecked;

    public string Name => $"the file {Printable.Text(path)}";

    public TimeSpan? PollInterval => TimeSpan.FromSeconds(1);

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        string text;
        try
        {
            text = await ReadTextAsync(context, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new TokenRequestFailedException($"{Name} did not answer within {Duration.Describe(Timeout)}: is it a pipe that nobody writes to, or a mount that hangs?", isTransient: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TokenRequestFailedException($"{Name} cannot be read ({e.GetType().Name})", isTransient: true, Printable.MayHoldToken(path) ? null : e);
        }

        // Whoever writes a file in place empties it first.
        if (string.IsNullOrWhiteSpace(text) && _hadToken)
            throw new TokenRequestFailedException($"{Name} is empty now", isTransient: true);
        _hadToken |= !string.IsNullOrWhiteSpace(text);
        return text;
    }

    // Opening a pipe, or a file of a mount that hangs, blocks its thread and heeds no cancellation: so it has one of its own. What is
    // still under way is waited for again, not begun again.
    private async Task<string> ReadTextAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        Task<string>? reading = _reading;
        if (reading is null)
        {
            _reading = reading = ReadOnOwnThread(context.Log);
            // Here and now, as a rule, so that what the file says counts for this very call.
            _ = Task.WaitAny([reading], InlineWait);
        }

        try
        {
            return await reading.WaitAsync(Timeout, context.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (reading.IsCompleted)
                _reading = null;
        }
    }

    private Task<string> ReadOnOwnThread(Log log)
    {
        var promise = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                promise.SetResult(ReadText(log));
            }
            catch (Exception e)
            {
                promise.SetException(e);
            }
        })
        { IsBackground = true }.UnsafeStart();
        return promise.Task;
    }

    private string ReadText(Log log)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (!_modeChecked && !OperatingSystem.IsWindows() && File.GetUnixFileMode(file.SafeFileHandle).HasFlag(UnixFileMode.OtherRead))
            log.TokenFileIsOpen(path);
        _modeChecked = true;

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
