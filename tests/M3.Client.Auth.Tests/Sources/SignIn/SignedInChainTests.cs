using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>Which programs find a kept sign-in by themselves, and where its token may go.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SignedInChainTests
{
    private const string Name = "the sign-in kept by m3-token login";

    [TestCase(null, true, true)]
    [TestCase(null, false, false)]
    [TestCase(true, false, true)]
    [TestCase(false, true, false)]
    public void It_is_the_last_of_the_chain_for_scripts_and_by_setting_for_services(bool? setting, bool isScript, bool expected)
    {
        var options = new M3AuthOptions { SignedIn = setting, IsScript = isScript, ClientId = "id", ClientSecret = "made-up" };

        string chain = DefaultTokenSource.Create(options).DescribeSource();

        Assert.That(chain, expected ? Does.EndWith(", " + Name) : Does.Not.Contain(Name));
    }

    [Test]
    public void A_program_that_reads_its_environment_is_a_script() =>
        Assert.That(M3AuthOptions.FromEnvironment("NOBODY_HAS_THIS_").IsScript, Is.True);

    [Test]
    public async Task Without_any_token_a_script_is_told_to_sign_in()
    {
        using var fixture = new ClientFixture(options => (options.TokenSource, options.Prefix) = (null, "NOBODY_HAS_THIS_"));

        MissingTokenException error = await fixture.FailAsync<MissingTokenException>();

        Assert.That(error.Message, Does.EndWith($"looked in the environment variable NOBODY_HAS_THIS_TOKEN, {Name}"));
        Assert.That(error.Remedy, Does.StartWith("Sign in once with m3-token login, or set NOBODY_HAS_THIS_TOKEN"));
    }

    [Test]
    public async Task Switched_off_it_is_off_even_where_the_program_asks_for_it()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromMinutes(30));

        await SignedInWorld.FailAsync<MissingTokenException>(world.Client(options => options.SignedIn = false));
    }

    [Test]
    public async Task Where_the_variable_has_a_token_no_sign_in_is_looked_at()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromMinutes(30));
        string token = world.Fixture.NewToken();
        // Whoever looked would find a directory that is refused.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(world.Place.Path, (UnixFileMode)0b111_111_111);

        HttpClient client = world.Client(options => options.TokenSource = TokenSources.FirstOf(TokenSources.FromValue(token), options.TokenSource!));
        (await client.GetAsync("")).Dispose();

        Assert.That(world.Sent, Is.EqualTo([token]));
    }

    [Test]
    public async Task A_discovered_sign_in_goes_to_the_origin_that_it_was_discovered_from()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromMinutes(30), signIn => signIn with { OnlyFor = new Uri("https://m3.test/") });

        (await world.Client().GetAsync("")).Dispose();

        Assert.That(world.Sent.Count(), Is.EqualTo(1));
    }

    [TestCase(false, "https://m3.test/sse")]
    [TestCase(true, "https://m3.test/sse")]
    public async Task And_nowhere_else_allowed_or_not(bool isRenewed, string target)
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromSeconds(isRenewed ? -1 : 1800), signIn => signIn with { OnlyFor = new Uri("https://elsewhere.test") });
        HttpClient client = world.Client(options => options.AllowedOrigins.Add(new Uri("https://elsewhere.test")));

        for (int i = 0; i < 2; i++)
        {
            var error = await Assert.CatchAsync<UntrustedOriginException>(() => client.GetAsync(target));
            Assert.That(error!.Message, Does.EndWith("https://m3.test:443 (the sign-in was discovered from https://elsewhere.test:443, and its token goes there only)"));
        }

        Assert.That(() => client.Send(new HttpRequestMessage(HttpMethod.Get, target)), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(world.Fixture.Server.Arrivals, Is.Empty);
        (await client.GetAsync("https://elsewhere.test/sse")).Dispose();
    }

    [Test]
    public async Task Nor_to_a_host_that_the_request_names_beside_its_address()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromMinutes(30), signIn => signIn with { OnlyFor = new Uri("https://m3.test") });
        HttpClient client = world.Client(options => options.AllowedOrigins.Add(new Uri("https://elsewhere.test")));
        using var request = new HttpRequestMessage(HttpMethod.Get, ClientFixture.Address) { Headers = { Host = "elsewhere.test" } };

        Assert.That(() => client.SendAsync(request), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(world.Fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task After_a_refusal_the_renewed_token_is_held_back_as_well()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromMinutes(30), signIn => signIn with { OnlyFor = new Uri("https://elsewhere.test") });
        string first = world.Fixture.NewToken();
        string? token = first;
        ITokenSource other = TokenSources.From(_ => new(Interlocked.Exchange(ref token, null)));
        HttpClient client = world.Client(options => options.TokenSource = TokenSources.FirstOf(other, options.TokenSource!));
        world.Fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer");

        Assert.That(() => client.GetAsync(""), Throws.TypeOf<UntrustedOriginException>());
        Assert.That(world.Sent, Is.EqualTo([first]));
    }

    [Test]
    public async Task Nor_into_a_child_s_environment()
    {
        using var world = new SignedInWorld();
        world.SignIn(TimeSpan.FromMinutes(30), signIn => signIn with { OnlyFor = new Uri("https://m3.test") });
        M3AuthOptions options = world.Fixture.Options();
        options.TokenSource = new SignedInTokenSource(null, world.Place.Path);
        using var provider = new M3TokenProvider(options);

        Assert.That(() => provider.GetEnvironmentAsync().AsTask(), Throws.TypeOf<UntrustedOriginException>());
    }
}
