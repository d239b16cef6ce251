namespace M3.Client.Auth;

/// <summary>The first source that has a token. A source that fails ends the search: the next one's token might be somebody else's.</summary>
internal sealed class FirstOfTokenSource(IReadOnlyList<ITokenSource> sources) : INamedTokenSource
{
    public string Name => string.Join(", ", sources.Select(TokenSourceReading.NameOf));

    // As often as its most eager source: one that is not to be looked at that often is passed over then, see below.
    public TimeSpan? PollInterval => sources.Min(source => source.PollInterval);

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        foreach (ITokenSource source in sources)
        {
            // Only looking whether anything before it has changed: its own token is held still.
            if (source.PollInterval is null && context.Held is { } held && ReferenceEquals(held.Source, source))
            {
                context.Answering = source;
                return held.Raw;
            }

            string? raw = await source.ReadWithoutCallerAsync(context, cancellationToken).ConfigureAwait(false);
            if (!string.IsNullOrWhiteSpace(raw))
            {
                // A chain inside this one has named its own.
                context.Answering ??= source;
                return raw;
            }
        }

        return null;
    }
}
