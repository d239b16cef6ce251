using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tests.Settings;

/// <summary>Every variable of M3's, and ours beside them, read from the environment and from a configuration alike.</summary>
[TestFixture(true, TestName = "Settings from the environment")]
[TestFixture(false, TestName = "Settings from a configuration")]
[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class SettingsTests(bool fromEnvironment)
{
    // The environment belongs to the whole process: each test has its own names in it.
    private readonly string _prefix = $"T{Guid.NewGuid():N}_";
    private readonly List<string> _set = [];

    [TearDown]
    public void Forget()
    {
        foreach (string variable in _set)
            Environment.SetEnvironmentVariable(variable, null);
    }

    [Test]
    public void What_is_not_set_has_M3s_default()
    {
        M3AuthOptions options = Read();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(options.Enabled, Is.True);
            Assert.That(options.IssuerUrl, Is.Null);
            Assert.That(options.Audience, Is.Null);
            Assert.That(options.RequiredScopes, Is.EqualTo(["read:mimic-data"]));
            Assert.That(options.JwksUrl, Is.Null);
            Assert.That(options.JwksCacheTtl, Is.EqualTo(TimeSpan.FromHours(1)));
            Assert.That(options.RateLimitEnabled, Is.True);
            Assert.That(options.RateLimitRequests, Is.EqualTo(100));
            Assert.That(options.RateLimitWindow, Is.EqualTo(TimeSpan.FromHours(1)));
            Assert.That(options.RateLimitMode, Is.EqualTo(RateLimitMode.Reject));
            Assert.That(options.Debug, Is.False);
            Assert.That(options.TokenSource, Is.Null);
            Assert.That(options.TokenFile, Is.Null);
            Assert.That(options.ClientId, Is.Null);
            Assert.That(options.ClientSecret, Is.Null);
            Assert.That(options.ClientSecretFile, Is.Null);
            Assert.That(options.AllowedOrigins, Is.Empty);
            Assert.That(options.RequireHttps, Is.True);
            Assert.That(options.ThrowOnRejection, Is.True);
            Assert.That(options.ValidateSignature, Is.True);
            Assert.That(options.ValidateLifetime, Is.True);
            Assert.That(options.ValidateAudience, Is.True);
            Assert.That(options.ValidateIssuer, Is.True);
            Assert.That(options.BackchannelHttpHandler, Is.Null);
            Assert.That(options.TimeProvider, Is.SameAs(TimeProvider.System));
        }
    }

    [Test]
    public void Every_variable_is_read()
    {
        M3AuthOptions options = Read(
            ("ENABLED", "true"),
            ("ISSUER_URL", "https://x.auth0.com/"),
            ("AUDIENCE", "m3-api"),
            ("REQUIRED_SCOPES", "read:mimic-data, write:mimic-data"),
            ("JWKS_URL", "https://x.auth0.com/keys"),
            ("JWKS_CACHE_TTL", "60"),
            ("RATE_LIMIT_ENABLED", "false"),
            ("RATE_LIMIT_REQUESTS", "5"),
            ("RATE_LIMIT_WINDOW", "120"),
            ("DEBUG", "true"),
            ("TOKEN_FILE", "/run/secrets/token"),
            ("TOKEN_COMMAND", "az account get-access-token"),
            ("CLIENT_ID", "pull"),
            ("CLIENT_SECRET", "s3cret"),
            ("CLIENT_SECRET_FILE", "/run/secrets/secret"),
            ("CLIENT_KEY_FILE", "/run/secrets/key"),
            ("CLIENT_KEY_ID", "k1"),
            ("CLIENT_ASSERTION_FILE", "/run/secrets/assertion"),
            ("CLIENT_ASSERTION_AUDIENCE", "https://issuer.test/token"),
            ("RESOURCE", "https://m3.test/sse"),
            ("ALLOWED_ORIGINS", "https://m3.test, https://m3.test:8443/sse http://localhost:3000"),
            ("REQUIRE_HTTPS", "false"),
            ("VALIDATE_SIGNATURE", "false"),
            ("VALIDATE_EXP", "false"),
            ("VALIDATE_AUD", "false"),
            ("VALIDATE_ISS", "false"));

        using (Assert.EnterMultipleScope())
        {
            Assert.That(options.Enabled, Is.True);
            Assert.That(options.IssuerUrl, Is.EqualTo("https://x.auth0.com/"));
            Assert.That(options.Audience, Is.EqualTo("m3-api"));
            Assert.That(options.RequiredScopes, Is.EquivalentTo(["read:mimic-data", "write:mimic-data"]));
            Assert.That(options.JwksUrl, Is.EqualTo(new Uri("https://x.auth0.com/keys")));
            Assert.That(options.JwksCacheTtl, Is.EqualTo(TimeSpan.FromSeconds(60)));
            Assert.That(options.RateLimitEnabled, Is.False);
            Assert.That(options.RateLimitRequests, Is.EqualTo(5));
            Assert.That(options.RateLimitWindow, Is.EqualTo(TimeSpan.FromSeconds(120)));
            Assert.That(options.Debug, Is.True);
            Assert.That(options.TokenFile, Is.EqualTo("/run/secrets/token"));
            Assert.That(options.TokenCommand, Is.EqualTo("az account get-access-token"));
            Assert.That(options.ClientId, Is.EqualTo("pull"));
            Assert.That(options.ClientSecret, Is.EqualTo("s3cret"));
            Assert.That(options.ClientSecretFile, Is.EqualTo("/run/secrets/secret"));
            Assert.That(new[] { options.ClientKeyFile, options.ClientKeyId, options.ClientAssertionFile, options.ClientAssertionAudience, options.Resource },
                Is.EqualTo(["/run/secrets/key", "k1", "/run/secrets/assertion", "https://issuer.test/token", "https://m3.test/sse"]));
            Assert.That(options.AllowedOrigins, Is.EqualTo([new Uri("https://m3.test"), new Uri("https://m3.test:8443/sse"), new Uri("http://localhost:3000")]));
            Assert.That(options.RequireHttps, Is.False);
            Assert.That(options.ValidateSignature, Is.False);
            Assert.That(options.ValidateLifetime, Is.False);
            Assert.That(options.ValidateAudience, Is.False);
            Assert.That(options.ValidateIssuer, Is.False);
        }
    }

    [TestCase(null, true)]
    [TestCase("", true)]
    [TestCase("  ", true)]
    [TestCase("true", true)]
    [TestCase("True", true)]
    [TestCase("TRUE", true)]
    [TestCase("false", false)]
    [TestCase("False", false)]
    [TestCase("FALSE", false)]
    public void True_is_on_and_false_is_off_in_any_case_and_what_is_not_set_is_on(string? value, bool expected) =>
        Assert.That(Read(("ENABLED", value)).Enabled, Is.EqualTo(expected));

    // M3 takes each of them as off, without a word.
    [TestCase("1")]
    [TestCase("0")]
    [TestCase("yes")]
    [TestCase("on")]
    [TestCase("off")]
    [TestCase(" true")]
    [TestCase("false ")]
    public void Anything_else_switches_nothing_off_in_silence(string value) =>
        Assert.That(() => Read(("ENABLED", value)), Throws.TypeOf<OptionsValidationException>().With.Message.EqualTo(
            $"{_prefix}ENABLED must be true or false, but is '{value}', which M3 takes as off: write {_prefix}ENABLED=true to have OAuth2 on"));

    [TestCase("a b", "a,b")]
    [TestCase("a,b", "a,b")]
    [TestCase("a, b", "a,b")]
    [TestCase(" a ,, b\t\n", "a,b")]
    [TestCase("a a", "a")]
    [TestCase("", "")]
    [TestCase(" , ", "")]
    public void Scopes_stand_between_commas_or_spaces_and_set_but_empty_means_none(string value, string expected) =>
        Assert.That(Read(("REQUIRED_SCOPES", value)).RequiredScopes, Is.EquivalentTo(expected.Split(',', StringSplitOptions.RemoveEmptyEntries)));

    [Test]
    public void What_is_empty_counts_as_not_set([Values("", "  ")] string empty)
    {
        M3AuthOptions options = Read(
            ("ISSUER_URL", empty), ("AUDIENCE", empty), ("JWKS_URL", empty), ("JWKS_CACHE_TTL", empty), ("RATE_LIMIT_ENABLED", empty),
            ("RATE_LIMIT_REQUESTS", empty), ("RATE_LIMIT_WINDOW", empty), ("DEBUG", empty), ("TOKEN_FILE", empty), ("TOKEN_COMMAND", empty), ("CLIENT_ID", empty),
            ("CLIENT_SECRET", empty), ("CLIENT_SECRET_FILE", empty), ("ALLOWED_ORIGINS", empty), ("REQUIRE_HTTPS", empty),
            ("VALIDATE_SIGNATURE", empty), ("VALIDATE_EXP", empty), ("VALIDATE_AUD", empty), ("VALIDATE_ISS", empty));

        using (Assert.EnterMultipleScope())
        {
            Assert.That(new[] { options.IssuerUrl, options.Audience, options.TokenFile, options.TokenCommand, options.ClientId, options.ClientSecret, options.ClientSecretFile }, Is.All.Null);
            Assert.That(options.JwksUrl, Is.Null);
            Assert.That(options.AllowedOrigins, Is.Empty);
            Assert.That(options.Debug, Is.False);
            Assert.That(new[] { options.RateLimitEnabled, options.RequireHttps, options.ValidateSignature, options.ValidateLifetime, options.ValidateAudience, options.ValidateIssuer }, Is.All.True);
            Assert.That((options.RateLimitRequests, options.RateLimitWindow, options.JwksCacheTtl), Is.EqualTo((100, TimeSpan.FromHours(1), TimeSpan.FromHours(1))));
        }
    }

    [TestCase("true", true)]
    [TestCase("TRUE", true)]
    [TestCase(" False ", false)]
    [TestCase("false", false)]
    public void A_switch_is_true_or_false_in_any_case(string value, bool expected) =>
        Assert.That(Read(("REQUIRE_HTTPS", value)).RequireHttps, Is.EqualTo(expected));

    [Test]
    public void Another_prefix_reads_other_variables()
    {
        Set("ISSUER_URL", "https://one.test", _prefix + "ONE_");
        Set("ISSUER_URL", "https://two.test", _prefix + "TWO_");

        Assert.That(ReadFrom(_prefix + "TWO_").IssuerUrl, Is.EqualTo("https://two.test"));
    }

    // In a configuration two underscores in a variable's name stand for a colon.
    [Test]
    public void A_prefix_with_two_underscores_is_one_like_any_other()
    {
        string prefix = _prefix + "_TEAM__";
        Set("AUDIENCE", "theirs", prefix);

        Assert.That(ReadFrom(prefix).Audience, Is.EqualTo("theirs"));
    }

    private readonly Dictionary<string, string?> _values = [];

    private M3AuthOptions Read(params (string Name, string? Value)[] settings)
    {
        foreach ((string name, string? value) in settings)
            Set(name, value, _prefix);
        return ReadFrom(_prefix);
    }

    private void Set(string name, string? value, string prefix)
    {
        if (value is null)
            return;
        _values[prefix + name] = value;
        _set.Add(prefix + name);
        if (fromEnvironment)
            Environment.SetEnvironmentVariable(prefix + name, value);
    }

    private M3AuthOptions ReadFrom(string prefix) => fromEnvironment
        ? M3AuthOptions.FromEnvironment(prefix)
        : M3AuthOptions.FromConfiguration(new ConfigurationBuilder().AddInMemoryCollection(_values).Build(), prefix);
}
