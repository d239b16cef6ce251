using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.IntegrationTests.Examples.SignIn;

/// <summary>A LocalM3 for each test, whose time is in the test's hands, and a client of it.</summary>
public abstract class ClockedFixture
{
    // Of a whole second, as tokens tell their dates.
    private protected FakeTimeProvider Clock { get; } = new(DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds()));

    private protected LocalM3Server M3 { get; private set; } = null!;

    private protected ForeignClient Client { get; private set; } = null!;

    private protected abstract LocalM3Options Options { get; }

    [SetUp]
    public Task StartAsync() => StartAsync(Options);

    [TearDown]
    public async Task StopAsync()
    {
        Client.Dispose();
        await M3.DisposeAsync();
    }

    private protected async Task StartAsync(LocalM3Options options)
    {
        options.TimeProvider = Clock;
        M3 = await LocalM3Server.StartAsync(options);
        Client = new ForeignClient(M3);
    }
}
