namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>A client with the same limit as the M3 it calls, and an issuer for its token.</summary>
internal sealed class BudgetedClient : IAsyncDisposable
{
    private readonly TestIssuer _issuer;

    private BudgetedClient(TestIssuer issuer, HttpClient http) => (_issuer, Http) = (issuer, http);

    public HttpClient Http { get; }

    public static async Task<BudgetedClient> StartAsync(M3Counter m3, RateLimitMode mode, TimeProvider? clock = null)
    {
        TestIssuer issuer = await TestIssuer.StartAsync();
        M3AuthOptions options = issuer.OptionsWith(issuer.CreateToken());
        (options.RateLimitRequests, options.RateLimitWindow, options.RateLimitMode) = (m3.Limit.Limit, m3.Limit.Window, mode);
        options.TimeProvider = clock ?? TimeProvider.System;
        return new BudgetedClient(issuer, M3HttpClient.Create(m3.Endpoint, options));
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _issuer.DisposeAsync();
    }
}
