namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>Tests that share one M3 and its issuer.</summary>
public abstract class LocalM3Fixture
{
    internal LocalM3Server M3 { get; private set; } = null!;

    private protected virtual LocalM3Options M3Options => new();

    [OneTimeSetUp]
    public async Task StartAsync() => M3 = await LocalM3Server.StartAsync(M3Options);

    [OneTimeTearDown]
    public async Task StopAsync() => await M3.DisposeAsync();
}
