namespace M3.Client.Auth.Tests.Kit;

/// <summary>A provider as a user's tests would fake it: always the same token, which is no JWT at all.</summary>
internal sealed class FixedTokenProvider(string value = "made.up.token", string? subject = null) : IM3TokenProvider
{
    public M3AccessToken Token { get; set; } = new(value, subject: subject, scopes: ["read:mimic-data"]);

    /// <summary>What the source has after M3 refused the token; null: the same.</summary>
    public M3AccessToken? Newer { get; set; }

    public int Renewals { get; private set; }

    public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default) => new(Token);

    public ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default)
    {
        Renewals++;
        return new(Token = Newer ?? Token);
    }
}
