using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Validation;

/// <summary>M3's undocumented switches, and ours: each turns off its own check only, and the log warns.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ChecksSwitchedOffTests
{
    [Test]
    public async Task Without_the_expiry_check_an_expired_token_goes_and_one_without_exp([Values(1, null)] int? exp)
    {
        using var fixture = new ClientFixture(options => options.ValidateLifetime = false);
        fixture.Token = fixture.NewToken(claims => claims["exp"] = exp);
        if (exp is null)
            fixture.Token = fixture.NewToken(claims => claims.Remove("exp"));

        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
        Assert.That(fixture.Log.Warnings.Single(), Does.StartWith("The check of the token's expiry is off (M3_OAUTH2_VALIDATE_EXP=false)"));
    }

    [Test]
    public async Task Without_the_expiry_check_nbf_and_iat_are_still_checked([Values("nbf", "iat")] string claim)
    {
        using var fixture = new ClientFixture(options => options.ValidateLifetime = false);
        fixture.Token = fixture.NewToken(claims => claims[claim] = fixture.Now.AddHours(1).ToUnixTimeSeconds());

        await fixture.FailAsync<TokenNotYetValidException>();
    }

    [Test]
    public async Task Without_the_audience_check_any_audience_will_do()
    {
        using var fixture = new ClientFixture(options => options.ValidateAudience = false);
        fixture.Token = fixture.NewToken(claims => claims.Remove("aud"));

        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Log.Warnings.Single(), Does.StartWith("The check of the token's audience is off (M3_OAUTH2_VALIDATE_AUD=false)"));
    }

    [Test]
    public async Task Without_the_issuer_check_any_issuer_will_do()
    {
        using var fixture = new ClientFixture(options => options.ValidateIssuer = false);
        fixture.Token = fixture.NewToken(claims => claims["iss"] = "https://other.test");

        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Log.Warnings.Single(), Does.StartWith("The check of the token's issuer is off (M3_OAUTH2_VALIDATE_ISS=false)"));
    }

    [TestCase(true, "signature, exp, nbf and iat, iss, aud, scopes")]
    [TestCase(false, "nbf and iat, scopes")]
    public async Task The_log_tells_which_checks_a_token_passed(bool on, string checks)
    {
        using var fixture = new ClientFixture(options =>
        {
            options.Debug = true;
            options.ValidateSignature = options.ValidateLifetime = options.ValidateIssuer = options.ValidateAudience = on;
        });

        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Log.Lines, Has.One.Property(nameof(LogLine.Text)).Contains($"; checked {checks}; scopes read:mimic-data"));
    }

    [TestCase("HS256")]
    [TestCase("none")]
    [TestCase("RS512")]
    [TestCase(null)]
    public async Task Without_the_signature_check_the_algorithm_is_still_checked(string? algorithm)
    {
        using var fixture = new ClientFixture(options => options.ValidateSignature = false);
        fixture.Token = fixture.NewToken(header: header => header["alg"] = algorithm);

        await fixture.FailAsync<InvalidTokenSignatureException>();
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task Without_the_signature_check_a_kid_is_still_required()
    {
        using var fixture = new ClientFixture(options => options.ValidateSignature = false);
        fixture.Token = fixture.NewToken(header: header => header.Remove("kid"));

        await fixture.FailAsync<InvalidTokenSignatureException>();
    }

    [Test]
    public async Task Without_the_signature_check_no_key_is_fetched_and_everything_else_is_checked()
    {
        using var fixture = new ClientFixture(options => options.ValidateSignature = false);
        string forged = fixture.NewToken();
        fixture.Token = forged[..(forged.LastIndexOf('.') + 1)];
        (await fixture.CallAsync()).Dispose();

        fixture.Token = fixture.NewToken(claims => claims["aud"] = "other");
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        await fixture.FailAsync<InvalidAudienceException>();

        Assert.That((fixture.Issuer.DiscoveryRequests, fixture.Issuer.JwksRequests), Is.EqualTo((0, 0)));
        Assert.That(fixture.Log.Warnings.Single(), Does.StartWith("The check of the token's signature is off (M3_OAUTH2_VALIDATE_SIGNATURE=false)"));
    }

    [Test]
    public async Task Without_required_scopes_a_token_without_scopes_goes()
    {
        using var fixture = new ClientFixture(options => options.RequiredScopes.Clear());
        fixture.Token = fixture.NewToken(claims => claims.Remove("scope"));

        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Log.Warnings, Is.Empty);
    }

    [Test]
    public async Task With_several_required_scopes_every_one_must_be_there()
    {
        using var fixture = new ClientFixture(options => options.RequiredScopes.UnionWith(["write:mimic-data", "openid"]));
        fixture.Token = fixture.NewToken(claims => (claims["scope"], claims["scp"]) = ("openid email", "read:mimic-data"));

        MissingScopesException error = await fixture.FailAsync<MissingScopesException>();

        Assert.That(error.Missing, Is.EqualTo(["write:mimic-data"]));
        Assert.That(error.Message, Is.EqualTo("Missing required scopes: write:mimic-data (the token has openid email read:mimic-data)"));
    }
}
