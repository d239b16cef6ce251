using System.Net;

namespace M3.Client.Auth.IntegrationTests.Examples.SignIn;

/// <summary>Signing in at LocalM3 by device code (RFC 8628).</summary>
public sealed class DeviceCodeTests : ClockedFixture
{
    private protected override LocalM3Options Options => new() { DeviceCodeLifetime = TimeSpan.FromMinutes(2) };

    [Test]
    public async Task A_device_gets_its_codes_and_after_a_person_allowed_it_that_persons_token()
    {
        Answer device = await Client.StartDeviceAsync();

        Assert.That(device.Status, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(device["user_code"], Does.Match("^[B-Z]{4}-[B-Z]{4}$"));
        Assert.That(device["verification_uri"], Is.EqualTo(new Uri(M3.BaseAddress, "connect/device").AbsoluteUri));
        Assert.That(device["verification_uri_complete"], Is.EqualTo($"{device["verification_uri"]}?user_code={device["user_code"]}"));
        Assert.That(device["expires_in"], Is.EqualTo("120"));
        Assert.That(device["interval"], Is.EqualTo("5"));
        Assert.That(M3.SignIns.WaitingUserCodes, Is.EqualTo((string[])[device["user_code"]]));

        Answer pending = await Client.PollAsync(device);
        Assert.That(pending.Status, Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(pending.Error, Is.EqualTo("authorization_pending"));

        M3.SignIns.Approve(device["user_code"], "grace");
        Answer tokens = await Client.PollAsync(device);

        Assert.That(tokens.Status, Is.EqualTo(HttpStatusCode.OK), tokens.Body.ToString());
        Assert.That(tokens["token_type"], Is.EqualTo("Bearer"));
        Assert.That(tokens.Claims.GetProperty("sub").GetString(), Is.EqualTo("grace"));
        Assert.That(tokens.Claims.GetProperty("scope").GetString(), Is.EqualTo(ForeignClient.Scopes));
        Assert.That(await Client.CallM3Async(tokens["access_token"]), Is.EqualTo(HttpStatusCode.OK));
        Assert.That(tokens["refresh_token"], Is.Not.Empty);
        Assert.That(M3.SignIns.DevicePolls, Is.EqualTo(2));
        Assert.That(M3.SignIns.WaitingUserCodes, Is.Empty);
    }

    [Test]
    public async Task A_device_code_gives_tokens_once()
    {
        Answer device = await Client.StartDeviceAsync();
        M3.SignIns.Approve(device["user_code"]);
        await Client.PollAsync(device);

        Assert.That((await Client.PollAsync(device)).Error, Is.EqualTo("invalid_grant"));
    }

    [Test]
    public async Task Without_offline_access_there_is_no_refresh_token()
    {
        Answer device = await Client.StartDeviceAsync("read:mimic-data");
        M3.SignIns.Approve(device["user_code"]);

        Answer tokens = await Client.PollAsync(device);

        Assert.That(tokens["access_token"], Is.Not.Empty);
        Assert.That(tokens.Body.TryGetProperty("refresh_token", out _), Is.False);
    }

    [Test]
    public async Task Who_polls_too_fast_is_told_to_slow_down_by_5_seconds_more_each_time()
    {
        Answer device = await Client.StartDeviceAsync();
        async Task<string?> PollAfterAsync(double seconds)
        {
            Clock.Advance(TimeSpan.FromSeconds(seconds));
            return (await Client.PollAsync(device)).Error;
        }

        Assert.That(await PollAfterAsync(0), Is.EqualTo("authorization_pending"));
        Assert.That(await PollAfterAsync(5), Is.EqualTo("authorization_pending"));
        Assert.That(await PollAfterAsync(4), Is.EqualTo("slow_down"));
        Assert.That(await PollAfterAsync(9), Is.EqualTo("slow_down"));
        Assert.That(await PollAfterAsync(15), Is.EqualTo("authorization_pending"));
    }

    [Test]
    public async Task A_denied_device_hears_access_denied()
    {
        Answer device = await Client.StartDeviceAsync();
        M3.SignIns.Deny(device["user_code"]);

        Assert.That((await Client.PollAsync(device)).Error, Is.EqualTo("access_denied"));
        Assert.That(() => M3.SignIns.Approve(device["user_code"]), Throws.ArgumentException, "decided once");
    }

    [Test]
    public async Task After_its_lifetime_a_device_hears_expired_token_and_its_user_code_is_worth_nothing()
    {
        Answer device = await Client.StartDeviceAsync();
        Clock.Advance(TimeSpan.FromSeconds(121));

        Assert.That((await Client.PollAsync(device)).Error, Is.EqualTo("expired_token"));
        Assert.That(() => M3.SignIns.Approve(device["user_code"]), Throws.ArgumentException);
        Assert.That(await (await Client.GetAsync($"connect/device?user_code={device["user_code"]}")).Content.ReadAsStringAsync(), Does.Contain("has expired"));
    }

    [Test]
    public async Task A_code_that_was_never_given_out_an_unknown_client_and_one_with_a_secret_get_nothing()
    {
        Answer device = await Client.StartDeviceAsync();
        (string, string) grant = ("grant_type", ForeignClient.DeviceGrant);
        (string, string) code = ("device_code", device["device_code"]);

        Answer unknownCode = await Client.PostAsync("connect/token", grant, ("client_id", M3.PublicClientId), ("device_code", "guessed"));
        Answer userCode = await Client.PostAsync("connect/token", grant, ("client_id", M3.PublicClientId), ("device_code", device["user_code"]));
        Answer unknownClient = await Client.PostAsync("connect/token", grant, ("client_id", "somebody"), code);
        Answer withSecret = await Client.PostAsync("connect/token", grant, ("client_id", M3.PublicClientId), ("client_secret", M3.ClientSecret), code);
        Answer program = await Client.PostAsync("connect/token", grant, ("client_id", M3.ClientId), ("client_secret", M3.ClientSecret), code);
        Answer unknownStart = await Client.PostAsync("connect/deviceauthorization", ("client_id", "somebody"));

        Assert.That(unknownCode.Error, Is.EqualTo("invalid_grant"));
        Assert.That(userCode.Error, Is.EqualTo("invalid_grant"));
        // OpenIddict looks first whose code it is.
        Assert.That(unknownClient.Error, Is.EqualTo("invalid_client").Or.EqualTo("invalid_grant"));
        Assert.That(withSecret.Error, Is.EqualTo("invalid_client"));
        Assert.That(program.Error, Is.EqualTo("invalid_client").Or.EqualTo("invalid_grant"));
        Assert.That(unknownStart.Error, Is.EqualTo("invalid_client"));
    }

    [Test]
    public async Task A_public_client_gets_no_token_by_client_credentials()
    {
        Answer answer = await Client.PostAsync("connect/token", ("grant_type", "client_credentials"), ("client_id", M3.PublicClientId), ("client_secret", ""));

        Assert.That(answer.Status, Is.EqualTo(HttpStatusCode.BadRequest).Or.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(answer.Body.TryGetProperty("access_token", out _), Is.False);
    }
}
