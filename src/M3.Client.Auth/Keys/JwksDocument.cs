namespace M3.Client.Auth;

/// <summary>A JWKS as it was fetched, here or by another process.</summary>
/// <param name="Address">Where from.</param>
/// <param name="Content">What came.</param>
/// <param name="FetchedAt">When it was asked for, by the clock of whoever fetched it.</param>
internal sealed record JwksDocument(Uri Address, byte[] Content, DateTimeOffset FetchedAt)
{
    /// <summary>What machines' clocks may differ by.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromMinutes(1);

    /// <summary>How much longer a fetch may take where it is looked for among what others fetched first.</summary>
    public static readonly TimeSpan LongestSharing = TimeSpan.FromSeconds(7);
}

/// <summary>Has a document that another process fetched, or else fetches it for all.</summary>
/// <param name="newerThan">When what is known was fetched, or when a newer one was asked for; null: nothing is known.</param>
/// <param name="fetch">Fetches it from the issuer.</param>
/// <param name="cancellationToken">Ends it.</param>
internal delegate Task<JwksDocument> JwksSharing(DateTimeOffset? newerThan, Func<CancellationToken, Task<JwksDocument>> fetch, CancellationToken cancellationToken);
