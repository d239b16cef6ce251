namespace M3.Client.Auth;

/// <summary>The first source that has a token. A source that fails ends the search: the next one's token might be somebody else's.</summary>
internal sealed class FirstOfTokenSource(IReadOnlyList<ITokenSource> sources) : INamedTokenSource
{
    public string Name => string.Join(", ", sources.Select(TokenSourceExtensions.NameOf));

    // As often as its most eager source: one that is not to be looked at that often is passed over then, see below.
    public TimeSpan? PollInterval { get; } = LeastOf(sources);

    public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
    {
        if (context.Held is { } held && await LookForNewsAsync(held, context, cancellationToken).ConfigureAwait(false) is { } news)
            return news;

        foreach (ITokenSource source in sources)
        {
            if (await AskAsync(source, context, cancellationToken).ConfigureAwait(false) is { } raw)
                return raw;
        }

        return null;
    }

    // Whether anything has changed up to the source whose token is in use. What is not to be looked at often is passed over, and its
    // own token held still. Null: that source has none any more.
    private async ValueTask<string?> LookForNewsAsync((string Raw, ITokenSource Source) held, TokenSourceContext context, CancellationToken cancellationToken)
    {
        foreach (ITokenSource source in sources)
        {
            if (source.PollInterval is not null && await AskAsync(source, context, cancellationToken).ConfigureAwait(false) is { } raw)
                return raw;
            if (!ReferenceEquals(source, held.Source))
                continue;
            if (source.PollInterval is not null)
                return null;
            context.Answering = source;
            return held.Raw;
        }

        return null;
    }

    private static async ValueTask<string?> AskAsync(ITokenSource source, TokenSourceContext context, CancellationToken cancellationToken)
    {
        string? raw;
        try
        {
            raw = await source.ReadWithoutCallerAsync(context, cancellationToken).ConfigureAwait(false);
        }
        catch (M3AuthException)
        {
            context.Answering ??= source;
            throw;
        }

        if (string.IsNullOrWhiteSpace(raw))
            return null;
        // A chain inside this one has named its own.
        context.Answering ??= source;
        return raw;
    }

    private static TimeSpan? LeastOf(IReadOnlyList<ITokenSource> sources)
    {
        TimeSpan? least = null;
        foreach (ITokenSource source in sources)
        {
            if (source.PollInterval is { } interval && (least is null || interval < least))
                least = interval;
        }

        return least;
    }
}
