using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>What a source of the user's can do: be made of others, and be read by a test.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class OwnSourceTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Test]
    public async Task Made_of_others_it_polls_the_one_and_keeps_the_others_token()
    {
        int polled = 0, asked = 0;
        string? news = null;
        using var fixture = new ClientFixture();
        var chain = new EitherSource(new Polled(() => ++polled > 0 ? news : null), TokenSources.From(_ => ++asked > 0 ? new(fixture.NewToken()) : default));
        using HttpClient client = TokenSourceTests.Client(fixture, chain);

        for (int i = 0; i < 5; i++)
        {
            (await client.GetAsync("")).Dispose();
            fixture.Clock.Advance(Second);
        }

        Assert.That((polled, asked), Is.EqualTo((5, 1)));
        news = fixture.NewToken();
        (await client.GetAsync("")).Dispose();
        Assert.That(fixture.Server.Arrivals[^1].Token, Is.EqualTo(news));
    }

    [Test]
    public async Task Made_of_others_it_has_each_of_them_left_alone_after_its_own_failure()
    {
        int asked = 0;
        bool fails = true;
        using var fixture = new ClientFixture();
        var chain = new EitherSource(new Polled(() => null), TokenSources.From(_ => ++asked > 0 && fails ? throw new IOException() : new(fixture.NewToken())));
        using HttpClient client = TokenSourceTests.Client(fixture, chain);

        for (int i = 0; i < 20; i++)
            await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>());
        Assert.That(asked, Is.EqualTo(1));

        fails = false;
        fixture.Clock.Advance(2 * Second);
        (await client.GetAsync("")).Dispose();
    }

    [Test]
    public async Task A_test_reads_it_with_a_context_of_its_own()
    {
        var context = new TokenSourceContext { Audience = "m3-api", RequiredScopes = ["read:mimic-data"] };

        TokenReading? reading = await context.ReadAsync(TokenSources.FromValue("a.b.c"), CancellationToken.None);

        Assert.That(reading!.Token, Is.EqualTo("a.b.c"));
        Assert.That(reading.ToString(), Does.Contain("the given value").And.Not.Contain("a.b.c"));
        Assert.That(await context.ReadAsync(TokenSources.FromValue(" "), CancellationToken.None), Is.Null);
    }

    [Test]
    public void A_context_of_its_own_has_no_backchannel_until_it_is_given_one()
    {
        var context = new TokenSourceContext();

        Assert.That(async () => await context.Backchannel.SendAsync(new HttpRequestMessage(HttpMethod.Get, FakeIssuer.Url), CancellationToken.None),
            Throws.InvalidOperationException.With.Message.Contains("Backchannel"));
    }

    [Test]
    public async Task The_keys_are_fetched_when_somebody_asks_and_without_any_token()
    {
        using var fixture = new ClientFixture();
        using var provider = new M3TokenProvider(fixture.Options());
        JwksStatus before = provider.GetKeyStatus();
        Assert.That((before.State, before.FetchedAt, before.UsableKeys.Count, before.IgnoredKeys.Count), Is.EqualTo((JwksState.Empty, (DateTimeOffset?)null, 0, 0)));

        JwksStatus status = await provider.RefreshKeysAsync();
        await provider.RefreshKeysAsync();

        Assert.That((status.State, fixture.Issuer.JwksRequests), Is.EqualTo((JwksState.Fresh, 2)));
        fixture.Issuer.GoDown();
        await Assert.ThatAsync(() => provider.RefreshKeysAsync(), Throws.TypeOf<JwksUnavailableException>());
    }

    [Test]
    public async Task No_keys_are_fetched_when_OAuth2_is_off()
    {
        using var provider = new M3TokenProvider(new M3AuthOptions { Enabled = false });

        await Assert.ThatAsync(() => provider.RefreshKeysAsync(), Throws.TypeOf<MissingTokenException>());
    }

    private sealed class Polled(Func<string?> read) : ITokenSource
    {
        public TimeSpan? PollInterval => Second;

        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => new(read());
    }

    private sealed class EitherSource(ITokenSource polled, ITokenSource other) : ITokenSource
    {
        public TimeSpan? PollInterval => polled.PollInterval;

        public async ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
            (await ReadWithSourceAsync(context, cancellationToken))?.Token;

        public async ValueTask<TokenReading?> ReadWithSourceAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
            await context.ReadAsync(polled, cancellationToken)
            ?? (context.Current?.Source == other ? context.Current : await context.ReadAsync(other, cancellationToken));
    }
}
