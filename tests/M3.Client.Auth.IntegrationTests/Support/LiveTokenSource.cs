namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>A source whose token the test changes, noticed with the very next call.</summary>
internal sealed class LiveTokenSource(string? token) : ITokenSource
{
    public string? Token { get; set; } = token;

    public TimeSpan? PollInterval => TimeSpan.Zero;

    public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => new(Token);
}
