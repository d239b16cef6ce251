using System.Net;
using System.Text.Json.Nodes;
using System.Web;
using M3.Client.Auth.Tests.Kit;
using RichardSzalay.MockHttp;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>A person who has signed in, an issuer that renews it, and clients that find it.</summary>
internal sealed class SignedInWorld : IDisposable
{
    private readonly List<HttpClient> _clients = [];

    public SignedInWorld(ClientFixture? fixture = null)
    {
        Fixture = fixture ?? new ClientFixture();
        Answer = _ => Grant(Fixture.NewToken(), "second-refresh-token");
        Fixture.Issuer.AnswerDiscovery = _ => Task.FromResult(FakeIssuer.Json(Metadata.ToJsonString()));
        foreach (string endpoint in (string[])["token", "device", "revoke"])
        {
            Fixture.Issuer.Backchannel.When(HttpMethod.Post, $"{FakeIssuer.Url}/{endpoint}").Respond(async request =>
            {
                var form = HttpUtility.ParseQueryString(await request.Content!.ReadAsStringAsync());
                var fields = form.AllKeys.ToDictionary(key => key!, key => form[key]!);
                Forms.Add(fields);
                Authorizations.Add(request.Headers.Authorization?.Parameter);
                await Before();
                return await FakeIssuer.Settle(_ => Task.FromResult(Answer(fields)), request);
            });
        }
    }

    public ClientFixture Fixture { get; }

    public SignInPlace Place { get; } = new();

    public JsonObject Metadata { get; } = new()
    {
        ["issuer"] = FakeIssuer.Url,
        ["jwks_uri"] = FakeIssuer.Url + "/jwks",
        ["token_endpoint"] = FakeIssuer.Url + "/token",
        ["device_authorization_endpoint"] = FakeIssuer.Url + "/device",
        ["revocation_endpoint"] = FakeIssuer.Url + "/revoke",
    };

    public Func<Dictionary<string, string>, HttpResponseMessage> Answer { get; set; }

    /// <summary>What the issuer waits for before it answers.</summary>
    public Func<Task> Before { get; set; } = () => Task.CompletedTask;

    public List<Dictionary<string, string>> Forms { get; } = [];

    public List<string?> Authorizations { get; } = [];

    /// <summary>What is kept now.</summary>
    public SignIn Kept => Place.Store.All().Single();

    public IEnumerable<string?> Sent => Fixture.Server.Arrivals.Select(arrival => arrival.Token);

    public static HttpResponseMessage Grant(string token, string? refreshToken) => FakeIssuer.Json(
        new JsonObject { ["access_token"] = token, ["token_type"] = "Bearer", ["expires_in"] = 1800, ["refresh_token"] = refreshToken }.ToJsonString());

    public static HttpResponseMessage Refuse(string error) =>
        new(HttpStatusCode.BadRequest) { Content = new StringContent(new JsonObject { ["error"] = error, ["error_description"] = "first-refresh-token is spent" }.ToJsonString()) };

    /// <summary>Keeps a sign-in whose access token has this long to go.</summary>
    public SignIn SignIn(TimeSpan left, Func<SignIn, SignIn>? change = null)
    {
        string token = Fixture.NewToken(claims => claims["exp"] = (Fixture.Now + left).ToUnixTimeSeconds());
        SignIn signIn = (SignInPlace.NewSignIn() with { RefreshToken = "first-refresh-token", Subject = "researcher" }).With(token);
        signIn = change?.Invoke(signIn) ?? signIn;
        Place.Store.Save(signIn);
        return signIn;
    }

    /// <summary>Another program that finds the sign-in.</summary>
    public HttpClient Client(Action<M3AuthOptions>? configure = null)
    {
        M3AuthOptions options = Fixture.Options();
        options.TokenSource = new SignedInTokenSource(clientId: null, Place.Path);
        configure?.Invoke(options);
        _clients.Add(M3HttpClient.Create(ClientFixture.Address, options, Fixture.Server, Fixture.Log));
        return _clients[^1];
    }

    public static async Task<T> FailAsync<T>(HttpClient client)
        where T : M3AuthException => (await Assert.CatchAsync<T>(() => client.GetAsync("")))!;

    public void Dispose()
    {
        _clients.ForEach(client => client.Dispose());
        Fixture.Dispose();
        Place.Dispose();
    }
}
