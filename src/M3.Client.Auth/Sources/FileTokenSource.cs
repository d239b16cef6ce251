namespace M3.Client.Auth;

/// <summary>
/// A mounted secret. Its content is read each time, not its time stamp: orchestrators swap a link to a directory, which leaves the
/// file's own dates as they were.
/// </summary>
internal sealed class FileTokenSource(string path) : INamedTokenSource
{
    private readonly TextFile _file = new(path);
    private bool _hadToken;

    public string Name => _file.Name;

    public TimeSpan? PollInterval => TimeSpan.FromSeconds(1);

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        string text;
        try
        {
            text = await _file.ReadAsync(context.TimeProvider, file => _file.WarnIfOpen(file, context.Log, "token"), cancellationToken).ConfigureAwait(false);
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
}
