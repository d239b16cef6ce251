using System.Text.Json;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;

namespace M3.Client.Auth.Tests.Validation;

public sealed class HintTests
{
    private const string Issuer = "https://issuer.test/";
    private const string TenantA = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    private const string TenantB = "aaaaaaaa-86f1-41af-91ab-2d7cd011db47";
    private static readonly DateTimeOffset Now = ClientFixture.Noon;

    [TestCase("https://x.auth0.com", "https://x.auth0.com/", "they differ by a slash at the end only")]
    [TestCase($"https://sts.windows.net/{TenantA}/", $"https://login.microsoftonline.com/{TenantA}/v2.0", "v1 issuer")]
    [TestCase($"https://login.microsoftonline.com/{TenantA}/v2.0", $"https://sts.windows.net/{TenantA}/", "v1 issuer")]
    [TestCase($"https://login.microsoftonline.com/{TenantB}/v2.0", $"https://login.microsoftonline.com/{TenantA}/v2.0", "another tenant or realm")]
    [TestCase($"https://sts.windows.net/{TenantB}/", $"https://login.microsoftonline.com/{TenantA}/v2.0", "another tenant or realm")]
    [TestCase($"https://login.microsoftonline.com/{TenantA}/v2.0", "https://login.microsoftonline.com/common/v2.0", "'common' is where users of any tenant sign in")]
    [TestCase("https://kc.test/realms/a", "https://kc.test/realms/b", "another tenant or realm")]
    [TestCase("https://other.auth0.com/", "https://x.auth0.com/", "another tenant or realm")]
    [TestCase("https://x.okta.com/oauth2/default", "https://x.okta.com/oauth2/m3", "another tenant or realm")]
    [TestCase("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_b", "another tenant or realm")]
    [TestCase("http://kc.test:8080/realms/a", "https://kc.test/realms/a", "they differ in scheme or port only")]
    [TestCase("https://KC.test/realms/a", "https://kc.test/realms/a", "they differ in upper and lower case only")]
    public async Task An_issuer_that_is_nearly_the_configured_one(string actual, string configured, string hint)
    {
        Assert.That(await FindErrorAsync(Claims(iss: actual), options => options.IssuerUrl = configured),
            Is.TypeOf<InvalidIssuerException>().With.Message.Contains(hint));
    }

    [Test]
    public async Task An_issuer_that_is_quite_another_has_no_hint()
    {
        Assert.That(await FindErrorAsync(Claims(iss: "https://elsewhere.test/")),
            Is.TypeOf<InvalidIssuerException>().With.Message.EqualTo(
                "Invalid token issuer: 'https://elsewhere.test/', but M3_OAUTH2_ISSUER_URL is 'https://issuer.test/'"));
    }

    [TestCase("Zm9vYmFyLW9wYXF1ZQ", "Auth0 issues such tokens when no audience was asked for")]
    [TestCase("ya29.a0AfH6SMBx-y", "Google access token")]
    [TestCase("a.b.c.d.e", "Auth0 issues such tokens when no audience was asked for")]
    [TestCase("{\"access_token\":\"x\"}", "the value of its access_token")]
    [TestCase("$M3_TOKEN", "a variable that the shell did not replace")]
    [TestCase("\"a.b.c\"", "quotation marks")]
    [TestCase("'a.b.c'", "quotation marks")]
    [TestCase("\u201ca.b.c\u201d", "quotation marks")]
    [TestCase("YQ.\nYg.Yw", "line break")]
    [TestCase("YQ.Yg\r\n.Yw", "line break")]
    [TestCase("a b", "white space")]
    [TestCase("Bearer Bearer a.b.c", "white space")]
    public async Task A_text_that_cannot_be_a_token_says_what_it_may_be(string text, string hint)
    {
        Assert.That(await FindErrorAsync(text), Is.TypeOf<InvalidTokenFormatException>().With.Message.Contains(hint).And.Message.Not.Contains("Zm9v"));
    }

