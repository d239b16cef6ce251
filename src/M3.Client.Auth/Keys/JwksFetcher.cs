namespace M3.Client.Auth;

/// <summary>Fetches the issuer's JWKS, from wherever its metadata say, and reads it.</summary>
internal sealed class JwksFetcher(Backchannel backchannel, IssuerMetadata metadata, Log log)
{
    /// <param name="isFirst">Whether there was no fetch before.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="BackchannelException">They could not be had, or none of them is usable.</exception>
    public async Task<KeySet> FetchAsync(bool isFirst, CancellationToken cancellationToken)
    {
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
