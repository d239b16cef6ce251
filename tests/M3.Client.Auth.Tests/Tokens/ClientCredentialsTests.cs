using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Web;
using M3.Client.Auth.Tests.Kit;
using RichardSzalay.MockHttp;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>Client credentials against the token endpoint that the issuer's metadata names.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ClientCredentialsTests
{
    private const string Secret = "s3cr3t-which-nobody-sees";

    [Test]
    public async Task The_required_scopes_and_the_audience_are_asked_for()
    {
        using var world = new World();

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.Forms.Single(), Is.EquivalentTo(new Dictionary<string, string>
        {
            ["grant_type"] = "client_credentials",
            ["scope"] = "read:mimic-data",
            ["audience"] = Scene.Audience,
        }));
        Assert.That(world.Scene.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(world.Scene.Token));
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
            world.Scene.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.That(world.Forms, Has.Count.EqualTo(1));
    }

    [TestCase(HttpStatusCode.BadRequest, """{"error":"invalid_client"}""", "answered invalid_client", false)]
    [TestCase(HttpStatusCode.Unauthorized, """{"error":"invalid_client","error_description":"unknown client"}""", "answered invalid_client (unknown client)", false)]
    [TestCase(HttpStatusCode.BadRequest, """{"error":"invalid_scope"}""", "answered invalid_scope", false)]
    [TestCase(HttpStatusCode.Forbidden, "", "answered 403", false)]
    [TestCase(HttpStatusCode.TooManyRequests, "", "answered 429", true)]
    [TestCase(HttpStatusCode.ServiceUnavailable, "<html>", "answered 503", true)]
    public async Task An_error_of_the_token_endpoint_is_named(HttpStatusCode status, string body, string expected, bool isTransient)
    {
        using var world = new World { Answer = () => new HttpResponseMessage(status) { Content = new StringContent(body, Encoding.UTF8, "application/json") } };

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EqualTo($"Token request failed: client credentials of 'pull': https://issuer.test/token {expected}")
            .And.Property("IsTransient").EqualTo(isTransient));
        Assert.That(world.Scene.Server.Arrivals, Is.Empty);
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
        using var scene = new Scene(options => (options.TokenSource, options.ClientId, options.ClientSecret) = (TokenSources.ClientCredentials("pull", Secret), null, null));

        TokenRequestFailedException error = await scene.FailAsync<TokenRequestFailedException>();

        Assert.That(error.Message, Does.EndWith("the issuer 'https://issuer.test' has no metadata that names its token_endpoint"));
    }

    [Test]
    public async Task A_token_that_the_endpoint_gives_is_checked_like_any_other()
    {
        using var world = new World();
        world.Scene.Token = world.Scene.NewToken(claims => claims["aud"] = "other");

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
        world.Scene.Clock.Advance(TimeSpan.FromMinutes(30));
        world.Scene.Token = world.Scene.NewToken();
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

    /// <summary>A scene whose issuer has a token endpoint.</summary>
    private sealed class World : IDisposable
    {
        private readonly List<HttpClient> _clients = [];

        public World(string[]? methods = null)
        {
            Answer = () => FakeIssuer.Json(new JsonObject { ["access_token"] = Scene.Token, ["token_type"] = "Bearer", ["expires_in"] = 1800 }.ToJsonString());
            Scene.Issuer.AnswerDiscovery = _ => Task.FromResult(FakeIssuer.Json(new JsonObject
            {
                ["issuer"] = FakeIssuer.Url,
                ["jwks_uri"] = FakeIssuer.Url + "/jwks",
                ["token_endpoint"] = FakeIssuer.Url + "/token",
                ["token_endpoint_auth_methods_supported"] = methods is null ? null : new JsonArray([.. methods.Select(method => (JsonNode)method)]),
            }.ToJsonString()));
            Scene.Issuer.Backchannel.When(HttpMethod.Post, FakeIssuer.Url + "/token").Respond(request =>
            {
                using var body = new StreamReader(request.Content!.ReadAsStream());
                var form = HttpUtility.ParseQueryString(body.ReadToEnd());
                Forms.Add(form.AllKeys.ToDictionary(key => key!, key => form[key]!));
                Authorizations.Add(request.Headers.Authorization?.Parameter);
                return Answer();
            });
        }

        public Scene Scene { get; } = new();

        public Func<HttpResponseMessage> Answer { get; init; }

        public List<Dictionary<string, string>> Forms { get; } = [];

        public List<string?> Authorizations { get; } = [];

        public HttpClient Client() => Client(TokenSources.ClientCredentials("pull", Secret));

        public HttpClient Client(ITokenSource? source, Action<M3AuthOptions>? configure = null)
        {
            M3AuthOptions options = Scene.Options();
            (options.TokenSource, options.ClientId, options.ClientSecret) = (source, "pull", Secret);
            configure?.Invoke(options);
            _clients.Add(M3HttpClient.Create(Scene.Address, options, Scene.Server, Scene.Log));
            return _clients[^1];
        }

        public void Dispose()
        {
            _clients.ForEach(client => client.Dispose());
            Scene.Dispose();
        }
    }
}
