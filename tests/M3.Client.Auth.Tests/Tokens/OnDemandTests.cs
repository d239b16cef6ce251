using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>A source that is asked on demand is asked once for all, and only when another token is needed.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class OnDemandTests
{
    [Test]
    public async Task New_keys_are_no_reason_to_ask_for_another_token()
    {
        using var world = new World(keysMinutes: 10);
        world.Answer(world.ClientFixture.Token!);
        M3AccessToken first = await world.Provider.GetTokenAsync();
        world.ClientFixture.Issuer.Keys.Add(FakeIssuer.RsaJwk("rsa-2", FakeIssuer.OtherRsa));

        world.ClientFixture.Clock.Advance(TimeSpan.FromMinutes(10));
        M3AccessToken second = await world.Provider.GetTokenAsync();

        Assert.That((second.Value, world.Asked, world.ClientFixture.Issuer.JwksRequests), Is.EqualTo((first.Value, 1, 2)));
    }

    [Test]
    public async Task When_the_tokens_key_is_withdrawn_the_source_is_asked_for_another()
    {
        using var world = new World(keysMinutes: 10);
        world.Answer(world.ClientFixture.Token!);
        await world.Provider.GetTokenAsync();
        string second = world.ClientFixture.NewToken(algorithm: "ES256");
        world.Answer(second);
        world.ClientFixture.Issuer.Keys.RemoveAll(key => key["kid"]!.GetValue<string>() == FakeIssuer.RsaKeyId);

        world.ClientFixture.Clock.Advance(TimeSpan.FromMinutes(10));

        Assert.That((await world.Provider.GetTokenAsync()).Value, Is.EqualTo(second));
        Assert.That(world.ClientFixture.Log.Lines.Select(line => line.Text), Has.Exactly(1).StartsWith("Token from the cache refused: InvalidTokenSignature"));
    }

    [Test]
    public async Task Callers_that_were_refused_at_once_share_one_question()
    {
        using var world = new World();
        world.Answer(world.ClientFixture.Token!);
        M3AccessToken refused = await world.Provider.GetTokenAsync();
        TaskCompletionSource<string?> renewal = world.Hold();

        Task<M3AccessToken>[] callers = [.. Enumerable.Range(0, 10).Select(_ => world.Provider.RenewTokenAsync(refused).AsTask())];
        string newer = world.ClientFixture.NewToken();
        renewal.SetResult(newer);

        Assert.That((await Task.WhenAll(callers).WaitAsync(KeyCacheFixture.Patience)).Select(token => token.Value), Is.All.EqualTo(newer));
        Assert.That(world.Asked, Is.EqualTo(2));
    }

    // What was asked before M3 refused the token may be answered with that very token.
    [Test]
    public async Task A_renewal_that_was_under_way_before_the_refusal_and_brings_the_same_token_is_followed_by_another()
    {
        using var world = new World();
        string first = world.ClientFixture.Token!;
        world.Answer(first);
        M3AccessToken refused = await world.Provider.GetTokenAsync();
        world.ClientFixture.Clock.Advance(TimeSpan.FromMinutes(29.5));
        TaskCompletionSource<string?> renewal = world.Hold();
        await world.Provider.GetTokenAsync().AsTask().WaitAsync(KeyCacheFixture.Patience);
        await KeyCacheFixture.UntilAsync(() => world.Asked == 2, "the source is asked");
        string newer = world.ClientFixture.NewToken();

        Task<M3AccessToken> renewed = world.Provider.RenewTokenAsync(refused).AsTask();
        world.Answer(newer);
        renewal.SetResult(first);

        Assert.That((await renewed.WaitAsync(KeyCacheFixture.Patience)).Value, Is.EqualTo(newer));
        Assert.That(world.Asked, Is.EqualTo(3));
    }

    // Only a source that is read all the time is followed to something worse: that is somebody's decision, and this is a failed renewal.
    [Test]
    public async Task Its_useless_answer_keeps_the_usable_token_also_beside_a_polled_source()
    {
        using var world = new World(fromDemand => TokenSources.FirstOf(fromDemand, TokenSources.FromEnvironment("M3_TEST_NOT_SET")));
        string first = world.ClientFixture.Token!;
        world.Answer(first);
        await world.Provider.GetTokenAsync();

        world.Answer("junk");
        world.ClientFixture.Clock.Advance(TimeSpan.FromMinutes(29.5));

        await world.Provider.GetTokenAsync();
        await KeyCacheFixture.UntilAsync(() => world.ClientFixture.Log.Warnings.Any(warning => warning.Contains("Invalid token format", StringComparison.Ordinal)), "the failure is told");

        Assert.That((await world.Provider.GetTokenAsync()).Value, Is.EqualTo(first));
    }

    [Test]
    public async Task A_token_that_is_not_valid_yet_is_tried_again_when_its_time_has_come()
    {
        using var fixture = new ClientFixture();
        fixture.Token = fixture.NewToken(claims => claims["nbf"] = fixture.Now.AddMinutes(5).ToUnixTimeSeconds());
        await fixture.FailAsync<TokenNotYetValidException>();

        fixture.Clock.Advance(TimeSpan.FromMinutes(5));

        (await fixture.CallAsync()).Dispose();
    }

    [Test]
    public async Task The_log_tells_which_source_had_the_refused_token()
    {
        using var world = new World(fromDemand => TokenSources.FirstOf(TokenSources.FromEnvironment("M3_TEST_NOT_SET"), fromDemand));
        world.Answer("junk");

        await Assert.ThatAsync(() => world.Provider.GetTokenAsync().AsTask(), Throws.TypeOf<InvalidTokenFormatException>());

        Assert.That(world.ClientFixture.Log.Lines.Select(line => line.Text), Has.Exactly(1).StartsWith("Token from the delegate refused: InvalidTokenFormat"));
    }

    [Test]
    public async Task A_provider_as_a_source_has_its_own_settings_named()
    {
        using var fixture = new ClientFixture();
        var successor = M3AuthOptions.FromConfiguration(new ConfigurationBuilder().AddInMemoryCollection(
        [
            new("M4_OAUTH2_ISSUER_URL", FakeIssuer.Url),
            new("M4_OAUTH2_AUDIENCE", ClientFixture.Audience),
        ]).Build(), "M4_OAUTH2_");
        using var inner = new M3TokenProvider(successor);
        M3AuthOptions options = fixture.Options();
        options.TokenSource = TokenSources.From(async cancellationToken => (await inner.GetTokenAsync(cancellationToken)).Value);
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, options, fixture.Server);

        MissingTokenException error = (await Assert.ThrowsAsync<MissingTokenException>(() => client.GetAsync(ClientFixture.Address)))!;

        Assert.That(error.Remedy, Does.Contain("M4_OAUTH2_TOKEN").And.Not.Contains("M3_OAUTH2_"));
    }

    /// <summary>A provider whose source answers what it is told to, or when.</summary>
    private sealed class World : IDisposable
    {
        private Task<string?>? _answer;
        private int _asked;

        public World(Func<ITokenSource, ITokenSource>? among = null, int keysMinutes = 60)
        {
            M3AuthOptions options = ClientFixture.Options();
            options.Debug = true;
            options.JwksCacheTtl = TimeSpan.FromMinutes(keysMinutes);
            ITokenSource source = TokenSources.From(_ =>
            {
                Interlocked.Increment(ref _asked);
                return new(_answer!);
            });
            options.TokenSource = among?.Invoke(source) ?? source;
            Provider = new M3TokenProvider(options, ClientFixture.Log);
        }

        public ClientFixture ClientFixture { get; } = new();

        public M3TokenProvider Provider { get; }

        public int Asked => Volatile.Read(ref _asked);

        public void Answer(string token) => _answer = Task.FromResult<string?>(token);

        public TaskCompletionSource<string?> Hold()
        {
            var held = new TaskCompletionSource<string?>();
            _answer = held.Task;
            return held;
        }

        public void Dispose()
        {
            Provider.Dispose();
            ClientFixture.Dispose();
        }
    }
}
