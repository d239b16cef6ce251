namespace M3.Client.Auth;

/// <summary>How this library reads any source.</summary>
internal static class TokenSourceExtensions
{
    /// <summary>
    /// A polled source answers from memory or a small file, and is read here and now, so that its news counts for this very call.
    /// Any other may take its time, and does so neither on the caller's thread nor in its context.
    /// </summary>
    /// <exception cref="M3AuthException">The source failed; whatever it threw, no token and no secret at hand is in it.</exception>
    public static async ValueTask<string?> ReadWithoutCallerAsync(this ITokenSource source, TokenSourceContext context, CancellationToken cancellationToken)
    {
        bool isOnDemand = NegativeCache.IsOnDemand(source);
        if (isOnDemand && context.Failed.HadNone(source))
            return null;

        try
        {
            if (!isOnDemand)
                return await source.ReadAsync(context, cancellationToken).ConfigureAwait(false);

            string? raw = null;
            await Detached.Run(async () => raw = await source.ReadAsync(context, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
            if (string.IsNullOrWhiteSpace(raw))
                context.Failed.Remember(source, failure: null, isUrgent: true);
            return raw;
        }
        catch (Exception e) when (!(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            // A delegate's failure may quote the token or the secret that it had at hand.
            Exception? harmless = Secrets.HarmlessOrNull(e, context.SecretsAtHand);
            if (harmless is M3AuthException)
                throw;
            bool isTransient = e is HttpRequestException or IOException or OperationCanceledException or M3AuthException { IsTransient: true };
            throw new TokenRequestFailedException($"{NameOf(source)} threw {e.GetType().Name}", isTransient, harmless);
        }
    }

    // A source of the user's is named by its type: its ToString() may hold anything.
    public static string NameOf(ITokenSource source) => (source as INamedTokenSource)?.Name ?? source.GetType().Name;
}
