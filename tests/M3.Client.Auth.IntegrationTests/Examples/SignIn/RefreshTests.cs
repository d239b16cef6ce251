using System.Net;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.IntegrationTests.Examples.SignIn;

/// <summary>A person's refresh tokens at LocalM3: rotation with reuse detection (RFC 9700, section 4.14), revocation (RFC 7009).</summary>
public sealed class RefreshTests
{
    private readonly FakeTimeProvider _clock = new(DateTimeOffset.FromUnixTimeSeconds(DateTimeOffset.UtcNow.ToUnixTimeSeconds()));
    private LocalM3Server _m3 = null!;
    private ForeignClient _client = null!;

    [SetUp]
    public Task StartAsync() => StartAsync(new() { TimeProvider = _clock, TokenLifetime = TimeSpan.FromSeconds(90), RefreshTokenLifetime = TimeSpan.FromHours(1) });

    [TearDown]
    public async Task StopAsync()
    {
        _client.Dispose();
        await _m3.DisposeAsync();
    }

    [Test]
    public async Task A_refresh_gives_a_new_access_token_and_a_new_refresh_token()
    {
        Answer first = await _client.SignInAsync("grace");
        _clock.Advance(TimeSpan.FromSeconds(91));
        Assert.That(await _client.CallM3Async(first["access_token"]), Is.EqualTo(HttpStatusCode.Unauthorized));

        Answer second = await _client.RefreshAsync(first["refresh_token"]);
        Answer third = await _client.RefreshAsync(second["refresh_token"]);

        Assert.That(third.Status, Is.EqualTo(HttpStatusCode.OK), third.Body.ToString());
        Assert.That(third.Claims.GetProperty("sub").GetString(), Is.EqualTo("grace"));
        Assert.That(third.Audiences, Is.EqualTo(first.Audiences));
        Assert.That(third["expires_in"], Is.EqualTo("90"));
        Assert.That(await _client.CallM3Async(third["access_token"]), Is.EqualTo(HttpStatusCode.OK));
        Assert.That((string[])[first["refresh_token"], second["refresh_token"], third["refresh_token"]], Is.Unique);
        Assert.That(_m3.SignIns.RefreshRequests, Is.EqualTo(2));
        Assert.That(_m3.SignIns.RefreshTokenReuses, Is.Zero);
    }

