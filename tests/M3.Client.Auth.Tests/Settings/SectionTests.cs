using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tests.Settings;

/// <summary>A section with the options' own names, and the flat names beside it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SectionTests
{
    private static readonly string[] NotInAConfiguration =
        ["BackchannelHttpHandler", "RateLimiter", "RateLimitProgress", "SharedState", "TimeProvider", "TokenSource"];

    [Test]
    public void Every_setting_may_stand_in_a_section_under_the_name_of_its_option()
    {
        M3AuthOptions options = M3AuthOptions.FromConfiguration(Section(
            ("Enabled", "true"), ("IssuerUrl", "https://issuer.test"), ("Audience", "m3-api"), ("RequiredScopes:0", "read:mimic-data"), ("RequiredScopes:1", "write:notes"),
            ("JwksUrl", "https://issuer.test/keys"), ("JwksCacheTtl", "00:30:00"), ("RateLimitEnabled", "false"), ("RateLimitRequests", "7"), ("RateLimitWindow", "60"),
            ("RateLimitMode", "wait"), ("Debug", "true"), ("TokenFile", "/run/token"), ("TokenCommand", "az token"), ("ClientId", "pull"), ("ClientSecret", "s"), ("ClientSecretFile", "/run/secret"),
            ("ClientKeyFile", "/run/key"), ("ClientKeyId", "k1"), ("ClientAssertionFile", "/run/assertion"), ("ClientAssertionAudience", "https://issuer.test/token"), ("Resource", "https://m3.test/sse"),
            ("AllowedOrigins:0", "https://a.test"), ("AllowedOrigins:1", "https://b.test"), ("RequireHttps", "false"), ("ThrowOnRejection", "false"),
            ("ValidateSignature", "false"), ("ValidateLifetime", "false"), ("ValidateAudience", "false"), ("ValidateIssuer", "false")));

        Assert.That((options.IssuerUrl, options.Audience, options.JwksUrl, options.JwksCacheTtl), Is.EqualTo(("https://issuer.test", "m3-api", new Uri("https://issuer.test/keys"), TimeSpan.FromMinutes(30))));
        Assert.That(options.RequiredScopes, Is.EquivalentTo((string[])["read:mimic-data", "write:notes"]));
        Assert.That((options.RateLimitEnabled, options.RateLimitRequests, options.RateLimitWindow, options.RateLimitMode), Is.EqualTo((false, 7, TimeSpan.FromMinutes(1), RateLimitMode.Wait)));
        Assert.That((options.Debug, options.TokenFile, options.TokenCommand, options.ClientId, options.ClientSecret, options.ClientSecretFile), Is.EqualTo((true, "/run/token", "az token", "pull", "s", "/run/secret")));
        Assert.That((options.ClientKeyFile, options.ClientKeyId, options.ClientAssertionFile, options.ClientAssertionAudience, options.Resource),
            Is.EqualTo(("/run/key", "k1", "/run/assertion", "https://issuer.test/token", "https://m3.test/sse")));
        Assert.That(options.AllowedOrigins, Is.EqualTo((Uri[])[new("https://a.test"), new("https://b.test")]));
        Assert.That((options.RequireHttps, options.ThrowOnRejection, options.ValidateSignature, options.ValidateLifetime, options.ValidateAudience, options.ValidateIssuer),
            Is.EqualTo((false, false, false, false, false, false)));
    }

    [Test]
    public void No_option_is_left_out() =>
        Assert.That(SectionNames.All.Select(SectionNames.Of).Concat(NotInAConfiguration), Is.EquivalentTo(typeof(M3AuthOptions).GetProperties().Select(property => property.Name)));

    [Test]
    public void The_name_of_the_option_has_the_last_word_and_the_flat_name_fills_the_gap()
    {
        M3AuthOptions options = M3AuthOptions.FromConfiguration(Section(("Audience", "of the section"), ("M3_OAUTH2_AUDIENCE", "flat"), ("M3_OAUTH2_ISSUER_URL", "https://flat.test")));

        Assert.That((options.Audience, options.IssuerUrl), Is.EqualTo(("of the section", "https://flat.test")));
    }

    // A variable DEBUG or CLIENTID of somebody else's is no setting of ours.
    [Test]
    public void The_root_of_a_configuration_is_no_section()
    {
        M3AuthOptions options = M3AuthOptions.FromConfiguration(Configuration(("Debug", "true"), ("ClientId", "others"), ("IssuerUrl", "https://others.test")));

        Assert.That((options.Debug, options.ClientId, options.IssuerUrl), Is.EqualTo((false, (string?)null, (string?)null)));
    }

    [TestCase("JwksCacheTtl", "1:2:3:4:5", "M3:JwksCacheTtl must be a positive whole number of seconds, or a duration such as 01:00:00, but is '1:2:3:4:5'")]
    [TestCase("RateLimitWindow", "-01:00:00", "M3:RateLimitWindow must be a positive whole number of seconds, or a duration such as 01:00:00, but is '-01:00:00'")]
    [TestCase("RateLimitMode", "queue", "M3:RateLimitMode must be Reject or Wait, but is 'queue'")]
    [TestCase("Enabled", "1", "M3:Enabled must be true or false, but is '1', which M3 takes as off: write M3:Enabled=true to have OAuth2 on")]
    [TestCase("JwksUrl", "keys", "M3:JwksUrl must be an absolute URL such as https://host/path, but is 'keys'")]
    public void A_wrong_value_is_named_as_it_stands_there(string name, string value, string expected) =>
        Assert.That(() => M3AuthOptions.FromConfiguration(Section((name, value))), Throws.TypeOf<OptionsValidationException>().With.Message.EqualTo(expected));

    [Test]
    public void What_is_found_wrong_later_is_named_so_too()
    {
        M3AuthOptions options = M3AuthOptions.FromConfiguration(Section(("IssuerUrl", "issuer"), ("RateLimitRequests", "2000000"), ("ClientSecret", "s")));

        Assert.That(() => new M3TokenProvider(options), Throws.TypeOf<OptionsValidationException>().With.Property("Failures").EqualTo((string[])
        [
            "M3:IssuerUrl must be an absolute URL without white space, query or fragment, but is 'issuer'",
            "M3_OAUTH2_AUDIENCE is required when OAuth2 is enabled (in the section: M3:Audience)",
            "M3_OAUTH2_CLIENT_ID is required when M3:ClientSecret is set",
            "M3:RateLimitRequests must be from 1 to 1000000, but is 2000000 (to have no limit set M3_OAUTH2_RATE_LIMIT_ENABLED=false)",
        ]));
    }

    [Test]
    public async Task A_registration_takes_its_section_and_what_that_leaves_out_from_the_applications_flat_names()
    {
        using var app = new SectionApp(("M3:IssuerUrl", FakeIssuer.Url), ("M3_OAUTH2_ISSUER_URL", "https://overwritten.test"), ("M3_OAUTH2_AUDIENCE", ClientFixture.Audience));

        await app.CallAsync();

        Assert.That(app.ClientFixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(app.ClientFixture.Token));
    }

    [Test]
    public async Task A_token_may_stand_in_the_section_and_follows_its_reload()
    {
        using var app = new SectionApp(isWired: false, ("M3:IssuerUrl", FakeIssuer.Url), ("M3:Audience", ClientFixture.Audience));
        string first = app.ClientFixture.NewToken();
        string second = app.ClientFixture.NewToken();

        app.Change("M3:Token", first);
        await app.CallAsync();
        app.Change("M3:Token", second);
        app.ClientFixture.Clock.Advance(TimeSpan.FromSeconds(2));
        await app.CallAsync();

        Assert.That(app.ClientFixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo((string[])[first, second]));
        Assert.That(app.ClientFixture.Log.Warnings, Is.Empty);
    }

    [Test]
    public async Task Without_a_token_the_error_names_the_sections_place_as_well()
    {
        using var app = new SectionApp(isWired: false, ("M3:IssuerUrl", FakeIssuer.Url), ("M3:Audience", ClientFixture.Audience));

        await Assert.ThatAsync(app.CallAsync, Throws.TypeOf<MissingTokenException>().With.Message.Contains("the configuration (M3:Token)"));
    }

    [Test]
    public async Task A_setting_that_changes_while_the_application_runs_is_named_once_and_has_no_effect()
    {
        using var app = new SectionApp(("M3:IssuerUrl", FakeIssuer.Url), ("M3:Audience", ClientFixture.Audience), ("M3:ClientId", "pull"), ("M3:ClientSecret", "s3cr3t"));
        await app.CallAsync();

        app.Change("M3:Audience", "others");
        app.Change("M3:ClientSecret", "s3cr3t-too");
        app.Change("Unrelated", "x");
        await app.CallAsync();

        Assert.That(app.ClientFixture.Server.Arrivals, Has.Count.EqualTo(2));
        Assert.That(app.ClientFixture.Log.Warnings.Select(line => line[..line.IndexOf('|', StringComparison.Ordinal)].Trim()), Is.EqualTo((string[])
        [
            "Settings have changed in the configuration (M3:Audience): they take effect when the application is started anew; only tokens are read again",
            "Settings have changed in the configuration (M3:Audience, M3:ClientSecret): they take effect when the application is started anew; only tokens are read again",
        ]));
        Assert.That(app.ClientFixture.Log.Everything, Does.Not.Contain("s3cr3t"));
        Assert.That(string.Join(' ', app.Options.AtStart!.Values), Does.Not.Contain("s3cr3t"), "a debugger shows it");
        Assert.That(app.Options.AtStart, Does.ContainKey("M3:ClientSecret"));
    }

    [Test]
    public async Task A_section_of_another_configuration_is_watched_as_well_as_the_applications_own()
    {
        IConfigurationRoot others = Configuration(("M3:IssuerUrl", FakeIssuer.Url), ("M3:Audience", ClientFixture.Audience));
        using var app = new SectionApp(others);
        await app.CallAsync();

        others["M3:Audience"] = "others";
        others.Reload();
        app.Change("M3_OAUTH2_CLIENT_ID", "pull");

        Assert.That(app.ClientFixture.Log.Warnings.Select(line => line.Split('(', ')')[1]), Is.EqualTo((string[])["M3:Audience", "M3_OAUTH2_CLIENT_ID, M3:Audience"]));
    }

    [Test]
    public async Task A_check_that_the_section_turns_off_is_named_as_it_stands_there()
    {
        using var app = new SectionApp(("M3:IssuerUrl", FakeIssuer.Url), ("M3:Audience", ClientFixture.Audience), ("M3:ValidateAudience", "false"), ("M3_OAUTH2_VALIDATE_ISS", "false"));

        await app.CallAsync();

        Assert.That(app.ClientFixture.Log.Warnings.Select(line => line[..line.IndexOf('|', StringComparison.Ordinal)].Trim()), Is.EqualTo((string[])
        [
            "The check of the token's audience is off (M3:ValidateAudience=false)",
            "The check of the token's issuer is off (M3_OAUTH2_VALIDATE_ISS=false)",
        ]));
    }

    [Test]
    public async Task With_OAuth2_off_a_token_in_the_section_is_warned_of()
    {
        using var app = new SectionApp(("M3:Enabled", "false"), ("M3:Token", "eyJ"));

        await app.CallAsync();

        Assert.That(app.ClientFixture.Log.Warnings, Has.Exactly(1).Contains("M3_OAUTH2_ENABLED"));
    }

    [Test]
    public async Task What_changed_between_the_start_and_the_first_call_is_named_too()
    {
        using var app = new SectionApp(("M3:IssuerUrl", FakeIssuer.Url), ("M3_OAUTH2_AUDIENCE", ClientFixture.Audience));
        _ = app.Options;

        app.Change("M3_OAUTH2_AUDIENCE", "others");
        await app.CallAsync();

        Assert.That(app.ClientFixture.Log.Warnings.Single(), Does.StartWith("Settings have changed in the configuration (M3_OAUTH2_AUDIENCE)"));
    }

    [Test]
    public async Task The_log_names_the_client_in_its_category()
    {
        using var app = new SectionApp(("M3:IssuerUrl", FakeIssuer.Url), ("M3:Audience", ClientFixture.Audience), ("M3:Debug", "true"));

        await app.CallAsync();

        Assert.That(app.ClientFixture.Log.Categories.Where(category => category.StartsWith("M3.Client.Auth", StringComparison.Ordinal)), Is.EqualTo((string[])["M3.Client.Auth.m3"]));
    }

    private static IConfigurationRoot Configuration(params (string Name, string Value)[] settings) =>
        new ConfigurationBuilder().AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Name, (string?)setting.Value))).Build();

    private static IConfigurationSection Section(params (string Name, string Value)[] settings) =>
        Configuration([.. settings.Select(setting => ($"M3:{setting.Name}", setting.Value))]).GetSection("M3");

    /// <summary>An application with a client whose settings are in the section M3.</summary>
    private sealed class SectionApp : IDisposable
    {
        private readonly IConfigurationRoot _configuration;
        private readonly ServiceProvider _services;

        public SectionApp(params (string Name, string Value)[] settings)
            : this(isWired: true, settings)
        {
        }

        public SectionApp(bool isWired, params (string Name, string Value)[] settings)
            : this(Configuration(settings), sectionOf: null, isWired)
        {
        }

        public SectionApp(IConfigurationRoot sectionOf)
            : this(Configuration(), sectionOf, isWired: true)
        {
        }

        private SectionApp(IConfigurationRoot configuration, IConfigurationRoot? sectionOf, bool isWired)
        {
            _configuration = configuration;
            var services = new ServiceCollection();
            services.AddSingleton<IConfiguration>(_configuration).AddSingleton<ILoggerFactory>(ClientFixture.Log);
            services.AddHttpClient("m3").ConfigurePrimaryHttpMessageHandler(() => ClientFixture.Server).AddM3Auth((sectionOf ?? _configuration).GetSection("M3"), options =>
            {
                ClientFixture.Wire(options);
                if (!isWired)
                    options.TokenSource = null;
            });
            _services = services.BuildServiceProvider();
        }

        public ClientFixture ClientFixture { get; } = new();

        public M3AuthOptions Options => _services.GetRequiredService<IOptionsMonitor<M3AuthOptions>>().Get("m3");

        public async Task CallAsync() => (await _services.GetRequiredService<IHttpClientFactory>().CreateClient("m3").GetAsync(ClientFixture.Address)).Dispose();

        public void Change(string name, string value)
        {
            _configuration[name] = value;
            _configuration.Reload();
        }

        public void Dispose()
        {
            _services.Dispose();
            ClientFixture.Dispose();
        }
    }
}
