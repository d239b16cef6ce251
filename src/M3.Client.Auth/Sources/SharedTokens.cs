using System.Collections.Concurrent;
using System.Text;
using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>
/// One provider's way to tokens that processes share: a fleet asks the issuer once for each. A token that was returned once is not returned again: whoever asks again
/// needs a newer one, be it for its age or since M3 refused it.
/// </summary>
internal sealed class SharedTokens(SharedValues values)
{
    // What takes longer is asked for here as well: better a token too many than a call that waits.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);

    private readonly ConcurrentDictionary<string, DateTimeOffset> _lastFetchedAt = new(StringComparer.Ordinal);

    /// <param name="purpose">Whose tokens they are.</param>
    /// <param name="rejected">The token that M3 refused; null: none.</param>
    /// <param name="timeProvider">Judges their age.</param>
    /// <param name="request">Asks the issuer.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<string?> GetAsync(
        SharedPurpose purpose, string? rejected, TimeProvider timeProvider, Func<CancellationToken, ValueTask<string?>> request, CancellationToken cancellationToken)
    {
        DateTimeOffset? newerThan = _lastFetchedAt.TryGetValue(purpose.Name, out DateTimeOffset last) ? last : null;
        SharedValue value = await values.GetAsync(purpose, IsGood, Patience, FetchAsync, cancellationToken).ConfigureAwait(false);
        _lastFetchedAt.AddOrUpdate(purpose.Name, value.FetchedAt, (_, before) => before > value.FetchedAt ? before : value.FetchedAt);
        return value.Content.Length == 0 ? null : Encoding.UTF8.GetString(value.Content);

        bool IsGood(SharedValue shared)
        {
            DateTimeOffset now = timeProvider.GetUtcNow();
            string token = Encoding.UTF8.GetString(shared.Content);
            return token != rejected && ExpiryOf(token) is { } expiry && expiry > now && shared.IsGood(now, expiry - shared.FetchedAt, newerThan);
        }

        async Task<SharedValue> FetchAsync(CancellationToken cancellation)
        {
            DateTimeOffset fetchedAt = timeProvider.GetUtcNow();
            string? token = await request(cancellation).ConfigureAwait(false);
            // What never expires, or is no token at all, is nobody else's.
            return new SharedValue(Encoding.UTF8.GetBytes(token ?? ""), fetchedAt, ExpiryOf(token) ?? fetchedAt);
        }
    }

    private static DateTimeOffset? ExpiryOf(string? token)
    {
        try
        {
            return token is null ? null : NumericDate.Read(ParsedJwt.Parse(token).Payload, JwtClaimTypes.Expiration).Value;
        }
        catch (M3AuthException)
        {
            return null;
        }
    }
}
