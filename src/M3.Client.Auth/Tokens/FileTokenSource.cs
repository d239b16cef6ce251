using System.Text;

namespace M3.Client.Auth;

/// <summary>
/// A mounted secret. Its content is read each time, not its time stamp: orchestrators swap a link to a directory, which leaves the
/// file's own dates as they were.
/// </summary>
internal sealed class FileTokenSource(string path) : INamedTokenSource
{
    private const int MaxCharacters = 128 * 1024;

    private bool _hadToken;
    private bool _modeChecked;

    public string Name => $"the file {Printable.Text(path)}";

    public TimeSpan? PollInterval => TimeSpan.FromSeconds(1);

    public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        string text;
        try
        {
            text = ReadText(context.Log);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TokenRequestFailedException($"{Name} cannot be read ({e.GetType().Name})", isTransient: true, Printable.MayHoldToken(path) ? null : e);
        }

        // Whoever writes a file in place empties it first.
        if (string.IsNullOrWhiteSpace(text) && _hadToken)
            throw new TokenRequestFailedException($"{Name} is empty now", isTransient: true);
        _hadToken |= !string.IsNullOrWhiteSpace(text);
        return new(text);
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
