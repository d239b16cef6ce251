using System.Net;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Issuer;

/// <summary>Where the keys are: as configured, as the metadata says, or where they usually are.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class DiscoveryTests
{
    private const string Html = "<!doctype html><title>Our app</title>";

    // The order

    [Test]
    public async Task A_configured_address_needs_no_metadata()
    {
        using var web = new Web { ["https://keys.test/set"] = Web.Keys };
        using var fixture = new KeyCacheFixture(options => options.JwksUrl = new Uri("https://keys.test/set"), web);

        await fixture.GetAsync();

        Assert.That(web.Asked, Is.EqualTo((string[])["https://keys.test/set"]));
    }

    [Test]
    public async Task OpenID_metadata_comes_first()
    {
        using var web = new Web
        {
            ["https://issuer.test/.well-known/openid-configuration"] = Web.Metadata("https://issuer.test", "https://issuer.test/a"),
            ["https://issuer.test/.well-known/oauth-authorization-server"] = Web.Metadata("https://issuer.test", "https://issuer.test/b"),
            ["https://issuer.test/a"] = Web.Keys,
        };
        using var fixture = new KeyCacheFixture(handler: web);

        await fixture.GetAsync();

        Assert.That(web.Asked, Is.EqualTo((string[])["https://issuer.test/.well-known/openid-configuration", "https://issuer.test/a"]));
    }

    [TestCase("https://issuer.test", "https://issuer.test/.well-known/oauth-authorization-server")]
    [TestCase("https://issuer.test/", "https://issuer.test/.well-known/oauth-authorization-server")]
    [TestCase("https://issuer.test/realms/r", "https://issuer.test/.well-known/oauth-authorization-server/realms/r")]
    [TestCase("https://issuer.test:8443/a/b/", "https://issuer.test:8443/.well-known/oauth-authorization-server/a/b")]
    public async Task Then_RFC_8414_metadata_with_its_part_between_host_and_path(string issuer, string address)
    {
        using var web = new Web { [address] = Web.Metadata(issuer, "https://issuer.test/b"), ["https://issuer.test/b"] = Web.Keys };
        using var fixture = new KeyCacheFixture(handler: web, issuerUrl: issuer);

        await fixture.GetAsync();

        Assert.That(web.Asked, Is.EqualTo((string[])[issuer.TrimEnd('/') + "/.well-known/openid-configuration", address, "https://issuer.test/b"]));
    }

    [TestCase("https://issuer.test", "https://issuer.test/.well-known/jwks.json")]
    [TestCase("https://issuer.test/pool/", "https://issuer.test/pool/.well-known/jwks.json")]
    public async Task Then_the_usual_address_under_the_issuer(string issuer, string address)
    {
        using var web = new Web { [address] = Web.Keys };
        using var fixture = new KeyCacheFixture(handler: web, issuerUrl: issuer);

        await fixture.GetAsync();

        Assert.That(web.Asked, Has.Count.EqualTo(3));
        Assert.That(web.Asked[^1], Is.EqualTo(address));
    }

    [TestCase(Html, TestName = "A page of an application for metadata leads on to the usual address")]
    [TestCase("[]", TestName = "An array for metadata leads on to the usual address")]
    [TestCase("""{"issuer":"https://issuer.test"}""", TestName = "Metadata without jwks_uri lead on to the usual address")]
    [TestCase("""{"issuer":"https://issuer.test","jwks_uri":7}""", TestName = "Metadata with a number for jwks_uri lead on to the usual address")]
    [TestCase("""{"issuer":"https://issuer.test","issuer":"https://evil.test","jwks_uri":"https://evil.test/"}""", TestName = "Ambiguous metadata lead on to the usual address")]
    public async Task What_is_no_metadata_leads_on(string document)
    {
        using var web = new Web
        {
            ["https://issuer.test/.well-known/openid-configuration"] = document,
            ["https://issuer.test/.well-known/jwks.json"] = Web.Keys,
        };
        using var fixture = new KeyCacheFixture(handler: web);

        await fixture.GetAsync();

        Assert.That(web.Asked[^1], Is.EqualTo("https://issuer.test/.well-known/jwks.json"));
        Assert.That(web.Asked, Has.None.Contains("evil"));
    }

    [Test]
    public async Task An_issuer_in_trouble_is_not_passed_over_for_a_guess()
    {
        using var web = new Web { ["https://issuer.test/.well-known/jwks.json"] = Web.Keys };
        web.Statuses["https://issuer.test/.well-known/openid-configuration"] = HttpStatusCode.ServiceUnavailable;
        using var fixture = new KeyCacheFixture(handler: web);

        await Assert.ThatAsync(() => fixture.GetAsync(), Throws.TypeOf<JwksUnavailableException>().With.Message.Contains("openid-configuration answered 503"));
        Assert.That(web.Asked, Has.Count.EqualTo(1));
    }

    // Where one status ends and the next begins: not there, or in trouble.
    [TestCase(400, true)]
    [TestCase(404, true)]
    [TestCase(499, true)]
    [TestCase(408, false)]
    [TestCase(429, false)]
    [TestCase(500, false)]
    [TestCase(302, false)]
    public async Task Metadata_are_not_there_if_the_issuer_says_so_and_otherwise_it_is_in_trouble(int status, bool leadsOn)
    {
        using var web = new Web { ["https://issuer.test/.well-known/jwks.json"] = Web.Keys };
        web.Statuses["https://issuer.test/.well-known/openid-configuration"] = (HttpStatusCode)status;
        using var fixture = new KeyCacheFixture(handler: web);

        if (leadsOn)
            Assert.That((await fixture.GetAsync()).Count, Is.EqualTo(2));
        else
            await Assert.ThatAsync(() => fixture.GetAsync(), Throws.TypeOf<JwksUnavailableException>().With.Message.Contains($"answered {status}").And.Property("IsTransient").True);
        Assert.That(web.Asked, Has.Count.EqualTo(leadsOn ? 3 : 1));
    }

    // What metadata may say

    [TestCase("https://issuer.test/", "they differ by a slash at the end only")]
    [TestCase("https://evil.test", "'https://evil.test'")]
    [TestCase("https://ISSUER.test", "they differ in upper and lower case only")]
    [TestCase("http://issuer.test", "they differ in scheme or port only")]
    public async Task Metadata_of_another_issuer_are_refused_and_its_keys_never_asked_for(string other, string hint)
    {
        using var web = new Web
        {
            ["https://issuer.test/.well-known/openid-configuration"] = Web.Metadata(other, "https://evil.test/jwks"),
            ["https://evil.test/jwks"] = Web.Keys,
            ["https://issuer.test/.well-known/jwks.json"] = Web.Keys,
        };
        using var fixture = new KeyCacheFixture(handler: web);

        var error = (await Assert.ThrowsAsync<JwksUnavailableException>(() => fixture.GetAsync()))!;

        Assert.That(error.Message, Does.Contain("is of the issuer").And.Contains("M3_OAUTH2_ISSUER_URL").And.Contains(hint));
        Assert.That(error.IsTransient, Is.False, "waiting does not mend it");
        Assert.That(web.Asked, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task An_issuer_that_differs_by_its_slash_only_is_told_which_to_set()
    {
        using var web = new Web { ["https://issuer.test/.well-known/openid-configuration"] = Web.Metadata("https://issuer.test/", "https://issuer.test/jwks") };
        using var fixture = new KeyCacheFixture(handler: web);

        var error = (await Assert.ThrowsAsync<JwksUnavailableException>(() => fixture.GetAsync()))!;

        Assert.That(error.Remedy, Does.StartWith("Set M3_OAUTH2_ISSUER_URL to 'https://issuer.test/', with the slash at the end"));
    }

    [Test]
    public async Task Metadata_without_an_issuer_are_refused()
    {
        using var web = new Web { ["https://issuer.test/.well-known/openid-configuration"] = """{"jwks_uri":"https://evil.test/jwks"}""" };
        using var fixture = new KeyCacheFixture(handler: web);

        await Assert.ThatAsync(() => fixture.GetAsync(), Throws.TypeOf<JwksUnavailableException>().With.Message.Contains("is of the issuer (none)"));
        Assert.That(web.Asked, Has.Count.EqualTo(1));
    }

    [TestCase("http://issuer.test/jwks")]
    [TestCase("ftp://issuer.test/jwks")]
    [TestCase("file:///etc/jwks")]
    [TestCase("/jwks")]
    [TestCase("not a url")]
    [TestCase("")]
    public async Task A_jwks_uri_that_is_not_https_is_refused(string address)
    {
        using var web = new Web
        {
            ["https://issuer.test/.well-known/openid-configuration"] = Web.Metadata("https://issuer.test", address),
            ["https://issuer.test/.well-known/jwks.json"] = Web.Keys,
        };
        using var fixture = new KeyCacheFixture(handler: web);

        await Assert.ThatAsync(() => fixture.GetAsync(), Throws.TypeOf<JwksUnavailableException>().With.Message.Contains("is not https"));
        Assert.That(web.Asked, Has.Count.EqualTo(1));
    }

    // Metadata in trouble, later

    [TestCase(500, null)]
    [TestCase(503, null)]
    [TestCase(404, null)]
    [TestCase(200, Html)]
    [TestCase(200, "")]
    public async Task Metadata_that_are_down_after_a_first_success_do_not_keep_the_keys_from_being_refreshed(int status, string? document)
    {
        const string metadata = "https://issuer.test/.well-known/openid-configuration";
        using var web = new Web { [metadata] = Web.Metadata("https://issuer.test", "https://keys.test/a"), ["https://keys.test/a"] = Web.Keys };
        using var fixture = new KeyCacheFixture(handler: web);
        await fixture.GetAsync();
        web.Statuses[metadata] = (HttpStatusCode)status;
        web[metadata] = document ?? "";

        for (int hour = 1; hour <= 3; hour++)
        {
            fixture.Advance(3601);
            await fixture.GetAsync();
            Assert.That(fixture.Cache.GetStatus(), Has.Property("State").EqualTo(JwksState.Fresh).And.Property("LastError").Null, $"after {hour} h");
        }

        Assert.That(web.Asked.Count(address => address == "https://keys.test/a"), Is.EqualTo(4));
    }

    [Test]
    public async Task The_usual_address_too_serves_on_when_metadata_that_were_never_there_are_in_trouble()
    {
        const string keys = "https://issuer.test/.well-known/jwks.json";
        using var web = new Web { [keys] = Web.Keys };
        using var fixture = new KeyCacheFixture(handler: web);
        await fixture.GetAsync();
        web.Statuses["https://issuer.test/.well-known/openid-configuration"] = HttpStatusCode.ServiceUnavailable;

        fixture.Advance(3601);
        await fixture.GetAsync();

        Assert.That(fixture.Cache.GetStatus(), Has.Property("State").EqualTo(JwksState.Fresh).And.Property("LastError").Null);
        Assert.That(web.Asked, Has.Exactly(2).EqualTo(keys));
    }

    [Test]
    public async Task Metadata_that_turn_to_another_issuer_after_a_first_success_are_refused_all_the_same()
    {
        const string metadata = "https://issuer.test/.well-known/openid-configuration";
        using var web = new Web { [metadata] = Web.Metadata("https://issuer.test", "https://keys.test/a"), ["https://keys.test/a"] = Web.Keys };
        using var fixture = new KeyCacheFixture(handler: web);
        await fixture.GetAsync();
        web[metadata] = Web.Metadata("https://evil.test", "https://evil.test/jwks");

        fixture.Advance(3601);
        await fixture.GetAsync();

        Assert.That(fixture.Cache.GetStatus(), Has.Property("State").EqualTo(JwksState.Stale).And.Property("LastError").Contains("is of the issuer 'https://evil.test'"));
        Assert.That(web.Asked, Has.None.StartsWith("https://evil.test").And.Exactly(1).EqualTo("https://keys.test/a"));
    }

    [Test]
    public async Task An_issuer_may_move_its_keys()
    {
        const string metadata = "https://issuer.test/.well-known/openid-configuration";
        using var web = new Web { [metadata] = Web.Metadata("https://issuer.test", "https://keys.test/a"), ["https://keys.test/a"] = Web.Keys, ["https://keys.test/b"] = Web.Keys };
        using var fixture = new KeyCacheFixture(handler: web);
        await fixture.GetAsync();
        web[metadata] = Web.Metadata("https://issuer.test", "https://keys.test/b");

        fixture.Advance(3601);
        await fixture.GetAsync();

        Assert.That(web.Asked[^1], Is.EqualTo("https://keys.test/b"));
    }

    // What runs on this machine trusts whoever is on it: an issuer elsewhere has no business there.

    private static readonly string[] ThisMachine =
    [
        "http://127.0.0.1:8080/x", "https://127.0.0.1/x", "http://localhost:8080/x", "https://localhost:8443/x", "https://LOCALHOST/x", "http://127.8.8.8/x",
        "http://[::1]:8080/x", "https://[::1]/x", "https://[::ffff:127.0.0.1]/x", "https://2130706433/x", "https://localhost./x", "https://m3.localhost/x",
        "https://0.0.0.0/x", "https://0/x", "https://[::]/x", "https://[::ffff:0.0.0.0]/x", "https://user@localhost/x",
    ];

    [TestCaseSource(nameof(ThisMachine))]
    public async Task Keys_on_this_machine_that_an_issuer_elsewhere_names_are_not_asked_for(string address)
    {
        using var web = new Web { ["https://issuer.test/.well-known/openid-configuration"] = Web.Metadata("https://issuer.test", address), [address] = Web.Keys };
        using var fixture = new KeyCacheFixture(handler: web);

        await Assert.ThatAsync(() => fixture.GetAsync(), Throws.TypeOf<JwksUnavailableException>()
            .With.Message.Contains("the jwks_uri").And.Message.Contains("is on this machine, where only an issuer on loopback may send anybody"));
        Assert.That(web.Asked, Has.Count.EqualTo(1));
    }

    [TestCaseSource(nameof(ThisMachine))]
    public async Task A_token_endpoint_on_this_machine_that_an_issuer_elsewhere_names_gets_no_secret(string address)
    {
        using var web = new Web { ["https://issuer.test/.well-known/openid-configuration"] = $$"""{"issuer":"https://issuer.test","token_endpoint":"{{address}}"}""" };
        // Keys that the settings name, here even on loopback, excuse nothing that the metadata name.
        using var tokens = new M3TokenProvider(new M3AuthOptions
        {
            IssuerUrl = "https://issuer.test",
            Audience = ClientFixture.Audience,
            JwksUrl = new Uri("http://localhost:8080/jwks"),
            ClientId = "pull",
            ClientSecret = "s3cr3t",
            BackchannelHttpHandler = web,
        });

        await Assert.ThatAsync(() => tokens.GetTokenAsync().AsTask(), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.Contains("the token_endpoint").And.Message.Contains("is on this machine").And.Property("IsTransient").False);
        Assert.That(web.Asked, Has.Count.EqualTo(1));
    }

    [TestCase("http://localhost:8080", "http://localhost:9090/keys")]
    [TestCase("http://127.0.0.1:8080/realms/r", "https://localhost:9443/keys")]
    [TestCase("https://[::1]:8443", "http://127.0.0.1/keys")]
    [TestCase("https://login.localhost", "https://login.localhost/keys")]
    [TestCase("http://localhost:8080", "https://issuer.test/keys")]
    public async Task An_issuer_on_this_machine_may_name_any_address(string issuer, string keys)
    {
        using var web = new Web { [issuer + "/.well-known/openid-configuration"] = Web.Metadata(issuer, keys), [keys] = Web.Keys };
        using var fixture = new KeyCacheFixture(handler: web, issuerUrl: issuer);

        Assert.That((await fixture.GetAsync()).Count, Is.EqualTo(2));
    }

    [Test]
    public async Task Keys_on_this_machine_are_asked_for_where_the_settings_name_them()
    {
        using var web = new Web { ["http://localhost:8080/jwks"] = Web.Keys };
        using var fixture = new KeyCacheFixture(options => options.JwksUrl = new Uri("http://localhost:8080/jwks"), web);

        Assert.That((await fixture.GetAsync()).Count, Is.EqualTo(2));
    }

    // Every provider, with its own shapes

    private static IEnumerable<TestCaseData> Providers =>
    [
        Provider("Auth0", "https://x.auth0.com/", "https://x.auth0.com/.well-known/openid-configuration", "https://x.auth0.com/.well-known/jwks.json",
            payload => payload["aud"] = new JsonArray(ClientFixture.Audience, "https://x.auth0.com/userinfo")),
        Provider("Google, an ID token", "https://accounts.google.com", "https://accounts.google.com/.well-known/openid-configuration", "https://www.googleapis.com/oauth2/v3/certs",
            payload =>
            {
                payload["azp"] = ClientFixture.Audience;
                payload.Remove("scope");
            }, options => options.RequiredScopes.Clear()),
        Provider("Entra ID v2", "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
            "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0/.well-known/openid-configuration",
            "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/discovery/v2.0/keys", AsEntra),
        Provider("Entra ID v1", "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/",
            "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/.well-known/openid-configuration",
            "https://login.microsoftonline.com/common/discovery/keys", AsEntra),
        Provider("Keycloak", "https://kc.test/realms/r", "https://kc.test/realms/r/.well-known/openid-configuration", "https://kc.test/realms/r/protocol/openid-connect/certs",
            payload => (payload["aud"], payload["scope"], payload["realm_access"]) = (new JsonArray("account", ClientFixture.Audience), "email read:mimic-data profile",
                new JsonObject { ["roles"] = new JsonArray("offline_access") })),
        Provider("Okta", "https://x.okta.com/oauth2/default", "https://x.okta.com/oauth2/default/.well-known/openid-configuration", "https://x.okta.com/oauth2/default/v1/keys",
            payload =>
            {
                payload.Remove("scope");
                payload["scp"] = new JsonArray("openid", "read:mimic-data");
            }),
        Provider("Okta, by RFC 8414 alone", "https://x.okta.com/oauth2/default", "https://x.okta.com/.well-known/oauth-authorization-server/oauth2/default", "https://x.okta.com/oauth2/default/v1/keys",
            payload =>
            {
                payload.Remove("scope");
                payload["scp"] = new JsonArray("read:mimic-data");
            }),
        Provider("Cognito", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a/.well-known/openid-configuration",
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a/.well-known/jwks.json", AsCognito, options => options.ValidateAudience = false),
        Provider("Cognito, without metadata", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", null,
            "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a/.well-known/jwks.json", AsCognito, options => options.ValidateAudience = false),
    ];

    [TestCaseSource(nameof(Providers))]
    public async Task A_token_of_each_provider_is_accepted_with_the_keys_found_where_it_has_them(string issuer, string? metadata, string jwks,
        object claims, object? configure)
    {
        using var web = new Web { [jwks] = Web.Keys };
        if (metadata is not null)
            web[metadata] = Web.Metadata(issuer, jwks);
        using var fixture = new KeyCacheFixture((Action<M3AuthOptions>?)configure, web, issuer);

        M3AccessToken token = await fixture.ValidateAsync(fixture.Issuer.Token(fixture.Now, (Action<JsonObject>)claims));

        Assert.That(token.Issuer, Is.EqualTo(issuer));
        Assert.That(web.Asked[^1], Is.EqualTo(jwks));
    }

    [Test]
    public async Task A_Cognito_token_is_refused_with_a_hint_where_the_audience_is_checked()
    {
        using var fixture = new KeyCacheFixture();

        M3AuthException? error = await fixture.JudgeAsync(fixture.Issuer.Token(fixture.Now, AsCognito));

        Assert.That(error, Is.TypeOf<InvalidAudienceException>().With.Message.Contains("Cognito"));
    }

    private static void AsEntra(JsonObject payload)
    {
        payload.Remove("scope");
        (payload["scp"], payload["tid"], payload["ver"], payload["nbf"]) = ("read:mimic-data", "72f988bf-86f1-41af-91ab-2d7cd011db47", "2.0", payload["iat"]!.DeepClone());
    }

    private static void AsCognito(JsonObject payload)
    {
        payload.Remove("aud");
        (payload["client_id"], payload["token_use"], payload["version"]) = ("5abc", "access", 2);
    }

    private static TestCaseData Provider(string name, string issuer, string? metadata, string jwks, Action<JsonObject> claims, Action<M3AuthOptions>? configure = null) =>
        new TestCaseData(issuer, metadata, jwks, claims, configure).SetArgDisplayNames(name);

    /// <summary>Documents by their addresses; whatever is not there is 404.</summary>
    private sealed class Web : HttpMessageHandler
    {
        private readonly Dictionary<string, string> _documents = [];
        private readonly List<string> _asked = [];

        public static string Keys { get; } = new FakeIssuer().Jwks;

        public Dictionary<string, HttpStatusCode> Statuses { get; } = [];

        public IReadOnlyList<string> Asked => _asked;

        public string this[string address]
        {
            set => _documents[address] = value;
        }

        public static string Metadata(string issuer, string jwks) => new JsonObject { ["issuer"] = issuer, ["jwks_uri"] = jwks }.ToJsonString();

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            string address = request.RequestUri!.AbsoluteUri;
            _asked.Add(address);
            HttpStatusCode status = Statuses.GetValueOrDefault(address, _documents.ContainsKey(address) ? HttpStatusCode.OK : HttpStatusCode.NotFound);
            return Task.FromResult(new HttpResponseMessage(status) { Content = new StringContent(_documents.GetValueOrDefault(address, "")) });
        }
    }
}
