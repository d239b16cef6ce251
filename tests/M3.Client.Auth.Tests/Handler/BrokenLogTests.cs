using System.Net;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Handler;

/// <summary>A log that throws, as a full disk can make it, fails no call and holds nobody up.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class BrokenLogTests
{
    [Test]
    public async Task Calls_go_on_and_refusals_stay_typed([Values] bool fromTheStart)
    {
        using var fixture = new ClientFixture(options => (options.Debug, options.ValidateAudience) = (true, false));
        fixture.Log.IsBroken = fromTheStart;
        _ = fixture.Client;
        fixture.Log.IsBroken = true;

        using HttpResponseMessage response = await fixture.CallAsync().WaitAsync(KeyCacheFixture.Patience);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));

        fixture.Token = "no token";
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        await fixture.FailAsync<InvalidTokenFormatException>().WaitAsync(KeyCacheFixture.Patience);
    }

    [Test]
    public async Task New_keys_are_not_lost()
    {
        using var keyCache = new KeyCacheFixture();
        keyCache.Log.IsBroken = true;

        Assert.That((await keyCache.GetAsync()).Count, Is.EqualTo(2));
    }
}
