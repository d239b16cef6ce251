using System.Text;

namespace M3.Client.Auth;

/// <summary>
/// The issuer's JWKS as processes share it: the document with its address in front, as it came, so that each reads and judges it itself.
/// </summary>
internal static class SharedJwks
{
    // With what Redis takes, well within JwksDocument.LongestSharing.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <param name="values">What processes share.</param>
    /// <param name="issuer">Whose keys they are.</param>
    /// <param name="configured">Where they are; null: the issuer's metadata say so.</param>
    /// <param name="lifetime">How long they are fresh.</param>
    /// <param name="timeProvider">Judges their age.</param>
    public static JwksSharing Through(SharedValues values, string issuer, Uri? configured, TimeSpan lifetime, TimeProvider timeProvider)
    {
        var purpose = new SharedPurpose("keys", issuer, configured?.AbsoluteUri ?? "");
        return async (newerThan, fetch, cancellationToken) =>
        {
            SharedValue value = await values.GetAsync(purpose, shared => shared.IsGood(timeProvider.GetUtcNow(), lifetime, newerThan), Patience, async cancellation =>
            {
                JwksDocument document = await fetch(cancellation).ConfigureAwait(false);
                return new SharedValue([.. Encoding.UTF8.GetBytes(document.Address.AbsoluteUri), (byte)'\n', .. document.Content], document.FetchedAt, document.FetchedAt + lifetime);
            }, cancellationToken).ConfigureAwait(false);
            int end = Array.IndexOf(value.Content, (byte)'\n');
            return new JwksDocument(new Uri(Encoding.UTF8.GetString(value.Content.AsSpan(0, end))), value.Content[(end + 1)..], value.FetchedAt);
        };
    }
}
