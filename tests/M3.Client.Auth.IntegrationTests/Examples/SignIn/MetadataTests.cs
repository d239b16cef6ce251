using System.Net;
using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Examples.SignIn;

/// <summary>How a client that knows only LocalM3's address finds its issuer (RFC 9728), what the issuer says of itself, and whom its tokens are for.</summary>
public sealed class MetadataTests : LocalM3Fixture
{
    private ForeignClient _client = null!;

    private string Resource => M3.Endpoint.AbsoluteUri;

    [SetUp]
    public void Connect() => _client = new ForeignClient(M3);

    [TearDown]
    public void Disconnect() => _client.Dispose();

    [TestCase(null)]
    [TestCase("not.a.token")]
    public async Task A_401_says_where_the_metadata_is(string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, M3.Endpoint);
        request.Headers.Authorization = token is null ? null : new("Bearer", token);
        using var http = new HttpClient();
        using HttpResponseMessage response = await http.SendAsync(request);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        string challenge = response.Headers.WwwAuthenticate.ToString();
        Assert.That(challenge, Does.StartWith($"Bearer resource_metadata=\"{M3.BaseAddress}.well-known/oauth-protected-resource/sse\""));
        Assert.That(challenge.Contains("error=\"invalid_token\"", StringComparison.Ordinal), Is.EqualTo(token is not null));
    }

    [TestCase(".well-known/oauth-protected-resource/sse")]
    [TestCase(".well-known/oauth-protected-resource")]
    public async Task The_metadata_names_the_resource_its_issuer_and_its_scope(string path)
    {
        JsonElement metadata = await _client.GetJsonAsync(path);

        Assert.That(metadata.GetProperty("resource").GetString(), Is.EqualTo(Resource));
        Assert.That(Strings(metadata, "authorization_servers"), Is.EqualTo((string[])[M3.IssuerUrl]));
        Assert.That(Strings(metadata, "scopes_supported"), Is.EqualTo((string[])["read:mimic-data"]));
        Assert.That(Strings(metadata, "bearer_methods_supported"), Is.EqualTo((string[])["header"]));
    }

    [TestCase(".well-known/openid-configuration")]
    [TestCase(".well-known/oauth-authorization-server")]
    public async Task The_issuer_says_what_a_client_needs_to_sign_somebody_in(string path)
    {
        JsonElement metadata = await _client.GetJsonAsync(path);

        Assert.That(metadata.GetProperty("issuer").GetString(), Is.EqualTo(M3.IssuerUrl));
        foreach ((string name, string endpoint) in ((string, string)[])
            [("authorization", "authorize"), ("device_authorization", "deviceauthorization"), ("revocation", "revocation"), ("token", "token")])
        {
            Assert.That(metadata.GetProperty($"{name}_endpoint").GetString(), Is.EqualTo($"{M3.BaseAddress}connect/{endpoint}"));
        }

        Assert.That(Strings(metadata, "grant_types_supported"),
            Is.EquivalentTo((string[])["client_credentials", "authorization_code", "refresh_token", ForeignClient.DeviceGrant]));
        Assert.That(Strings(metadata, "code_challenge_methods_supported"), Is.EqualTo((string[])["S256"]));
        Assert.That(Strings(metadata, "token_endpoint_auth_methods_supported"), Does.Contain("none").And.Contain("client_secret_basic"));
        Assert.That(Strings(metadata, "scopes_supported"), Does.Contain("offline_access").And.Contain("read:mimic-data"));
        Assert.That(metadata.GetProperty("authorization_response_iss_parameter_supported").GetBoolean(), Is.True);
    }

    [TestCase("nothing")]
    [TestCase("its audience")]
    [TestCase("its URL")]
    [TestCase("both")]
    public async Task Whoever_asks_for_M3_by_any_of_its_names_gets_a_token_with_both(string asked)
    {
        List<(string, string)> more = [];
        if (asked is "its audience" or "both")
            more.Add(("audience", M3.Audience));
        if (asked is "its URL" or "both")
            more.Add(("resource", Resource));

        Answer tokens = await _client.SignInAsync("ada", [.. more]);

        Assert.That(tokens.Audiences, Is.EquivalentTo((string[])[M3.Audience, Resource]));
        Assert.That(await _client.CallM3Async(tokens["access_token"]), Is.EqualTo(HttpStatusCode.OK));
        Assert.That((await _client.RefreshAsync(tokens["refresh_token"])).Audiences, Is.EquivalentTo(tokens.Audiences));
    }

    [Test]
    public async Task Whoever_asks_for_something_else_gets_a_token_for_that_alone()
    {
        Answer tokens = await _client.SignInAsync("ada", ("audience", "another-api"));

        Assert.That(tokens.Audiences, Is.EqualTo((string[])["another-api"]));
        Assert.That(await _client.CallM3Async(tokens["access_token"]), Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [Test]
    public async Task A_program_gets_the_audience_alone_as_ever_and_both_when_it_asks_for_the_URL()
    {
        (string, string)[] form = [("grant_type", "client_credentials"), ("client_id", M3.ClientId), ("client_secret", M3.ClientSecret), ("scope", "read:mimic-data")];

        Answer plain = await _client.PostAsync("connect/token", form);
        Answer withResource = await _client.PostAsync("connect/token", [.. form, ("resource", Resource)]);

        Assert.That(plain.Claims.GetProperty("aud").GetString(), Is.EqualTo(M3.Audience));
        Assert.That(withResource.Audiences, Is.EquivalentTo((string[])[M3.Audience, Resource]));
        Assert.That(await _client.CallM3Async(withResource["access_token"]), Is.EqualTo(HttpStatusCode.OK));
    }

    private static string[] Strings(JsonElement metadata, string name) => [.. metadata.GetProperty(name).EnumerateArray().Select(one => one.GetString()!)];
}
