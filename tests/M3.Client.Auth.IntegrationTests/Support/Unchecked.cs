namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>Always the same token, valid or not: the server is to judge what would not pass here.</summary>
internal sealed class Unchecked(string token) : IM3TokenProvider
{
    private readonly M3AccessToken _token = new(token);

    public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default) => new(_token);

    public ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default) => new(_token);
}
