using System.Net;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>Signing out: the issuer forgets the refresh token (RFC 7009).</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RevocationTests
{
    [Test]
    public async Task The_issuer_is_told_which_token_and_what_kind()
    {
        using var world = new SignedInWorld { Answer = _ => new HttpResponseMessage(HttpStatusCode.OK) };

        Assert.That(await RevokeAsync(world), Is.True);

        Assert.That(world.Forms.Single(), Is.EquivalentTo(new Dictionary<string, string>
        {
            ["client_id"] = "m3-cli",
            ["token"] = "first-refresh-token",
            ["token_type_hint"] = "refresh_token",
        }));
    }

    [Test]
    public async Task An_issuer_that_revokes_nothing_is_not_asked()
    {
        using var world = new SignedInWorld();
        world.Metadata.Remove("revocation_endpoint");

        Assert.That(await RevokeAsync(world), Is.False);
        Assert.That(world.Forms, Is.Empty);
    }

    [TestCase("http://issuer.test/revoke", "is not https")]
    [TestCase("https://localhost/revoke", "is on this machine")]
    public async Task The_endpoint_is_guarded_like_the_others(string address, string expected)
    {
        using var world = new SignedInWorld();
        world.Metadata["revocation_endpoint"] = address;

        await Assert.ThatAsync(() => RevokeAsync(world), Throws.TypeOf<TokenRequestFailedException>().With.Message.Contains(expected));
    }

    [Test]
    public async Task A_refusal_is_told_without_the_token()
    {
        using var world = new SignedInWorld { Answer = _ => SignedInWorld.Refuse("unsupported_token_type") };

        var error = await Assert.CatchAsync<TokenRequestFailedException>(() => RevokeAsync(world));

        Assert.That(error!.ToString(), Does.Contain("unsupported_token_type").And.Not.Contain("first-refresh-token"));
    }

    private static async Task<bool> RevokeAsync(SignedInWorld world)
    {
        using var backchannel = new Backchannel(world.Fixture.Issuer.Backchannel, world.Fixture.Clock);
        var metadata = new IssuerMetadata(world.Fixture.Options().ToIssuerSettings(), world.Fixture.Clock, backchannel);
        var client = new SignInClient("the test", "m3-cli", clientSecret: null, metadata, backchannel.Invoker, world.Fixture.Clock);
        return await SignInTokens.RevokeAsync(client, "first-refresh-token", isRefreshToken: true, CancellationToken.None);
    }
}
