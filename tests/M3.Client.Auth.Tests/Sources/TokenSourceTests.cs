using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>Where the token comes from, and how soon a change there counts.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class TokenSourceTests
{
    [TestCase("M3_OAUTH2_")]
    [TestCase("OTHER_")]
    public async Task An_id_without_a_credential_is_named_when_no_source_has_a_token(string prefix)
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(
        [
            new(prefix + "ISSUER_URL", FakeIssuer.Url), new(prefix + "AUDIENCE", ClientFixture.Audience), new(prefix + "CLIENT_ID", "pull"),
        ]).Build();
        using var provider = new M3TokenProvider(M3AuthOptions.FromConfiguration(configuration, prefix));

        await Assert.ThatAsync(async () => await provider.GetTokenAsync(), Throws.TypeOf<MissingTokenException>().With.Message.EqualTo(
            $"Missing OAuth2 access token: looked in the environment variable {prefix}TOKEN, the configuration's other providers ({prefix}TOKEN)"
            + $"; {prefix}CLIENT_ID is set, but none of {prefix}CLIENT_SECRET, {prefix}CLIENT_SECRET_FILE, {prefix}CLIENT_KEY_FILE and {prefix}CLIENT_ASSERTION_FILE is"));
    }

    [Test]
    public async Task An_id_beside_a_source_of_ones_own_is_nothing_to_speak_of()
    {
        using var fixture = new ClientFixture(options => (options.ClientId, options.TokenSource) = ("pull", TokenSources.FromValue(null)));

        Assert.That((await fixture.FailAsync<MissingTokenException>()).Message, Is.EqualTo("Missing OAuth2 access token: looked in the given value"));
    }

    [Test]
    public async Task An_environment_variable_is_read_live()
    {
        using var fixture = new ClientFixture();
        using var variable = new Variable(fixture.Token);
        using HttpClient client = Client(fixture, TokenSources.FromEnvironment(variable.Name));
        (await client.GetAsync("")).Dispose();

        string next = fixture.NewToken();
        variable.Set(next);
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([fixture.Token, next]));
    }

    [Test]
    public async Task An_environment_variable_that_is_not_set_is_named()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Client(fixture, TokenSources.FromEnvironment("T_NOT_SET_ANYWHERE"));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<MissingTokenException>()
            .With.Message.EqualTo("Missing OAuth2 access token: looked in the environment variable T_NOT_SET_ANYWHERE"));
    }

    [Test]
    public async Task A_configuration_is_followed_when_it_reloads()
    {
        using var fixture = new ClientFixture();
        var configuration = new ConfigurationManager { ["M3_OAUTH2_TOKEN"] = fixture.Token };
        using HttpClient client = Client(fixture, TokenSources.FromConfiguration(configuration));
        (await client.GetAsync("")).Dispose();

        string next = fixture.NewToken();
        configuration["M3_OAUTH2_TOKEN"] = next;
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([fixture.Token, next]));
    }

    [Test]
    public async Task A_value_is_what_it_is([Values("", "  ", null)] string? nothing)
    {
        using var fixture = new ClientFixture();
        using HttpClient with = Client(fixture, TokenSources.FromValue("Bearer " + fixture.Token));
        using HttpClient without = Client(fixture, TokenSources.FromValue(nothing));

        (await with.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(fixture.Token));
        await Assert.ThatAsync(() => without.GetAsync(""), Throws.TypeOf<MissingTokenException>());
    }

    [Test]
    public async Task A_delegate_that_throws_is_TokenRequestFailed_with_the_reason_inside()
    {
        using var fixture = new ClientFixture();
        var reason = new InvalidOperationException("the vault is sealed");
        using HttpClient client = Client(fixture, TokenSources.From(_ => throw reason));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EqualTo("Token request failed: the delegate threw InvalidOperationException")
            .And.InnerException.SameAs(reason).And.Property("IsTransient").False);
    }

    [Test]
    public async Task A_delegates_network_failure_may_pass()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Client(fixture, TokenSources.From(_ => throw new HttpRequestException(HttpRequestError.ConnectionError)));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>().With.Property("IsTransient").True);
    }

    [Test]
    public async Task A_delegates_own_typed_error_reaches_the_caller()
    {
        using var fixture = new ClientFixture();
        var error = new MissingTokenException("nobody is signed in");
        using HttpClient client = Client(fixture, TokenSources.From(_ => throw error));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.Exception.SameAs(error));
    }

    [TestCase("{")]
    [TestCase("{ ")]
    [TestCase("{\n  ")]
    [TestCase("{\r\n\t")]
    public async Task What_a_delegate_throws_is_not_shown_when_a_token_stands_in_it(string brace)
    {
        using var fixture = new ClientFixture();
        string token = FakeIssuer.Sign(brace + FakeIssuer.Header().ToJsonString()[1..], brace + fixture.Issuer.Claims(fixture.Now).ToJsonString()[1..]);
        using HttpClient client = Client(fixture, TokenSources.From(_ => throw new InvalidOperationException($"could not parse '{token}'")));

        Exception error = (await Assert.CatchAsync<TokenRequestFailedException>(() => client.GetAsync("")))!;

        Assert.That(error.ToString(), Does.Contain("InvalidOperationException").And.Not.Contain(token.Split('.')[1]));
    }

    [Test]
    public async Task A_delegate_that_fails_is_not_asked_again_within_a_second()
    {
        int asked = 0;
        using var fixture = new ClientFixture();
        using HttpClient client = Client(fixture, TokenSources.From(_ =>
        {
            asked++;
            throw new InvalidOperationException();
        }));

        for (int i = 0; i < 5; i++)
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
        Assert.That(asked, Is.EqualTo(1));

        fixture.Clock.Advance(TimeSpan.FromSeconds(1) - TimeSpan.FromTicks(1));
        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
        Assert.That(asked, Is.EqualTo(1));

        fixture.Clock.Advance(TimeSpan.FromSeconds(0.3));
        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
        Assert.That(asked, Is.EqualTo(2));
    }

    [Test]
    public async Task The_first_source_that_has_a_token_is_used_and_a_better_one_takes_over()
    {
        using var fixture = new ClientFixture();
        var first = new ConfigurationManager();
        int asked = 0;
        string second = fixture.NewToken();
        using HttpClient client = Client(fixture, TokenSources.FirstOf(TokenSources.FromConfiguration(first, "a"), TokenSources.FromValue(" "), TokenSources.From(_ =>
        {
            asked++;
            return new(second);
        })));
        (await client.GetAsync("")).Dispose();
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        (await client.GetAsync("")).Dispose();

        first["a"] = fixture.Token;
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([second, second, fixture.Token]));
        Assert.That(asked, Is.EqualTo(1), "what is not to be polled is held still while those before it are looked at");
    }

    [Test]
    public async Task A_source_that_fails_ends_the_search()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Client(fixture, TokenSources.FirstOf(TokenSources.From(_ => throw new InvalidOperationException()), TokenSources.FromValue(fixture.Token)));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
    }

    [Test]
    public async Task When_no_source_has_a_token_every_one_is_named()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = Client(fixture, TokenSources.FirstOf(TokenSources.FromEnvironment("T_NONE"), TokenSources.FromConfiguration(new ConfigurationManager(), "key"), new Own()));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<MissingTokenException>()
            .With.Message.EqualTo("Missing OAuth2 access token: looked in the environment variable T_NONE, the configuration (key), Own"));
    }

    [Test]
    public async Task By_default_the_live_variable_comes_before_the_file_and_the_configuration()
    {
        using var fixture = new ClientFixture();
        using var variable = new Variable(null);
        using var file = new TokenFile(fixture.NewToken());
        string configured = fixture.NewToken();
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(
        [
            new(variable.Prefix + "ISSUER_URL", FakeIssuer.Url), new(variable.Prefix + "AUDIENCE", ClientFixture.Audience),
            new(variable.Prefix + "TOKEN_FILE", file.Path), new(variable.Prefix + "TOKEN", configured),
        ]).AddEnvironmentVariables().Build();
        M3AuthOptions options = M3AuthOptions.FromConfiguration(configuration, variable.Prefix);
        (options.TimeProvider, options.BackchannelHttpHandler) = (fixture.Clock, fixture.Issuer.Backchannel);
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, options, fixture.Server);
        (await client.GetAsync("")).Dispose();

        variable.Set(fixture.Token);
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        (await client.GetAsync("")).Dispose();
        variable.Set(null);
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([file.First, fixture.Token, file.First]));
    }

    [Test]
    public async Task The_configurations_stale_copy_of_the_environment_is_ignored()
    {
        using var fixture = new ClientFixture();
        using var variable = new Variable(fixture.Token);
        string configured = fixture.NewToken();
        var configuration = new ConfigurationManager();
        configuration.AddInMemoryCollection(
        [
            new(variable.Prefix + "ISSUER_URL", FakeIssuer.Url), new(variable.Prefix + "AUDIENCE", ClientFixture.Audience), new(variable.Prefix + "TOKEN", configured),
        ]);
        configuration.AddConfiguration(new ConfigurationBuilder().AddEnvironmentVariables().Build());
        M3AuthOptions options = M3AuthOptions.FromConfiguration(configuration, variable.Prefix);
        (options.TimeProvider, options.BackchannelHttpHandler) = (fixture.Clock, fixture.Issuer.Backchannel);
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, options, fixture.Server);

        variable.Set(null);
        Assert.That(configuration[variable.Name], Is.EqualTo(fixture.Token), "the snapshot still has what the environment has no longer");
        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(configured));
    }

    [Test]
    public void A_source_needs_a_name_a_path_or_a_delegate()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => TokenSources.FromEnvironment(" "), Throws.ArgumentException);
            Assert.That(() => TokenSources.FromFile(""), Throws.ArgumentException);
            Assert.That(() => TokenSources.FromConfiguration(null!), Throws.ArgumentNullException);
            Assert.That(() => TokenSources.From(null!), Throws.ArgumentNullException);
            Assert.That(() => TokenSources.ClientCredentials("", "s"), Throws.ArgumentException);
            Assert.That(() => TokenSources.ClientCredentials("id", ""), Throws.ArgumentException);
            Assert.That(() => TokenSources.FirstOf(null!), Throws.ArgumentNullException);
        }
    }

    internal static HttpClient Client(ClientFixture fixture, ITokenSource source)
    {
        M3AuthOptions options = fixture.Options();
        options.TokenSource = source;
        return M3HttpClient.Create(ClientFixture.Address, options, fixture.Server, fixture.Log);
    }

    private sealed class Own : ITokenSource
    {
        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => new((string?)null);

        public override string ToString() => throw new AssertionException("its ToString() may hold anything");
    }

    /// <summary>A variable of this process that no other test has.</summary>
    private sealed class Variable : IDisposable
    {
        public Variable(string? value) => Set(value);

        public string Prefix { get; } = $"T{Guid.NewGuid():N}_";

        public string Name => Prefix + "TOKEN";

        public void Set(string? value) => Environment.SetEnvironmentVariable(Name, value);

        public void Dispose() => Set(null);
    }
}
