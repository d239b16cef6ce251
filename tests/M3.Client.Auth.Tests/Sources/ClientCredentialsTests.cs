using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Web;
using M3.Client.Auth.Tests.Kit;
using RichardSzalay.MockHttp;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>Client credentials against the token endpoint that the issuer's metadata names.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ClientCredentialsTests
{
    private const string Secret = "s3cr3t-which-nobody-sees";
    private const string OddSecret = "p+\u00e4/ss w%20rd=~&x";

    [Test]
    public async Task The_required_scopes_and_the_audience_are_asked_for()
    {
        using var world = new World();

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.Forms.Single(), Is.EquivalentTo(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["scope"] = "read:mimic-data",
            ["audience"] = ClientFixture.Audience,
        }));
        Assert.That(world.ClientFixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(world.ClientFixture.Token));
    }

    [Test]
    public async Task Further_parameters_replace_those_of_the_same_name()
    {
        using var world = new World();
        ITokenSource source = TokenSources.ClientCredentials("pull", Secret, new Dictionary<string, string> { ["resource"] = "api://m3", ["scope"] = "api://m3/.default" });

        (await world.Client(source).GetAsync("")).Dispose();

        Assert.That(world.Forms.Single(), Does.ContainKey("resource").WithValue("api://m3").And.ContainKey("scope").WithValue("api://m3/.default"));
    }

    // client_secret_basic is what every server must take, and the default where the metadata does not say (RFC 8414, section 2).
    [TestCase(null, true)]
    [TestCase("client_secret_basic", true)]
    [TestCase("client_secret_post,client_secret_basic", true)]
    [TestCase("client_secret_post", false)]
    [TestCase("private_key_jwt", true)]
    public async Task The_secret_goes_the_way_that_the_metadata_names(string? methods, bool inHeader)
    {
        using var world = new World(methods?.Split(','));

        (await world.Client().GetAsync("")).Dispose();

        string? basic = inHeader ? Convert.ToBase64String(Encoding.UTF8.GetBytes("pull:" + Secret)) : null;
        Assert.That(world.Authorizations.Single(), Is.EqualTo(basic));
        Assert.That(world.Forms.Single().GetValueOrDefault("client_secret"), Is.EqualTo(inHeader ? null : Secret));
    }

    [Test]
    public async Task One_token_serves_until_it_is_nearly_over()
    {
        using var world = new World();
        HttpClient client = world.Client();
        for (int i = 0; i < 28; i++)
        {
            (await client.GetAsync("")).Dispose();
            world.ClientFixture.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.That(world.Forms, Has.Count.EqualTo(1));
    }

    [TestCase(HttpStatusCode.BadRequest, """{"error":"invalid_client"}""", "answered invalid_client", false)]
    [TestCase(HttpStatusCode.Unauthorized, """{"error":"invalid_client","error_description":"unknown client"}""", "answered invalid_client (unknown client)", false)]
    [TestCase(HttpStatusCode.BadRequest, """{"error":"invalid_scope"}""", "answered invalid_scope", false)]
    [TestCase(HttpStatusCode.Forbidden, "", "answered 403", false)]
    [TestCase(HttpStatusCode.TooManyRequests, "", "answered 429", true)]
    [TestCase(HttpStatusCode.InternalServerError, "", "answered 500", true)]
    [TestCase(HttpStatusCode.InternalServerError, "<html>", "answered 500", true)]
    [TestCase((HttpStatusCode)499, "", "answered 499", false)]
    [TestCase(HttpStatusCode.ServiceUnavailable, "<html>", "answered 503", true)]
    public async Task An_error_of_the_token_endpoint_is_named(HttpStatusCode status, string body, string expected, bool isTransient)
    {
        using var world = new World { Answer = () => new HttpResponseMessage(status) { Content = new StringContent(body, Encoding.UTF8, "application/json") } };

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EqualTo($"Token request failed: client credentials of 'pull': https://issuer.test/token {expected}")
            .And.Property("IsTransient").EqualTo(isTransient));
        Assert.That(world.ClientFixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task An_answer_that_repeats_the_secret_does_not_show_it()
    {
        using var world = new World
        {
            Answer = () => new HttpResponseMessage(HttpStatusCode.Unauthorized)
            {
                Content = new StringContent($$"""{"error":"invalid_client","error_description":"the secret '{{Secret}}' is wrong"}""", Encoding.UTF8, "application/json"),
            },
        };

        Exception error = (await Assert.CatchAsync<TokenRequestFailedException>(() => world.Client().GetAsync("")))!;

        Assert.That(error.ToString(), Does.Contain("answered invalid_client").And.Not.Contain(Secret));
    }

    // As it came: in HTTP Basic, in a form, or written anew by a server that logs what it was sent.
    private static IEnumerable<TestCaseData> Spellings()
    {
        string basic = Convert.ToBase64String(Encoding.UTF8.GetBytes($"pull:{Uri.EscapeDataString(OddSecret)}"));
        yield return new TestCaseData(OddSecret).SetArgDisplayNames("as it is");
        yield return new TestCaseData("Basic " + basic).SetArgDisplayNames("in HTTP Basic");
        yield return new TestCaseData(basic.TrimEnd('=').Replace('+', '-').Replace('/', '_')).SetArgDisplayNames("in base64url");
        yield return new TestCaseData(Convert.ToBase64String(Encoding.UTF8.GetBytes(OddSecret))).SetArgDisplayNames("in base64");
        yield return new TestCaseData(Uri.EscapeDataString(OddSecret)).SetArgDisplayNames("percent-encoded");
        yield return new TestCaseData("client_secret=" + WebUtility.UrlEncode(OddSecret)).SetArgDisplayNames("form-encoded");
    }

    [TestCaseSource(nameof(Spellings))]
    public async Task An_answer_that_repeats_the_secret_in_another_spelling_does_not_show_it_either(string spelling)
    {
        foreach (string member in (string[])["error", "error_description"])
        {
            string body = new JsonObject { ["error"] = "invalid_client", [member] = $"not {spelling} here" }.ToJsonString();
            using var world = new World { Answer = () => new HttpResponseMessage(HttpStatusCode.Unauthorized) { Content = new StringContent(body) } };

            Exception error = (await Assert.CatchAsync<TokenRequestFailedException>(() => world.Client(TokenSources.ClientCredentials("pull", OddSecret)).GetAsync("")))!;

            Assert.That(error.ToString(), Does.Contain("(the secret, not shown)").And.Not.Contain(spelling), member);
        }
    }

    [Test]
    public async Task A_type_that_repeats_the_secret_does_not_show_it()
    {
        using var world = new World { Answer = () => FakeIssuer.Json($$"""{"access_token":"x","token_type":"{{Uri.EscapeDataString(OddSecret)}}"}""") };

        Exception error = (await Assert.CatchAsync<TokenRequestFailedException>(() => world.Client(TokenSources.ClientCredentials("pull", OddSecret)).GetAsync("")))!;

        Assert.That(error.ToString(), Does.Contain("(the secret, not shown)"));
    }

    [Test]
    public async Task A_handler_that_puts_the_request_into_its_failure_does_not_bring_the_secret_along()
    {
        using var world = new World { Answer = () => throw new HttpRequestException($"POST client_secret={Uri.EscapeDataString(OddSecret)} failed") };

        Exception error = (await Assert.CatchAsync<TokenRequestFailedException>(() => world.Client(TokenSources.ClientCredentials("pull", OddSecret)).GetAsync("")))!;

        Assert.That(error.ToString(), Does.Contain("could not be reached").And.Not.Contain(Uri.EscapeDataString(OddSecret)));
    }

    // Whatever the issuer answers, keys or tokens, has the same bounds.

    [Test]
    public async Task An_endless_answer_is_broken_off_after_a_mebibyte()
    {
        using var body = new EndlessStream();
        using var world = new World { Answer = () => new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(body) } };

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EndsWith("https://issuer.test/token answered more than 1048576 bytes"));
        Assert.That(body.Given, Is.InRange(1024 * 1024, 1280 * 1024));
        Assert.That(body.IsDisposed);
    }

    [Test]
    public async Task An_answer_of_a_byte_a_second_ends_after_five_seconds()
    {
        using var drip = new DrippingStream();
        using var world = new World { Answer = () => new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(drip) } };
        Task call = world.Client().GetAsync("");
        for (int second = 0; second < 5; second++)
        {
            await KeyCacheFixture.UntilAsync(() => drip.IsWaiting, "the next byte is waited for");
            Assert.That(call.IsCompleted, Is.False, $"after {second} s");
            world.ClientFixture.Clock.Advance(TimeSpan.FromSeconds(1));
            drip.Drip();
        }

        await Assert.ThatAsync(() => call.WaitAsync(KeyCacheFixture.Patience), Throws.TypeOf<TokenRequestFailedException>().With.Message.Contains("no answer within 5 s"));
    }

    [Test]
    public async Task A_content_encoding_that_was_not_asked_for_is_refused()
    {
        using var world = new World
        {
            Answer = () => new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent([1, 2, 3]) { Headers = { ContentEncoding = { "gzip" } } } },
        };

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>().With.Message.Contains("a Content-Encoding that was not asked for"));
    }

    [TestCase(HttpStatusCode.Found)]
    [TestCase(HttpStatusCode.TemporaryRedirect)]
    public async Task A_redirect_is_not_followed(HttpStatusCode status)
    {
        using var world = new World { Answer = () => new HttpResponseMessage(status) { Headers = { Location = new Uri(FakeIssuer.Url + "/elsewhere") } } };

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>().With.Message.EndsWith($"answered {(int)status}"));
        Assert.That(world.Forms, Has.Count.EqualTo(1));
    }

    [TestCase(HttpStatusCode.OK, "<!doctype html><title>Sign in</title>", "answered with HTML, not JSON, like a login page")]
    [TestCase(HttpStatusCode.OK, "\r\n <html>", "answered with HTML, not JSON, like a login page")]
    [TestCase(HttpStatusCode.BadRequest, "<html>", "answered 400 with HTML, not JSON, like a login page")]
    [TestCase(HttpStatusCode.OK, "token=x", "answered with no JSON object")]
    [TestCase(HttpStatusCode.OK, "[]", "answered with no JSON object")]
    [TestCase(HttpStatusCode.BadRequest, "\"invalid_client\"", "answered 400 with no JSON object")]
    [TestCase(HttpStatusCode.OK, "", "answered without an access_token")]
    [TestCase(HttpStatusCode.OK, "{}", "answered without an access_token")]
    [TestCase(HttpStatusCode.OK, """{"access_token":"","token_type":"Bearer"}""", "answered without an access_token")]
    public async Task An_answer_that_is_no_token_is_named_for_what_it_is(HttpStatusCode status, string body, string expected)
    {
        using var world = new World { Answer = () => new HttpResponseMessage(status) { Content = new StringContent(body) } };

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EqualTo($"Token request failed: client credentials of 'pull': https://issuer.test/token {expected}")
            .And.Property("IsTransient").False);
    }

    // RFC 6749, section 7.1: a client must not use a token whose type it does not understand.
    [TestCase("\"DPoP\"", "gave a token of the type 'DPoP', and M3 takes Bearer only")]
    [TestCase("\"mac\"", "gave a token of the type 'mac', and M3 takes Bearer only")]
    [TestCase("\"N_A\"", "gave a token of the type 'N_A', and M3 takes Bearer only")]
    [TestCase("null", "gave a token without its token_type, which must be Bearer")]
    [TestCase(null, "gave a token without its token_type, which must be Bearer")]
    public async Task A_token_that_is_no_Bearer_token_is_refused(string? type, string expected)
    {
        using var world = new World();
        string member = type is null ? "" : $",\"token_type\":{type}";
        using var other = new World { Answer = () => FakeIssuer.Json($$"""{"access_token":"{{world.ClientFixture.Token}}"{{member}}}""") };

        await Assert.ThatAsync(() => other.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>().With.Message.EndsWith(expected));
        Assert.That(other.ClientFixture.Server.Arrivals, Is.Empty);
    }

    [TestCase("bearer")]
    [TestCase("BEARER")]
    public async Task The_case_of_the_type_does_not_matter(string type)
    {
        string? token = null;
        using var world = new World { Answer = () => FakeIssuer.Json($$"""{"access_token":"{{token}}","token_type":"{{type}}"}""") };
        token = world.ClientFixture.Token;

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.ClientFixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    // Nobody copied it, so copying it again cannot help.
    [TestCase("opaque", "it has no dots")]
    [TestCase("a.b.c.d.e", "it has five parts")]
    [TestCase("a.b", "it has 2 parts")]
    public async Task A_token_that_is_no_JWT_gets_a_remedy_that_fits_the_request_for_it(string token, string detail)
    {
        using var world = new World { Answer = () => FakeIssuer.Json($$"""{"access_token":"{{token}}","token_type":"Bearer"}""") };

        var error = (await Assert.CatchAsync<InvalidTokenFormatException>(() => world.Client().GetAsync("")))!;

        Assert.That(error.Message, Does.StartWith("Invalid token format: " + detail));
        Assert.That(error.Remedy, Does.Contain("'audience'").And.Contain("'resource'").And.Not.Contain("Copy")
            .And.EndsWith("/TROUBLESHOOTING.md#invalid-token-format"));
        Assert.That(error.IsTransient, Is.False);
    }

    // A user's own source asks over the same backchannel.

    [Test]
    public async Task A_source_of_one_s_own_is_bounded_as_well()
    {
        using var body = new EndlessStream();
        using var drip = new DrippingStream();
        var bodies = new Queue<Stream>([body, drip]);
        using var world = new World { Answer = () => new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(bodies.Dequeue()) } };
        var source = new Asking();
        HttpClient client = world.Client(source);

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
        Assert.That(source.Failure, Is.InstanceOf<HttpRequestException>().With.Message.EqualTo("https://issuer.test/token answered more than 1048576 bytes"));

        world.ClientFixture.Clock.Advance(TimeSpan.FromMinutes(1));
        Task slow = client.GetAsync("");
        await KeyCacheFixture.UntilAsync(() => drip.IsWaiting, "the answer is waited for");
        world.ClientFixture.Clock.Advance(TimeSpan.FromSeconds(5));
        await Assert.ThatAsync(() => slow.WaitAsync(KeyCacheFixture.Patience), Throws.TypeOf<TokenRequestFailedException>().With.Property("IsTransient").True);
        Assert.That(source.Failure, Is.InstanceOf<HttpRequestException>().With.Message.EqualTo("https://issuer.test/token did not answer within 5 s"));
    }

    [Test]
    public async Task A_token_endpoint_that_cannot_be_reached_may_come_back()
    {
        using var world = new World { Answer = () => throw new HttpRequestException(HttpRequestError.ConnectionError, "connection refused") };

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EqualTo("Token request failed: client credentials of 'pull': https://issuer.test/token could not be reached")
            .And.Property("IsTransient").True);
    }

    [Test]
    public async Task An_issuer_without_a_token_endpoint_is_told()
    {
        using var fixture = new ClientFixture(options => (options.TokenSource, options.ClientId, options.ClientSecret) = (TokenSources.ClientCredentials("pull", Secret), null, null));

        TokenRequestFailedException error = await fixture.FailAsync<TokenRequestFailedException>();

        Assert.That(error.Message, Does.EndWith("the issuer 'https://issuer.test' has no metadata that names its token_endpoint"));
    }

    // What the issuer says of itself does not pass by waiting; that it cannot be reached does.
    [TestCase("""{"issuer":"https://other.test","token_endpoint":"https://issuer.test/token"}""", 200, "is of the issuer 'https://other.test'", false)]
    [TestCase("""{"issuer":"https://issuer.test","token_endpoint":"http://issuer.test/token"}""", 200, "is not https (http only on loopback)", false)]
    [TestCase("""{"issuer":"https://issuer.test"}""", 200, "has no metadata that names its token_endpoint", false)]
    [TestCase("", 404, "has no metadata that names its token_endpoint", false)]
    [TestCase("", 400, "has no metadata that names its token_endpoint", false)]
    [TestCase("", 500, "openid-configuration answered 500", true)]
    [TestCase("", 429, "openid-configuration answered 429", true)]
    [TestCase(null, 0, "openid-configuration could not be reached (ConnectionError)", true)]
    public async Task Metadata_that_name_no_token_endpoint_are_told_and_whether_that_may_pass(string? metadata, int status, string expected, bool isTransient)
    {
        using var world = new World();
        world.ClientFixture.Issuer.AnswerDiscovery = _ => metadata is null
            ? throw new HttpRequestException(HttpRequestError.ConnectionError)
            : Task.FromResult(new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(metadata) });

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.Contains(expected).And.Property("IsTransient").EqualTo(isTransient));
        Assert.That(world.Forms, Is.Empty);
    }

    [Test]
    public async Task Metadata_that_were_not_there_for_a_moment_are_asked_for_again()
    {
        using var world = new World();
        Func<HttpRequestMessage, Task<HttpResponseMessage>> usual = world.ClientFixture.Issuer.AnswerDiscovery;
        world.ClientFixture.Issuer.AnswerDiscovery = _ => Task.FromResult(FakeIssuer.Status(HttpStatusCode.NotFound));
        HttpClient client = world.Client();
        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());

        world.ClientFixture.Issuer.AnswerDiscovery = usual;
        world.ClientFixture.Clock.Advance(TimeSpan.FromSeconds(2));

        (await client.GetAsync("")).Dispose();
    }

    [Test]
    public async Task A_token_that_the_endpoint_gives_is_checked_like_any_other()
    {
        using var world = new World();
        world.ClientFixture.Token = world.ClientFixture.NewToken(claims => claims["aud"] = "other");

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<InvalidAudienceException>());
    }

    [Test]
    public async Task An_id_and_a_secret_in_the_settings_are_enough()
    {
        using var world = new World();

        (await world.Client(source: null).GetAsync("")).Dispose();

        Assert.That(world.Forms, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task The_secret_may_stand_in_a_file_which_is_read_each_time()
    {
        using var world = new World(["client_secret_post"]);
        using var file = new TokenFile("first\n");
        HttpClient client = world.Client(source: null, options => (options.ClientSecret, options.ClientSecretFile) = (null, file.Path));
        (await client.GetAsync("")).Dispose();

        file.Write("second\n");
        world.ClientFixture.Clock.Advance(TimeSpan.FromMinutes(30));
        world.ClientFixture.Token = world.ClientFixture.NewToken();
        (await client.GetAsync("")).Dispose();

        Assert.That(world.Forms.Select(form => form["client_secret"]), Is.EqualTo(["first", "second"]));
    }

    [Test]
    public async Task A_secret_file_that_is_not_there_is_an_error_of_the_source()
    {
        using var world = new World();
        HttpClient client = world.Client(source: null, options => (options.ClientSecret, options.ClientSecretFile) = (null, "/nowhere/secret"));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EqualTo("Token request failed: client credentials of 'pull' threw DirectoryNotFoundException"));
    }

    /// <summary>A source as a user may write it, without bounds of its own.</summary>
    private sealed class Asking : ITokenSource
    {
        public Exception? Failure { get; private set; }

        public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, FakeIssuer.Url + "/token") { Content = new StringContent("") };
                using HttpResponseMessage response = await context.Backchannel.SendAsync(request, cancellationToken);
                return await response.Content.ReadAsStringAsync(cancellationToken);
            }
            catch (Exception e)
            {
                Failure = e;
                throw;
            }
        }
    }

    /// <summary>A fixture whose issuer has a token endpoint.</summary>
    private sealed class World : IDisposable
    {
        private readonly List<HttpClient> _clients = [];

        public World(string[]? methods = null)
        {
            Answer = () => FakeIssuer.Json(new JsonObject { ["access_token"] = ClientFixture.Token, ["token_type"] = "Bearer", ["expires_in"] = 1800 }.ToJsonString());
            ClientFixture.Issuer.AnswerDiscovery = _ => Task.FromResult(FakeIssuer.Json(new JsonObject
            {
                ["issuer"] = FakeIssuer.Url,
                ["jwks_uri"] = FakeIssuer.Url + "/jwks",
                ["token_endpoint"] = FakeIssuer.Url + "/token",
                ["token_endpoint_auth_methods_supported"] = methods is null ? null : new JsonArray([.. methods.Select(method => (JsonNode)method)]),
            }.ToJsonString()));
            ClientFixture.Issuer.Backchannel.When(HttpMethod.Post, FakeIssuer.Url + "/token").Respond(request =>
            {
                using var body = new StreamReader(request.Content!.ReadAsStream());
                var form = HttpUtility.ParseQueryString(body.ReadToEnd());
                Forms.Add(form.AllKeys.ToDictionary(key => key!, key => form[key]!));
                Authorizations.Add(request.Headers.Authorization?.Parameter);
                return Answer();
            });
        }

        public ClientFixture ClientFixture { get; } = new();

        public Func<HttpResponseMessage> Answer { get; init; }

        public List<Dictionary<string, string>> Forms { get; } = [];

        public List<string?> Authorizations { get; } = [];

        public HttpClient Client() => Client(TokenSources.ClientCredentials("pull", Secret));

        public HttpClient Client(ITokenSource? source, Action<M3AuthOptions>? configure = null)
        {
            M3AuthOptions options = ClientFixture.Options();
            (options.TokenSource, options.ClientId, options.ClientSecret) = (source, "pull", Secret);
            configure?.Invoke(options);
            _clients.Add(M3HttpClient.Create(ClientFixture.Address, options, ClientFixture.Server, ClientFixture.Log));
            return _clients[^1];
        }

        public void Dispose()
        {
            _clients.ForEach(client => client.Dispose());
            ClientFixture.Dispose();
        }
    }
}
