namespace M3.Client.Auth;

/// <summary>The first source that has a token. A source that fails ends the search: the next one's token might be somebody else's.</summary>
internal sealed class FirstOfTokenSource(IReadOnlyList<ITokenSource> sources) : INamedTokenSource
{
    public string Name => string.Join(", ", sources.Select(TokenSourceExtensions.DescribeSource));

    // As often as its most eager source: one that is not to be polled is left out then, see below.
    public TimeSpan? PollInterval { get; } = FindShortest(sources);

    public TimeSpan Timeout { get; } = sources.Select(source => source.Timeout).DefaultIfEmpty(TimeSpan.FromMinutes(2)).Max();

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
        (await ReadWithSourceAsync(context, cancellationToken).ConfigureAwait(false))?.Token;

    public async ValueTask<TokenReading?> ReadWithSourceAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        if (context.Current is { } current && await PollAsync(current, context, cancellationToken).ConfigureAwait(false) is { } changed)
            return changed;

        foreach (ITokenSource source in sources)
        {
            if (await context.ReadAsync(source, cancellationToken).ConfigureAwait(false) is { } reading)
                return reading;
        }

        return null;
    }

    private static TimeSpan? FindShortest(IReadOnlyList<ITokenSource> sources)
    {
        TimeSpan? shortest = null;
        foreach (ITokenSource source in sources)
        {
            if (source.PollInterval is { } interval && !(shortest <= interval))
                shortest = interval;
        }

        return shortest;
    }

    // Whether anything has changed up to the source whose token is in use. Null: that source has none any more.
    private async ValueTask<TokenReading?> PollAsync(TokenReading current, TokenSourceContext context, CancellationToken cancellationToken)
    {
        foreach (ITokenSource source in sources)
        {
            if (source.PollInterval is not null && await context.ReadAsync(source, cancellationToken).ConfigureAwait(false) is { } reading)
                return reading;
            if (ReferenceEquals(source, current.Source))
                return source.PollInterval is null ? current : null;
        }

        return null;
    }
}
