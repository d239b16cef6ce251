using System.Text.Json.Nodes;
using System.Web;
using RichardSzalay.MockHttp;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>A fixture whose issuer has a token endpoint, which keeps the forms that it gets.</summary>
internal sealed class TokenEndpointWorld : IDisposable
{
    /// <param name="address">The token endpoint.</param>
    /// <param name="algorithms">By which the metadata say that assertions may be signed; null: they do not say.</param>
    public TokenEndpointWorld(string address = FakeIssuer.Url + "/token", string[]? algorithms = null)
    {
        Answer = () => FakeIssuer.Json(new JsonObject { ["access_token"] = Fixture.NewToken(), ["token_type"] = "Bearer" }.ToJsonString());
        Fixture.Issuer.AnswerDiscovery = _ => Task.FromResult(FakeIssuer.Json(new JsonObject
        {
            ["issuer"] = FakeIssuer.Url,
            ["jwks_uri"] = FakeIssuer.Url + "/jwks",
            ["token_endpoint"] = address,
            ["token_endpoint_auth_signing_alg_values_supported"] = algorithms is null ? null : new JsonArray([.. algorithms.Select(name => (JsonNode)name)]),
        }.ToJsonString()));
        Fixture.Issuer.Backchannel.When(HttpMethod.Post, address).Respond(request =>
        {
            using var body = new StreamReader(request.Content!.ReadAsStream());
            var form = HttpUtility.ParseQueryString(body.ReadToEnd());
            Forms.Add(form.AllKeys.ToDictionary(key => key!, key => form[key]!));
            return Answer();
        });
    }

    public ClientFixture Fixture { get; } = new();

    public Func<HttpResponseMessage> Answer { get; set; }

    public List<Dictionary<string, string>> Forms { get; } = [];

    /// <summary>Gets one token, by a provider of its own.</summary>
    public async Task<M3AccessToken> GetTokenAsync(ITokenSource? source, Action<M3AuthOptions>? configure = null)
    {
        M3AuthOptions options = Fixture.Options();
        (options.TokenSource, options.Debug) = (source, true);
        configure?.Invoke(options);
        using var provider = new M3TokenProvider(options, Fixture.Log);
        return await provider.GetTokenAsync();
    }

    public void Dispose() => Fixture.Dispose();
}