    [TestCase("""{"aud":"app","azp":"app"}""", null, "aud is the client's own id")]
    [TestCase("""{"aud":["app"],"client_id":"app"}""", null, "aud is the client's own id")]
    [TestCase("""{"aud":"app"}""", "app", "aud is the client's own id")]
    [TestCase("""{"aud":"app","appid":"app"}""", null, "aud is the client's own id")]
    [TestCase("""{"aud":"app","azp":"app","client_id":"other"}""", null, "aud is the client's own id")]
    [TestCase("""{"aud":"app","client_id":"app","appid":"other"}""", null, "aud is the client's own id")]
    [TestCase("""{"client_id":"app","token_use":"access"}""", null, "Cognito")]
    [TestCase("""{"aud":"m3-api/"}""", null, "a slash at the end or by api:// only")]
    [TestCase("""{"aud":"api://m3-api"}""", null, "a slash at the end or by api:// only")]
    [TestCase("""{"aud":["other","api://m3-api"]}""", null, "a slash at the end or by api:// only")]
    [TestCase("""{"aud":"00000003-0000-0000-c000-000000000000"}""", null, "Microsoft Graph")]
    [TestCase("""{"aud":["other","https://graph.microsoft.com/"]}""", null, "Microsoft Graph")]
    [TestCase("""{"aud":"account","azp":"app"}""", null, "Keycloak's default")]
    public async Task An_audience_that_is_a_usual_slip(string claims, string? clientId, string hint)
    {
        Assert.That(await FindErrorAsync(WithAudience(claims), options => options.ClientId = clientId), Is.TypeOf<InvalidAudienceException>().With.Message.Contains(hint));
    }

    [TestCase("""{"aud":"other","azp":"app"}""", "app", "'other', but M3_OAUTH2_AUDIENCE is 'm3-api'")]
    [TestCase("""{"aud":["account","other"]}""", null, "'account other', but M3_OAUTH2_AUDIENCE is 'm3-api'")]
    [TestCase("""{}""", null, "it has no aud of one or several names, and M3_OAUTH2_AUDIENCE is 'm3-api'")]
    public async Task An_audience_that_is_no_usual_slip_has_no_hint(string claims, string? clientId, string expected) =>
        Assert.That(await FindErrorAsync(WithAudience(claims), options => options.ClientId = clientId),
            Is.TypeOf<InvalidAudienceException>().With.Message.EqualTo($"Invalid token audience: {expected}"));

    [TestCase("""{"permissions":["read:mimic-data"]}""", "permissions")]
    [TestCase("""{"roles":["read:mimic-data"]}""", "roles")]
    [TestCase("""{"roles":"read:mimic-data other"}""", "roles")]
    [TestCase("""{"realm_access":{"roles":["read:mimic-data"]}}""", "realm_access.roles")]
    public async Task A_scope_that_stands_elsewhere(string claims, string where)
    {
        Dictionary<string, object> all = Claims(scope: "openid");
        foreach (JsonProperty claim in JsonDocument.Parse(claims).RootElement.EnumerateObject())
            all[claim.Name] = claim.Value;

        Assert.That(await FindErrorAsync(all), Is.TypeOf<MissingScopesException>().With.Message.Contains($"it stands in the token's {where}, where M3 does not look"));
    }

    [TestCase("""{"permissions":["other"],"roles":7,"realm_access":[]}""")]
    [TestCase("""{}""")]
    public async Task A_scope_that_stands_nowhere_has_no_hint(string claims)
    {
        Dictionary<string, object> all = Claims(scope: "openid");
        foreach (JsonProperty claim in JsonDocument.Parse(claims).RootElement.EnumerateObject())
            all[claim.Name] = claim.Value;

        Assert.That(await FindErrorAsync(all), Is.TypeOf<MissingScopesException>().With.Message.EqualTo("Missing required scopes: read:mimic-data (the token has openid)"));
    }

    [Test]
    public async Task A_granted_scope_that_stands_elsewhere_too_is_no_hint_at_the_missing_one()
    {
        Dictionary<string, object> claims = Claims(scope: "read:notes");
        claims["permissions"] = (string[])["read:notes"];

        Assert.That(await FindErrorAsync(claims, options => options.RequiredScopes.Add("read:notes")),
            Is.TypeOf<MissingScopesException>().With.Message.EqualTo("Missing required scopes: read:mimic-data (the token has read:notes)"));
    }

    [Test]
    public async Task A_token_without_issuer_is_told_so()
    {
        Dictionary<string, object> claims = Claims();
        claims.Remove("iss");

        Assert.That(await FindErrorAsync(claims), Is.TypeOf<InvalidIssuerException>()
            .With.Message.EqualTo("Invalid token issuer: it has no iss, and M3_OAUTH2_ISSUER_URL is 'https://issuer.test/'"));
    }

    [TestCase(null, "Token has expired: it has no exp")]
    [TestCase("tomorrow", "Token has expired: its exp is not a date in seconds")]
    [TestCase(1e14, "Token has expired: its exp is not a date in seconds")]
    [TestCase(1e30, "Token has expired: its exp is not a date in seconds")]
    public async Task An_expiry_that_is_no_date_and_does_not_look_like_milliseconds_has_no_hint(object? expiry, string expected)
    {
        Dictionary<string, object> claims = Claims();
        claims.Remove("exp");
        if (expiry is not null)
            claims["exp"] = expiry;

        Assert.That(await FindErrorAsync(claims), Is.TypeOf<TokenExpiredException>().With.Message.EqualTo(expected));
    }

