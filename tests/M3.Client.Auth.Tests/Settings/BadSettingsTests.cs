using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tests.Settings;

/// <summary>What wrong settings print: the variable, the value, and never a token.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class BadSettingsTests
{
    private static readonly (string Name, string Value)[] Good = [("ISSUER_URL", FakeIssuer.Url), ("AUDIENCE", ClientFixture.Audience)];

    [TestCase("ISSUER_URL", null, "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled")]
    [TestCase("ISSUER_URL", "", "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled")]
    [TestCase("ISSUER_URL", "   ", "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled")]
    [TestCase("ISSUER_URL", "issuer", "M3_OAUTH2_ISSUER_URL must be an absolute URL without white space, query or fragment, but is 'issuer'")]
    [TestCase("ISSUER_URL", "ftp://issuer.test", "M3_OAUTH2_ISSUER_URL must be an absolute URL without white space, query or fragment, but is 'ftp://issuer.test'")]
    [TestCase("ISSUER_URL", " https://issuer.test", "M3_OAUTH2_ISSUER_URL must be an absolute URL without white space, query or fragment, but is ' https://issuer.test'")]
    [TestCase("ISSUER_URL", "https://issuer.test?a=b", "M3_OAUTH2_ISSUER_URL must be an absolute URL without white space, query or fragment, but is 'https://issuer.test?a=b'")]
    [TestCase("ISSUER_URL", "https://issuer.test#a", "M3_OAUTH2_ISSUER_URL must be an absolute URL without white space, query or fragment, but is 'https://issuer.test#a'")]
    [TestCase("ISSUER_URL", "http://issuer.test", "M3_OAUTH2_ISSUER_URL must use https (http only on loopback), but is 'http://issuer.test'")]
    [TestCase("AUDIENCE", null, "M3_OAUTH2_AUDIENCE is required when OAuth2 is enabled")]
    [TestCase("AUDIENCE", "", "M3_OAUTH2_AUDIENCE is required when OAuth2 is enabled")]
    [TestCase("JWKS_URL", "keys", "M3_OAUTH2_JWKS_URL must be an absolute URL such as https://host/path, but is 'keys'")]
    [TestCase("JWKS_URL", "file:///etc/keys", "M3_OAUTH2_JWKS_URL must be an absolute URL such as https://host/path, but is 'file:///etc/keys'")]
    [TestCase("JWKS_URL", "http://issuer.test/keys", "M3_OAUTH2_JWKS_URL must use https (http only on loopback), but is 'http://issuer.test/keys'")]
    [TestCase("JWKS_CACHE_TTL", "abc", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is 'abc'")]
    [TestCase("JWKS_CACHE_TTL", "0", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is '0'")]
    [TestCase("JWKS_CACHE_TTL", "-1", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is '-1'")]
    [TestCase("JWKS_CACHE_TTL", "1.5", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is '1.5'")]
    [TestCase("JWKS_CACHE_TTL", "1 h", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is '1 h'")]
    [TestCase("JWKS_CACHE_TTL", "99999999999", "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is '99999999999'")]
    [TestCase("JWKS_CACHE_TTL", "31536001", "M3_OAUTH2_JWKS_CACHE_TTL must be more than 0 and at most 31536000 seconds, but is 31536001")]
    [TestCase("RATE_LIMIT_REQUESTS", "many", "M3_OAUTH2_RATE_LIMIT_REQUESTS must be a positive whole number, but is 'many'")]
    [TestCase("RATE_LIMIT_REQUESTS", "0", "M3_OAUTH2_RATE_LIMIT_REQUESTS must be a positive whole number, but is '0'")]
    [TestCase("RATE_LIMIT_REQUESTS", "1000001", "M3_OAUTH2_RATE_LIMIT_REQUESTS must be from 1 to 1000000, but is 1000001 (to have no limit set M3_OAUTH2_RATE_LIMIT_ENABLED=false)")]
    [TestCase("RATE_LIMIT_WINDOW", "1h", "M3_OAUTH2_RATE_LIMIT_WINDOW must be a positive whole number of seconds, but is '1h'")]
    [TestCase("RATE_LIMIT_WINDOW", "2592001", "M3_OAUTH2_RATE_LIMIT_WINDOW must be more than 0 and at most 2592000 seconds, but is 2592001")]
    [TestCase("ENABLED", "1", "M3_OAUTH2_ENABLED must be true or false, but is '1', which M3 takes as off: write M3_OAUTH2_ENABLED=true to have OAuth2 on")]
    [TestCase("CLIENT_SECRET", "s3cret", "M3_OAUTH2_CLIENT_ID is required when M3_OAUTH2_CLIENT_SECRET is set")]
    [TestCase("CLIENT_SECRET_FILE", "/run/secrets/m3", "M3_OAUTH2_CLIENT_ID is required when M3_OAUTH2_CLIENT_SECRET_FILE is set")]
    [TestCase("CLIENT_KEY_FILE", "/run/secrets/key.pem", "M3_OAUTH2_CLIENT_ID is required when M3_OAUTH2_CLIENT_KEY_FILE is set")]
    [TestCase("CLIENT_ASSERTION_FILE", "/run/secrets/assertion", "M3_OAUTH2_CLIENT_ID is required when M3_OAUTH2_CLIENT_ASSERTION_FILE is set")]
    [TestCase("RESOURCE", "/sse", "M3_OAUTH2_RESOURCE must be an absolute URI without white space or fragment, but is '/sse'")]
    [TestCase("RESOURCE", "https://m3.test/sse#x", "M3_OAUTH2_RESOURCE must be an absolute URI without white space or fragment, but is 'https://m3.test/sse#x'")]
    [TestCase("RATE_LIMIT_ENABLED", "yes", "M3_OAUTH2_RATE_LIMIT_ENABLED must be true or false, but is 'yes'")]
    [TestCase("DEBUG", "1", "M3_OAUTH2_DEBUG must be true or false, but is '1'")]
    [TestCase("REQUIRE_HTTPS", "off", "M3_OAUTH2_REQUIRE_HTTPS must be true or false, but is 'off'")]
    [TestCase("VALIDATE_SIGNATURE", "0", "M3_OAUTH2_VALIDATE_SIGNATURE must be true or false, but is '0'")]
    [TestCase("VALIDATE_EXP", "no", "M3_OAUTH2_VALIDATE_EXP must be true or false, but is 'no'")]
    [TestCase("VALIDATE_AUD", "no", "M3_OAUTH2_VALIDATE_AUD must be true or false, but is 'no'")]
    [TestCase("VALIDATE_ISS", "no", "M3_OAUTH2_VALIDATE_ISS must be true or false, but is 'no'")]
    [TestCase("ALLOWED_ORIGINS", "m3.test", "M3_OAUTH2_ALLOWED_ORIGINS must be an absolute URL such as https://host/path, but is 'm3.test'")]
    public void A_bad_value_is_told_with_its_variable(string name, string? value, string expected)
    {
        string[] failures = FailuresOf([.. Good.Where(setting => setting.Name != name).Select(setting => (setting.Name, (string?)setting.Value)), (name, value)]);

        TestContext.Out.WriteLine($"{name}={value ?? "(not set)"}: {string.Join(" | ", failures)}");
        Assert.That(failures, Is.EqualTo([expected]));
    }

    [TestCase("ISSUER_URL", "http://localhost:8080/realms/m3")]
    [TestCase("ISSUER_URL", "http://127.0.0.1:8080")]
    [TestCase("ISSUER_URL", "http://[::1]:8080")]
    [TestCase("JWKS_URL", "http://localhost:8080/keys")]
    [TestCase("JWKS_CACHE_TTL", " 60 ")]
    [TestCase("JWKS_CACHE_TTL", "31536000")]
    [TestCase("RATE_LIMIT_REQUESTS", "1")]
    [TestCase("RATE_LIMIT_REQUESTS", "1000000")]
    public void A_value_just_inside_is_taken(string name, string value) =>
        Assert.That(FailuresOf([.. Good.Where(setting => setting.Name != name).Select(setting => (setting.Name, (string?)setting.Value)), (name, value)]), Is.Empty);

    [Test]
    public void An_issuer_over_plain_HTTP_is_taken_when_its_keys_come_from_elsewhere() =>
        Assert.That(FailuresOf([("ISSUER_URL", "http://issuer.test"), ("AUDIENCE", "m3-api"), ("JWKS_URL", "https://keys.test/jwks")]), Is.Empty);

    [Test]
    public void All_values_that_cannot_be_understood_are_told_at_once() =>
        Assert.That(FailuresOf([("JWKS_CACHE_TTL", "abc"), ("RATE_LIMIT_REQUESTS", "many"), ("DEBUG", "1"), ("JWKS_URL", "x")]), Is.EquivalentTo((List<string>)
        [
            "M3_OAUTH2_JWKS_CACHE_TTL must be a positive whole number of seconds, but is 'abc'",
            "M3_OAUTH2_RATE_LIMIT_REQUESTS must be a positive whole number, but is 'many'",
            "M3_OAUTH2_DEBUG must be true or false, but is '1'",
            "M3_OAUTH2_JWKS_URL must be an absolute URL such as https://host/path, but is 'x'",
        ]));

    [Test]
    public void All_settings_that_are_missing_are_told_at_once() =>
        Assert.That(FailuresOf([]), Is.EqualTo(["M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled", "M3_OAUTH2_AUDIENCE is required when OAuth2 is enabled"]));

    [Test]
    public void Nothing_is_required_when_OAuth2_is_off() => Assert.That(FailuresOf([("ENABLED", "false")]), Is.Empty);

    [Test]
    public void Another_prefix_stands_in_the_message()
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection([new("MY_AUDIENCE", "m3-api")]).Build();

        Assert.That(() => new M3TokenProvider(M3AuthOptions.FromConfiguration(configuration, "MY_")),
            Throws.TypeOf<OptionsValidationException>().With.Message.EqualTo("MY_ISSUER_URL is required when OAuth2 is enabled"));
    }

    [TestCase("ISSUER_URL")]
    [TestCase("JWKS_URL")]
    [TestCase("JWKS_CACHE_TTL")]
    [TestCase("RATE_LIMIT_REQUESTS")]
    [TestCase("DEBUG")]
    [TestCase("ALLOWED_ORIGINS")]
    public void A_token_pasted_into_another_setting_is_not_shown(string name)
    {
        string token = new FakeIssuer().Token(ClientFixture.Noon);

        string message = string.Join('\n', FailuresOf([.. Good.Where(setting => setting.Name != name).Select(setting => (setting.Name, (string?)setting.Value)), (name, token)]));

        Assert.That(message, Does.StartWith("M3_OAUTH2_" + name).And.Contain("(a token, not shown)").And.Not.Contain(token[..10]));
    }

    [TestCaseSource(nameof(BadInCode))]
    public void A_bad_value_set_in_code_is_told_the_same_way((string Name, Action<M3AuthOptions> Set, string Expected) bad)
    {
        var options = new M3AuthOptions { IssuerUrl = FakeIssuer.Url, Audience = ClientFixture.Audience };
        bad.Set(options);

        Assert.That(() => new M3TokenProvider(options), Throws.TypeOf<OptionsValidationException>().With.Message.EqualTo(bad.Expected).And.Property(nameof(Exception.HelpLink)).EndsWith("/TROUBLESHOOTING.md#settings"));
        Assert.That(() => new M3AuthHandler(options), Throws.TypeOf<OptionsValidationException>().With.Message.EqualTo(bad.Expected).And.Property(nameof(Exception.HelpLink)).EndsWith("/TROUBLESHOOTING.md#settings"));
        Assert.That(() => M3HttpClient.Create(ClientFixture.Address, options), Throws.TypeOf<OptionsValidationException>().With.Message.EqualTo(bad.Expected).And.Property(nameof(Exception.HelpLink)).EndsWith("/TROUBLESHOOTING.md#settings"));
    }

    [TestCaseSource(nameof(BadForSending))]
    public void A_handler_with_a_provider_of_its_own_minds_only_what_is_for_sending((string Name, Action<M3AuthOptions> Set, string Expected) bad)
    {
        var options = new M3AuthOptions();
        var tokens = new FixedTokenProvider();
        Assert.That(() => new M3AuthHandler(tokens, options), Throws.Nothing);

        bad.Set(options);

        Assert.That(() => new M3AuthHandler(tokens, options), Throws.TypeOf<OptionsValidationException>().With.Message.EqualTo(bad.Expected));
    }

    [Test]
    public void Create_reads_the_environment_when_it_gets_no_settings()
    {
        Assume.That(Environment.GetEnvironmentVariable("M3_OAUTH2_ISSUER_URL"), Is.Null);

        Assert.That(() => M3HttpClient.Create(ClientFixture.Address), Throws.TypeOf<OptionsValidationException>()
            .With.Message.StartsWith("M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled"));
    }

    [TestCase("/sse")]
    [TestCase("ftp://m3.test")]
    public void Create_wants_an_absolute_HTTP_address(string address) =>
        Assert.That(() => M3HttpClient.Create(new Uri(address, UriKind.RelativeOrAbsolute), new M3AuthOptions()),
            Throws.ArgumentException.With.Message.Contains(address));

    [Test]
    public async Task Settings_are_copied_so_that_later_changes_do_nothing()
    {
        using var fixture = new ClientFixture();
        M3AuthOptions options = fixture.Options();
        using var provider = new M3TokenProvider(options);

        options.Audience = "other";
        options.RequiredScopes.Add("other");
        options.TokenSource = TokenSources.FromValue(null);

        Assert.That(await provider.GetTokenAsync(), Has.Property("Subject").EqualTo("researcher"));
    }

    private static IEnumerable<TestCaseData> BadInCode =>
        Named(
        [
            ("a lifetime of zero", o => o.JwksCacheTtl = TimeSpan.Zero, "M3_OAUTH2_JWKS_CACHE_TTL must be more than 0 and at most 31536000 seconds, but is 0"),
            ("a secret without an id", o => o.ClientSecret = "s3cret", "M3_OAUTH2_CLIENT_ID is required when M3_OAUTH2_CLIENT_SECRET is set"),
            ("a secret with an empty id", o => (o.ClientId, o.ClientSecret) = (" ", "s3cret"), "M3_OAUTH2_CLIENT_ID is required when M3_OAUTH2_CLIENT_SECRET is set"),
            ("a key beside a secret", o => (o.ClientId, o.ClientSecret, o.ClientKeyFile) = ("pull", "s3cret", "key.pem"),
                "M3_OAUTH2_CLIENT_SECRET and M3_OAUTH2_CLIENT_KEY_FILE are set, and a client proves itself by one of them: leave the others out"),
            ("an assertion beside a secret's file", o => (o.ClientId, o.ClientSecretFile, o.ClientAssertionFile) = ("pull", "secret", "assertion"),
                "M3_OAUTH2_CLIENT_SECRET_FILE and M3_OAUTH2_CLIENT_ASSERTION_FILE are set, and a client proves itself by one of them: leave the others out"),
            ("an assertion beside a key", o => (o.ClientId, o.ClientKeyFile, o.ClientAssertionFile) = ("pull", "key.pem", "assertion"),
                "M3_OAUTH2_CLIENT_KEY_FILE and M3_OAUTH2_CLIENT_ASSERTION_FILE are set, and a client proves itself by one of them: leave the others out"),
            ("a scope with a space", o => o.RequiredScopes.Add("read write"), "M3_OAUTH2_REQUIRED_SCOPES must be scopes without white space inside, but one is 'read write'"),
            ("an empty scope", o => o.RequiredScopes.Add(""), "M3_OAUTH2_REQUIRED_SCOPES must be scopes without white space inside, but one is ''"),
            ("a relative JWKS URL", o => o.JwksUrl = new Uri("/keys", UriKind.Relative), "M3_OAUTH2_JWKS_URL must use https (http only on loopback), but is '/keys'"),
            .. SendingFailures,
        ]);

    private static IEnumerable<TestCaseData> BadForSending => Named(SendingFailures);

    private static (string Name, Action<M3AuthOptions> Set, string Expected)[] SendingFailures =>
    [
        ("no requests", o => o.RateLimitRequests = 0, "M3_OAUTH2_RATE_LIMIT_REQUESTS must be from 1 to 1000000, but is 0 (to have no limit set M3_OAUTH2_RATE_LIMIT_ENABLED=false)"),
        ("a negative window", o => o.RateLimitWindow = TimeSpan.FromSeconds(-1.5), "M3_OAUTH2_RATE_LIMIT_WINDOW must be more than 0 and at most 2592000 seconds, but is -1.5"),
        ("a mode that is none", o => o.RateLimitMode = (RateLimitMode)7, "M3_OAUTH2_RATE_LIMIT_MODE must be Reject or Wait, but is 7"),
        ("an origin that is relative", o => o.AllowedOrigins.Add(new Uri("/sse", UriKind.Relative)), "M3_OAUTH2_ALLOWED_ORIGINS must be absolute http or https URLs, but one is '/sse'"),
        ("an origin of another scheme", o => o.AllowedOrigins.Add(new Uri("ws://m3.test")), "M3_OAUTH2_ALLOWED_ORIGINS must be absolute http or https URLs, but one is 'ws://m3.test'"),
        ("no clock", o => o.TimeProvider = null!, "TimeProvider must not be null"),
    ];

    private static IEnumerable<TestCaseData> Named(IEnumerable<(string Name, Action<M3AuthOptions> Set, string Expected)> cases) =>
        cases.Select(one => new TestCaseData(one).SetArgDisplayNames(one.Name));

    private static string[] FailuresOf((string Name, string? Value)[] settings)
    {
        IConfiguration configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Where(setting => setting.Value is not null).Select(setting => KeyValuePair.Create("M3_OAUTH2_" + setting.Name, setting.Value)))
            .Build();
        try
        {
            new M3TokenProvider(M3AuthOptions.FromConfiguration(configuration)).Dispose();
            return [];
        }
        catch (OptionsValidationException e)
        {
            Assert.That(e.Message, Is.EqualTo(string.Join("; ", e.Failures)));
            Assert.That(e.HelpLink, Does.EndWith("/TROUBLESHOOTING.md#settings"));
            return [.. e.Failures];
        }
    }
}
