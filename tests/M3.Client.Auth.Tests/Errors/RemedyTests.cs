using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Errors;

/// <summary>A remedy names the settings as the registration reads them, whatever their names begin with.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RemedyTests
{
    // Each takes the fixture to the brink; the call that follows fails.
    private static IEnumerable<TestCaseData> Failures =>
    [
        Failure("Set OTHER_TOKEN", fixture => fixture.Token = null),
        Failure("OTHER_ISSUER_URL (or OTHER_JWKS_URL)", fixture => fixture.Token = fixture.NewToken(header: header => header["alg"] = "HS256")),
        Failure("Check OTHER_ISSUER_URL and OTHER_JWKS_URL", fixture => fixture.Issuer.GoDown()),
        Failure("Set OTHER_ISSUER_URL", fixture => fixture.Token = fixture.NewToken(claims => claims["iss"] = "https://other.test")),
        Failure("OTHER_AUDIENCE", fixture => fixture.Token = fixture.NewToken(claims => claims["aud"] = "other")),
        Failure("OTHER_REQUIRED_SCOPES", fixture => fixture.Token = fixture.NewToken(claims => claims["scope"] = "other")),
        Failure("OTHER_ALLOWED_ORIGINS", fixture => fixture.Client.BaseAddress = new Uri("https://other.test")),
        Failure("OTHER_CLIENT_ID, OTHER_CLIENT_SECRET, OTHER_TOKEN_FILE", fixture => fixture.Delegate = () => throw new InvalidOperationException()),
        Failure("OTHER_REQUIRED_SCOPES", fixture => fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer error=\"insufficient_scope\"", HttpStatusCode.Forbidden)),
        Failure("OTHER_AUDIENCE", fixture => fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer error=\"invalid_token\", error_description=\"Invalid audience\"")),
    ];

    [TestCaseSource(nameof(Failures))]
    public async Task It_names_the_registrations_own_prefix(string expected, object fail)
    {
        using var fixture = new PrefixedScene();
        ((Action<PrefixedScene>)fail)(fixture);

        foreach (bool isSynchronous in (bool[])[false, true])
        {
            M3AuthException error = await fixture.FailAsync(isSynchronous);

            Assert.That(error.Remedy, Does.Contain(expected).And.Not.Contain("M3_OAUTH2_"));
        }
    }

    [Test]
    public async Task An_error_left_on_its_response_does_so_too()
    {
        using var fixture = new PrefixedScene(throws: false);
        fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer error=\"invalid_token\", error_description=\"Invalid audience\"");

        using HttpResponseMessage response = await fixture.Client.GetAsync("");

        Assert.That(response.GetM3AuthError()!.Remedy, Does.Contain("OTHER_AUDIENCE").And.Not.Contain("M3_OAUTH2_"));
    }

    [Test]
    public async Task A_provider_that_is_switched_off_does_so_too()
    {
        using var provider = new M3TokenProvider(new M3AuthOptions { Enabled = false, Prefix = "OTHER_" });

        MissingTokenException error = (await Assert.ThrowsAsync<MissingTokenException>(async () => await provider.GetTokenAsync()))!;

        Assert.That(error.Remedy, Does.Contain("OTHER_TOKEN").And.Not.Contain("M3_OAUTH2_"));
    }

    [Test]
    public async Task A_providers_prefix_stays_in_a_handler_with_another()
    {
        using var fixture = new PrefixedScene { Token = null };
        M3AuthOptions options = fixture.Options();
        using var provider = new M3TokenProvider(options);
        options.Prefix = "ANOTHER_";
        using var client = new HttpClient(new M3AuthHandler(provider, options) { InnerHandler = new FakeM3() }) { BaseAddress = ClientFixture.Address };

        MissingTokenException error = (await Assert.ThrowsAsync<MissingTokenException>(() => client.GetAsync("")))!;

        Assert.That(error.Remedy, Does.Contain("Set OTHER_TOKEN"));
    }

    [Test]
    public void What_is_made_elsewhere_names_M3s_own() =>
        Assert.That(new MissingTokenException().Remedy, Does.Contain("Set M3_OAUTH2_TOKEN"));

    private static TestCaseData Failure(string expected, Action<PrefixedScene> fail, [CallerArgumentExpression(nameof(fail))] string how = "") =>
        new TestCaseData(expected, fail).SetArgDisplayNames(expected, how);

    private sealed class PrefixedScene(bool throws = true) : IDisposable
    {
        private readonly ClientFixture _fixture = new();
        private HttpClient? _client;

        public string? Token
        {
            get => _fixture.Token;
            set => _fixture.Token = value;
        }

        public Func<string?>? Delegate { get; set; }

        public FakeIssuer Issuer => _fixture.Issuer;

        public FakeM3 Server => _fixture.Server;

        public HttpClient Client => _client ??= M3HttpClient.Create(ClientFixture.Address, Options(), Server);

        public M3AuthOptions Options()
        {
            M3AuthOptions options = _fixture.Options();
            options.Prefix = "OTHER_";
            options.ThrowOnRejection = throws;
            options.TokenSource = TokenSources.From(_ => new(Delegate is null ? Token : Delegate()));
            return options;
        }

        public string NewToken(Action<JsonObject>? claims = null, Action<JsonObject>? header = null) => _fixture.NewToken(claims, header);

        public async Task<M3AuthException> FailAsync(bool isSynchronous)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "");
            return isSynchronous
                ? Assert.Catch<M3AuthException>(() => Client.Send(request))!
                : (await Assert.CatchAsync<M3AuthException>(() => Client.SendAsync(request)))!;
        }

        public void Dispose()
        {
            _client?.Dispose();
            _fixture.Dispose();
        }
    }
}