    [Test]
    public async Task A_refresh_token_that_comes_a_second_time_ends_the_whole_sign_in_and_no_other()
    {
        Answer other = await _client.SignInAsync("ada");
        Answer first = await _client.SignInAsync("ada");
        Answer second = await _client.RefreshAsync(first["refresh_token"]);

        Answer again = await _client.RefreshAsync(first["refresh_token"]);
        Answer next = await _client.RefreshAsync(second["refresh_token"]);

        Assert.That(again.Status, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(again.Error, Is.EqualTo("invalid_grant"));
        Assert.That(next.Error, Is.EqualTo("invalid_grant"), "the newest token of the sign-in was revoked too");
        Assert.That(_m3.SignIns.RefreshTokenReuses, Is.EqualTo(1));
        Assert.That(_m3.SignIns.RefreshRequests, Is.EqualTo(3));
        Assert.That((await _client.RefreshAsync(other["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Of_many_that_come_at_once_with_one_refresh_token_one_gets_an_answer()
    {
        Answer first = await _client.SignInAsync();

        Answer[] answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _client.RefreshAsync(first["refresh_token"])));

        Assert.That(answers.Count(answer => answer.Status == HttpStatusCode.OK), Is.EqualTo(1));
        string won = answers.Single(answer => answer.Status == HttpStatusCode.OK)["refresh_token"];
        Assert.That((await _client.RefreshAsync(won)).Error, Is.EqualTo("invalid_grant"));
        Assert.That(_m3.SignIns.RefreshTokenReuses, Is.EqualTo(1));
    }

    [Test]
    public async Task Within_the_leeway_a_used_refresh_token_may_come_again()
    {
        await StopAsync();
        await StartAsync(new() { TimeProvider = _clock, RefreshTokenLeeway = TimeSpan.FromSeconds(10) });
        Answer first = await _client.SignInAsync();
        await _client.RefreshAsync(first["refresh_token"]);

        _clock.Advance(TimeSpan.FromSeconds(9));
        Assert.That((await _client.RefreshAsync(first["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.That((await _client.RefreshAsync(first["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
    }

    [Test]
    public async Task A_refresh_token_lasts_as_long_as_is_said()
    {
        Answer first = await _client.SignInAsync();
        _clock.Advance(TimeSpan.FromSeconds(3601));

        Assert.That((await _client.RefreshAsync(first["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
    }

    [Test]
    public async Task Revoking_any_refresh_token_of_a_sign_in_ends_it()
    {
        Answer first = await _client.SignInAsync();
        Answer second = await _client.RefreshAsync(first["refresh_token"]);

        Answer revoked = await _client.RevokeAsync(first["refresh_token"]);

        Assert.That(revoked.Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await _client.RefreshAsync(second["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
        Assert.That(_m3.SignIns.RefreshTokenReuses, Is.Zero);
    }

    [Test]
    public async Task Revoking_twice_or_what_was_never_issued_is_fine_and_an_access_token_cannot_be_revoked()
    {
        Answer tokens = await _client.SignInAsync();
        Assert.That((await _client.RevokeAsync(tokens["access_token"])).Error, Is.EqualTo("unsupported_token_type"));
        Assert.That((await _client.RefreshAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));

        Assert.That((await _client.RevokeAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await _client.RevokeAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await _client.RevokeAsync("never-issued")).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Another_client_can_neither_use_nor_revoke_it()
    {
        Answer tokens = await _client.SignInAsync();
        (string, string)[] program = [("client_id", _m3.ClientId), ("client_secret", _m3.ClientSecret)];

        Answer refreshed = await _client.PostAsync("connect/token", [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"]), .. program]);
        await _client.PostAsync("connect/revocation", [("token", tokens["refresh_token"]), .. program]);

        Assert.That(refreshed.Error, Is.EqualTo("invalid_grant").Or.EqualTo("invalid_client"));
        Assert.That((await _client.RefreshAsync(tokens["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK), "it still works for its own client");
    }

    [Test]
    public async Task A_device_code_is_no_refresh_token_and_a_refresh_token_no_device_code()
    {
        Answer device = await _client.StartDeviceAsync();
        Answer tokens = await _client.SignInAsync();

        Answer refreshed = await _client.RefreshAsync(device["device_code"]);
        Answer polled = await _client.PostAsync(
            "connect/token", ("grant_type", ForeignClient.DeviceGrant), ("client_id", _m3.PublicClientId), ("device_code", tokens["refresh_token"]));

        Assert.That(refreshed.Error, Is.EqualTo("invalid_grant"));
        Assert.That(polled.Error, Is.EqualTo("invalid_grant"));
    }

    [Test]
    public async Task A_persons_sign_ins_can_be_ended_from_a_test()
    {
        Answer ada = await _client.SignInAsync("ada");
        Answer grace = await _client.SignInAsync("grace");

        _m3.SignIns.Revoke("ada");

        Assert.That((await _client.RefreshAsync(ada["refresh_token"])).Error, Is.EqualTo("invalid_grant"));
        Assert.That((await _client.RefreshAsync(grace["refresh_token"])).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task A_refresh_for_another_resource_is_refused_and_uses_nothing_up()
    {
        Answer tokens = await _client.SignInAsync("ada", ("resource", _m3.Endpoint.AbsoluteUri));

        Assert.That((await _client.RefreshAsync(tokens["refresh_token"], ("resource", "https://elsewhere.example/"))).Error, Is.EqualTo("invalid_target"));
        Assert.That((await _client.RefreshAsync(tokens["refresh_token"], ("resource", _m3.Endpoint.AbsoluteUri))).Status, Is.EqualTo(HttpStatusCode.OK));
    }

    private async Task StartAsync(LocalM3Options options)
    {
        _m3 = await LocalM3Server.StartAsync(options);
        _client = new ForeignClient(_m3);
    }
}
