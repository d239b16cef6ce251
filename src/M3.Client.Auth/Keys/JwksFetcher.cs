namespace M3.Client.Auth;

/// <summary>Fetches the issuer's JWKS, from wherever its metadata say, and reads it.</summary>
/// <param name="backchannel">Fetches.</param>
/// <param name="metadata">Says where.</param>
/// <param name="sharing">Has documents of other processes; null: each one is fetched here.</param>
/// <param name="timeProvider">Says when.</param>
/// <param name="log">Told of them.</param>
internal sealed class JwksFetcher(Backchannel backchannel, IssuerMetadata metadata, JwksSharing? sharing, TimeProvider timeProvider, Log log)
{
    /// <summary>When another process fetched what came last; null: it was fetched just now.</summary>
    public DateTimeOffset? FetchedAt;

    /// <param name="isFirst">Whether there was no fetch before.</param>
    /// <param name="newerThan">As for <see cref="JwksSharing"/>.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="BackchannelException">They could not be had, or none of them is usable.</exception>
    public async Task<KeySet> FetchAsync(bool isFirst, DateTimeOffset? newerThan, CancellationToken cancellationToken)
    {
        if (sharing is not null)
            return await FetchSharedAsync(sharing, isFirst, newerThan, cancellationToken).ConfigureAwait(false);
        Uri address = await metadata.FindJwksAsync(isFirst, cancellationToken).ConfigureAwait(false);
        return Read(address, await backchannel.GetAsync(address, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>What a fetch failed with, in words.</summary>
    public static BackchannelException Describe(Exception error, bool isDisposed) => error switch
    {
        BackchannelException known => known,
        TimeoutException => new BackchannelException(isDisposed
            ? "it was disposed"
            : $"the issuer's keys did not arrive within {Duration.Describe(Backchannel.Timeout)}"),
        _ => new BackchannelException($"the issuer's keys could not be fetched ({error.GetType().Name})", error),
    };

    /// <summary>The typed error for it. What the issuer says of itself, unlike that it cannot be reached, does not pass by waiting.</summary>
    public static JwksUnavailableException Unavailable(string detail, BackchannelException failure)
    {
        var error = new JwksUnavailableException(detail, failure) { IsTransient = !failure.IsFatal };
        if (failure.Remedy is { } remedy)
            error.Remedy = remedy;
        return error;
    }

    /// <summary>The typed error where keys may not be fetched again yet.</summary>
    public static M3AuthException CoolingDown(string reason, TimeSpan sinceFetch, TimeSpan untilNext, BackchannelException? failure)
    {
        string ago = $"its keys were fetched {Duration.Describe(sinceFetch)} ago, and are fetched again in {Duration.Describe(untilNext)}";
        return failure is not null
            ? Unavailable($"{reason}, and the issuer could not be asked again: {failure.Message} ({ago})", failure)
            : new InvalidTokenSignatureException($"{reason} ({ago})") { IsTransient = true };
    }

    private async Task<KeySet> FetchSharedAsync(JwksSharing share, bool isFirst, DateTimeOffset? newerThan, CancellationToken cancellationToken)
    {
        KeySet? own = null;
        JwksDocument document = await share(newerThan, FetchOwnAsync, cancellationToken).ConfigureAwait(false);
        FetchedAt = own is null ? document.FetchedAt : null;
        return own ?? Read(document.Address, document.Content);

        async Task<JwksDocument> FetchOwnAsync(CancellationToken cancellation)
        {
            DateTimeOffset fetchedAt = timeProvider.GetUtcNow();
            Uri address = await metadata.FindJwksAsync(isFirst, cancellation).ConfigureAwait(false);
            byte[] content = await backchannel.GetAsync(address, cancellation).ConfigureAwait(false);
            // One without a usable key is nobody else's.
            own = Read(address, content);
            return new JwksDocument(address, content, fetchedAt);
        }
    }

    private KeySet Read(Uri address, byte[] document)
    {
        KeySet keys = JwksReader.Read(document, address);
        if (keys.Count == 0)
        {
            throw new BackchannelException(keys.Ignored.Count == 0
                ? $"the JWKS at {Backchannel.Describe(address)} is empty"
                : $"the JWKS at {Backchannel.Describe(address)} has no usable key ({string.Join("; ", keys.Ignored.Take(5))})");
        }

        if (log.Debug)
            log.KeysFetched(Backchannel.Describe(address), keys.KeyIds, keys.Ignored);
        return keys;
    }
}
