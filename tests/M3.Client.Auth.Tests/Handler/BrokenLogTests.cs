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
        using var scene = new Scene(options => (options.Debug, options.ValidateAudience) = (true, false));
        scene.Log.IsBroken = fromTheStart;
        _ = scene.Client;
        scene.Log.IsBroken = true;

        using HttpResponseMessage response = await scene.CallAsync().WaitAsync(KeyRoom.Patience);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));

        scene.Token = "no token";
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        await scene.FailAsync<InvalidTokenFormatException>().WaitAsync(KeyRoom.Patience);
    }

    [Test]
    public async Task New_keys_are_not_lost()
    {
        using var room = new KeyRoom();
        room.Log.IsBroken = true;

        Assert.That((await room.GetAsync()).Count, Is.EqualTo(2));
    }
}
