using System.Net;

namespace M3.Client.Auth.IntegrationTests.Examples.SignIn;

/// <summary>A person's refresh tokens at LocalM3: rotation with reuse detection (RFC 9700, section 4.14), revocation (RFC 7009).</summary>
public sealed class RefreshTests : ClockedFixture
{
    private protected override LocalM3Options Options => new() { TokenLifetime = TimeSpan.FromSeconds(90), RefreshTokenLifetime = TimeSpan.FromHours(1) };

    [Test]
    public async Task A_refresh_gives_a_new_access_token_and_a_new_refresh_token()
    {
        Answer first = await Client.SignInAsync("grace");
        Clock.Advance(TimeSpan.FromSeconds(91));
        Assert.That(await Client.CallM3Async(first["access_token"]), Is.EqualTo(HttpStatusCode.Unauthorized));

        Answer second = await Client.RefreshAsync(first["refresh_token"]);
        Answer third = await Client.RefreshAsync(second["refresh_token"]);

        Assert.That(third.Status, Is.EqualTo(HttpStatusCode.OK), third.Body.ToString());
        Assert.That(third.Claims.GetProperty("sub").GetString(), Is.EqualTo("grace"));
        Assert.That(third.Audiences, Is.EqualTo(first.Audiences));
        Assert.That(third["expires_in"], Is.EqualTo("90"));
        Assert.That(await Client.CallM3Async(third["access_token"]), Is.EqualTo(HttpStatusCode.OK));
        Assert.That((string[])[first["refresh_token"], second["refresh_token"], third["refresh_token"]], Is.Unique);
        Assert.That(M3.SignIns.RefreshRequests, Is.EqualTo(2));
        Assert.That(M3.SignIns.RefreshTokenReuses, Is.Zero);
    }

    [Test]
    public async Task A_refresh_token_that_comes_a_second_time_ends_the_whole_sign_in_and_no_other()
    {
        Answer other = await Client.SignInAsync("ada");
        Answer first = await Client.SignInAsync("ada");
        Answer second = await Client.RefreshAsync(first["refresh_token"]);

        Answer again = await Client.RefreshAsync(first["refresh_token"]);
        Answer next = await Client.RefreshAsync(second["refresh_token"]);

        Assert.That(again.Status, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(again.Error, Is.EqualTo("invalid_grant"));
        Assert.That(next.Error, Is.EqualTo("invalid_grant"), "the newest token of the sign-in was revoked too");
        Assert.That(M3.SignIns.RefreshTokenReuses, Is.EqualTo(1));
        Assert.That(M3.SignIns.RefreshRequests, Is.EqualTo(3));
        Assert.That((await Client.RefreshAsync(other["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Of_many_that_come_at_once_with_one_refresh_token_one_gets_an_answer()
    {
        Answer first = await Client.SignInAsync();

        Answer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Client.RefreshAsync(first["refresh_token"])));

        Assert.That(answers.Count(answer => answer.Status == HttpStatusCode.OK), Is.EqualTo(1));
        string won = answers.Single(answer => answer.Status == HttpStatusCode.OK)["refresh_token"];
        Assert.That((await Client.RefreshAsync(won)).Error, Is.EqualTo("invalid_grant"));
        Assert.That(M3.SignIns.RefreshTokenReuses, Is.EqualTo(1));
    }

    [Test]
    public async Task Within_the_leeway_a_used_refresh_token_may_come_again()
    {
        await StopAsync();
        await StartAsync(new() { RefreshTokenLeeway = TimeSpan.FromSeconds(10) });
        Answer first = await Client.SignInAsync();
        await Client.RefreshAsync(first["refresh_token"]);

        Clock.Advance(TimeSpan.FromSeconds(9));
        Assert.That((await Client.RefreshAsync(first["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
        Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.That((await Client.RefreshAsync(first["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
    }

    [Test]
    public async Task A_refresh_token_lasts_as_long_as_is_said()
    {
        Answer first = await Client.SignInAsync();
        Clock.Advance(TimeSpan.FromSeconds(3601));

        Assert.That((await Client.RefreshAsync(first["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
    }

    [Test]
    public async Task Revoking_any_refresh_token_of_a_sign_in_ends_it()
    {
        Answer first = await Client.SignInAsync();
        Answer second = await Client.RefreshAsync(first["refresh_token"]);

        Answer revoked = await Client.RevokeAsync(first["refresh_token"]);

        Assert.That(revoked.Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await Client.RefreshAsync(second["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
        Assert.That(M3.SignIns.RefreshTokenReuses, Is.Zero);
    }

    [Test]
    public async Task Revoking_twice_or_what_was_never_issued_is_fine_and_an_access_token_cannot_be_revoked()
    {
        Answer tokens = await Client.SignInAsync();
        Assert.That((await Client.RevokeAsync(tokens["access_token"])).Error, Is.EqualTo("unsupported_token_type"));
        Assert.That((await Client.RefreshAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));

        Assert.That((await Client.RevokeAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await Client.RevokeAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await Client.RevokeAsync("never-issued")).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Another_client_can_neither_use_nor_revoke_it()
    {
        Answer tokens = await Client.SignInAsync();
        (string, string)[] program = [("client_id", M3.ClientId), ("client_secret", M3.ClientSecret)];

        Answer refreshed = await Client.PostAsync("connect/token", [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"]), .. program]);
        await Client.PostAsync("connect/revocation", [("token", tokens["refresh_token"]), .. program]);

        Assert.That(refreshed.Error, Is.EqualTo("invalid_grant").Or.EqualTo("invalid_client"));
        Assert.That((await Client.RefreshAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK), "it still works for its own client");
    }

    [Test]
    public async Task A_device_code_is_no_refresh_token_and_a_refresh_token_no_device_code()
    {
        Answer device = await Client.StartDeviceAsync();
        Answer tokens = await Client.SignInAsync();

        Answer refreshed = await Client.RefreshAsync(device["device_code"]);
        Answer polled = await Client.PostAsync(
            "connect/token", ("grant_type", ForeignClient.DeviceGrant), ("client_id", M3.PublicClientId), ("device_code", tokens["refresh_token"]));

        Assert.That(refreshed.Error, Is.EqualTo("invalid_grant"));
        Assert.That(polled.Error, Is.EqualTo("invalid_grant"));
    }

    [Test]
    public async Task A_persons_sign_ins_can_be_ended_from_a_test()
    {
        Answer ada = await Client.SignInAsync("ada");
        Answer grace = await Client.SignInAsync("grace");

        M3.SignIns.Revoke("ada");

        Assert.That((await Client.RefreshAsync(ada["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
        Assert.That((await Client.RefreshAsync(grace["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task A_refresh_for_another_resource_is_refused_and_uses_nothing_up()
    {
        Answer tokens = await Client.SignInAsync("ada", ("resource", M3.Endpoint.AbsoluteUri));

        Assert.That((await Client.RefreshAsync(tokens["refresh_token"], ("resource", "https://elsewhere.example/"))).Error, Is.EqualTo("invalid_target"));
        Assert.That((await Client.RefreshAsync(tokens["refresh_token"], ("resource", M3.Endpoint.AbsoluteUri))).Status, Is.EqualTo(HttpStatusCode.OK));
    }
}
