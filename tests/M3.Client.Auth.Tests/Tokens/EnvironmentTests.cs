using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>What an M3 server that is a child process needs to come to the same verdict.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class EnvironmentTests
{
    [Test]
    public async Task It_names_the_discovered_keys_which_M3_itself_would_look_for_at_the_hosts_root()
    {
        const string issuer = "https://issuer.test/realms/m3";
        using var fixture = new ClientFixture(issuerUrl: issuer);
        using var provider = new M3TokenProvider(fixture.Options());

        Assert.That(await provider.GetEnvironmentAsync(), Is.EquivalentTo(new Dictionary<string, string?>
        {
            ["M3_OAUTH2_ENABLED"] = "true",
            ["M3_OAUTH2_ISSUER_URL"] = issuer,
            ["M3_OAUTH2_AUDIENCE"] = ClientFixture.Audience,
            ["M3_OAUTH2_REQUIRED_SCOPES"] = "read:mimic-data",
            ["M3_OAUTH2_JWKS_URL"] = issuer + "/jwks",
            ["M3_OAUTH2_TOKEN"] = fixture.Token,
        }));
    }

    [Test]
    public async Task The_configured_address_of_the_keys_goes_as_it_is()
    {
        using var fixture = new ClientFixture(options => options.JwksUrl = new("https://Issuer.test/jwks"));
        using var provider = new M3TokenProvider(fixture.Options());

        Assert.That(await provider.GetEnvironmentAsync(), Does.ContainKey("M3_OAUTH2_JWKS_URL").WithValue("https://Issuer.test/jwks"));
    }

    [Test]
    public async Task Without_a_check_of_signatures_no_keys_are_known_and_none_are_named()
    {
        using var fixture = new ClientFixture(options => options.ValidateSignature = false);
        using var provider = new M3TokenProvider(fixture.Options());

        Assert.That(await provider.GetEnvironmentAsync(), Does.Not.ContainKey("M3_OAUTH2_JWKS_URL"));
    }

    [Test]
    public async Task It_stands_under_the_names_of_M3s_successor_too()
    {
        using var fixture = new ClientFixture();
        using var provider = new M3TokenProvider(fixture.Options());

        IDictionary<string, string?> environment = await provider.GetEnvironmentAsync("M4_OAUTH2_");

        Assert.That(environment.Keys, Is.EquivalentTo((string[])["M4_OAUTH2_ENABLED", "M4_OAUTH2_ISSUER_URL", "M4_OAUTH2_AUDIENCE", "M4_OAUTH2_REQUIRED_SCOPES", "M4_OAUTH2_JWKS_URL", "M4_OAUTH2_TOKEN"]));
    }
}