    [TestCase("exp", typeof(TokenExpiredException))]
    [TestCase("nbf", typeof(TokenNotYetValidException))]
    [TestCase("iat", typeof(TokenNotYetValidException))]
    public async Task A_date_in_milliseconds(string claim, Type error)
    {
        Dictionary<string, object> claims = Claims();
        claims[claim] = Now.AddMinutes(10).ToUnixTimeMilliseconds();

        Assert.That(await FindErrorAsync(claims), Is.TypeOf(error).With.Message.Contains("it looks like milliseconds"));
    }

    [TestCase(-7200, 0, "this machine's clock is 2 h ahead of the issuer's")]
    [TestCase(7200, 0, "this machine's clock is 2 h behind the issuer's")]
    [TestCase(60, 0, "this machine's clock is 60 s behind the issuer's")]
    [TestCase(59, 0, null)]
    [TestCase(-7200, 7200, null)]
    public async Task A_clock_that_is_off_by_the_issuers_own(int issuerAhead, int age, string? hint)
    {
        Dictionary<string, object> claims = Claims();
        claims[issuerAhead < 0 ? "exp" : "nbf"] = Now.AddMinutes(issuerAhead < 0 ? -5 : 5).ToUnixTimeSeconds();

        M3AuthException error = await FindErrorAsync(claims, issuerAhead: TimeSpan.FromSeconds(issuerAhead), age: TimeSpan.FromSeconds(age));

        Assert.That(error, Is.TypeOf<TokenExpiredException>().Or.TypeOf<TokenNotYetValidException>());
        Assert.That(error.Message, hint is null ? Does.Not.Contain("clock is") : Does.Contain(hint));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void A_token_that_is_set_while_OAuth2_is_off(bool hasToken)
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["HINTS_ENABLED"] = "false",
            ["HINTS_TOKEN"] = hasToken ? "a.b.c" : " ",
        }).Build();
        using var log = new RecordingLoggerFactory();

        using var provider = new M3TokenProvider(M3AuthOptions.FromConfiguration(configuration, "HINTS_"), log);

        Assert.That(log.Warnings, hasToken
            ? Has.One.StartWith("OAuth2 for M3 is off (HINTS_ENABLED is not 'true'), but HINTS_TOKEN is set: requests go without it")
            : Is.Empty);
    }

    private static Dictionary<string, object> WithAudience(string claims)
    {
        Dictionary<string, object> all = Claims();
        all.Remove("aud");
        foreach (JsonProperty claim in JsonDocument.Parse(claims).RootElement.EnumerateObject())
            all[claim.Name] = claim.Value;
        return all;
    }

    private static Dictionary<string, object> Claims(string iss = Issuer, string scope = "read:mimic-data") => new()
    {
        ["iss"] = iss,
        ["aud"] = "m3-api",
        ["sub"] = "nurse",
        ["scope"] = scope,
        ["exp"] = Now.AddMinutes(10).ToUnixTimeSeconds(),
    };

    private static Task<M3AuthException> FindErrorAsync(Dictionary<string, object> claims, Action<M3AuthOptions>? configure = null,
        TimeSpan issuerAhead = default, TimeSpan age = default) =>
        FindErrorAsync(FakeIssuer.Sign(FakeIssuer.Header("ES256").ToJsonString(), JsonSerializer.Serialize(claims), "ES256"), configure, issuerAhead, age);

    private static async Task<M3AuthException> FindErrorAsync(string token, Action<M3AuthOptions>? configure = null, TimeSpan issuerAhead = default, TimeSpan age = default)
    {
        using var fixture = new ClientFixture(options =>
        {
            // Whatever the issuer is called, its keys are here.
            options.JwksUrl = new Uri($"{FakeIssuer.Url}/jwks");
            options.IssuerUrl = Issuer;
            configure?.Invoke(options);
        });
        fixture.Token = token;
        fixture.Issuer.AnswerJwks = _ =>
        {
            HttpResponseMessage response = FakeIssuer.Json(fixture.Issuer.Jwks);
            response.Headers.Date = Now + issuerAhead;
            if (age > TimeSpan.Zero)
                response.Headers.Age = age;
            return Task.FromResult(response);
        };
        return await fixture.FailAsync();
    }
}
