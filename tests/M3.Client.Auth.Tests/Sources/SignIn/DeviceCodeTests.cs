using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>A program without a browser, whose person signs in on another device.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class DeviceCodeTests
{
    private const string Pending = "authorization_pending";

    [Test]
    public async Task The_person_is_shown_the_code_and_the_call_waits_for_them()
    {
        using var world = new DeviceWorld();
        Task<HttpResponseMessage> call = world.Client().GetAsync("");
        await world.PollAsync(Pending, 5);
        await world.PollAsync(Pending, 5);

        await world.PollAsync(null, 5);

        (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();
        Assert.That(world.Prompts.Single().UserCode, Is.EqualTo("WDJB-MJHT"));
        Assert.That(world.Prompts.Single().VerificationUri, Is.EqualTo(new Uri("https://issuer.test/activate")));
        Assert.That(world.Inner.Forms[0], Is.EquivalentTo(new Dictionary<string, string>
        {
            ["client_id"] = "m3-cli",
            ["scope"] = "read:mimic-data offline_access",
            ["audience"] = ClientFixture.Audience,
            ["resource"] = "https://m3.test/sse",
        }));
        Assert.That(world.Inner.Forms[1], Is.EquivalentTo(new Dictionary<string, string>
        {
            ["client_id"] = "m3-cli",
            ["grant_type"] = "urn:ietf:params:oauth:grant-type:device_code",
            ["device_code"] = "the-device-code",
            ["resource"] = "https://m3.test/sse",
        }));
        Assert.That(Directory.Exists(world.Inner.Place.Path), Is.False, "nothing is kept unless it is asked for");
    }

    [Test]
    public async Task Without_a_resource_of_its_own_it_asks_for_the_settings_one()
    {
        using var world = new DeviceWorld();
        Task<HttpResponseMessage> call = world.Inner.Client(options =>
            (options.TokenSource, options.Resource) = (TokenSources.DeviceCode("m3-cli", (_, _) => ValueTask.CompletedTask), "https://m3.test/settings")).GetAsync("");
        await world.PollAsync(null, 5);

        (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();
        Assert.That(world.Inner.Forms, Has.Count.EqualTo(2).And.All.ContainKey("resource").WithValue("https://m3.test/settings"));
    }

    [Test]
    public async Task Slow_down_adds_five_seconds_for_good()
    {
        using var world = new DeviceWorld();
        Task<HttpResponseMessage> call = world.Client().GetAsync("");

        await world.PollAsync("slow_down", 5);
        await world.PollAsync(Pending, 10);
        await world.PollAsync("slow_down", 10);
        await world.PollAsync(null, 15);

        (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();
    }

    [Test]
    public async Task The_issuer_s_interval_counts()
    {
        using var world = new DeviceWorld();
        world.DeviceAnswer["interval"] = 12;
        Task<HttpResponseMessage> call = world.Client().GetAsync("");

        await world.PollAsync(Pending, 12);
        await world.PollAsync(null, 12);

        (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();
    }

    [TestCase("503")]
    [TestCase("unreachable")]
    public async Task That_the_issuer_is_away_for_a_moment_is_no_end_and_it_is_asked_less_often(string how)
    {
        using var world = new DeviceWorld();
        Task<HttpResponseMessage> call = world.Client().GetAsync("");

        await world.PollAsync(how, 5);
        await world.PollAsync(how, 10);
        await world.PollAsync(Pending, 20);
        await world.PollAsync(null, 5);

        (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();
    }

    [TestCase("access_denied", "the sign-in was declined")]
    [TestCase("expired_token", "the code has expired before anybody signed in with it")]
    [TestCase("invalid_client", "answered invalid_client")]
    public async Task Whatever_else_the_issuer_says_is_the_end(string error, string expected)
    {
        using var world = new DeviceWorld();
        Task<HttpResponseMessage> call = world.Client().GetAsync("");

        await world.PollAsync(error, 5);

        var failure = await Assert.CatchAsync<TokenRequestFailedException>(() => call.WaitAsync(KeyCacheFixture.Patience));
        Assert.That(failure!.Message, Does.Contain(expected));
        Assert.That(failure.ToString() + world.Inner.Fixture.Log.Everything, Does.Not.Contain("the-device-code").And.Not.Contain("WDJB-MJHT"));
    }

    [Test]
    public async Task A_code_that_nobody_uses_expires_although_the_issuer_says_nothing()
    {
        using var world = new DeviceWorld();
        world.DeviceAnswer["expires_in"] = 12;
        Task<HttpResponseMessage> call = world.Client().GetAsync("");
        await world.PollAsync(Pending, 5);
        await world.PollAsync(Pending, 5);

        await world.WaitForTimerAsync(5);
        world.Inner.Fixture.Clock.Advance(TimeSpan.FromSeconds(5));

        await Assert.ThatAsync(() => call.WaitAsync(KeyCacheFixture.Patience), Throws.TypeOf<TokenRequestFailedException>().With.Message.Contains("has expired"));
    }

    [Test]
    public async Task A_person_may_take_longer_than_any_other_source()
    {
        using var world = new DeviceWorld();
        Task<HttpResponseMessage> call = world.Client(client => client.Timeout = Timeout.InfiniteTimeSpan).GetAsync("");

        for (int i = 0; i < 100; i++)
            await world.PollAsync(Pending, 5);
        await world.PollAsync(null, 5);

        (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();
    }

    [TestCase("verification_uri", "http://issuer.test/activate")]
    [TestCase("verification_uri", "javascript:alert(1)")]
    [TestCase("verification_uri", null)]
    [TestCase("user_code", null)]
    [TestCase("device_code", null)]
    [TestCase("expires_in", null)]
    public async Task An_answer_that_lacks_what_is_needed_is_refused_and_nobody_is_shown_anything(string member, string? value)
    {
        using var world = new DeviceWorld();
        world.DeviceAnswer[member] = value;

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>().With.Message.Contains("answered without a device_code, a user_code"));
        Assert.That(world.Prompts, Is.Empty);
    }

    [Test]
    public async Task An_address_that_no_picture_could_hold_is_as_good_as_none()
    {
        using var world = new DeviceWorld();
        world.DeviceAnswer["verification_uri_complete"] = $"https://issuer.test/activate?{new string('x', 3000)}";

        await world.SignInAsync(world.Client());

        Assert.That(world.Prompts.Single().VerificationUriComplete, Is.Null);
    }

    [Test]
    public async Task An_issuer_without_device_codes_says_so()
    {
        using var world = new DeviceWorld();
        world.Inner.Metadata.Remove("device_authorization_endpoint");

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EndsWith("has no metadata that names its device_authorization_endpoint").And.Property("IsTransient").False);
    }

    [TestCase("http://issuer.test/device", "is not https")]
    [TestCase("https://localhost/device", "is on this machine")]
    public async Task The_endpoint_is_guarded_like_the_others(string address, string expected)
    {
        using var world = new DeviceWorld();
        world.Inner.Metadata["device_authorization_endpoint"] = address;

        await Assert.ThatAsync(() => world.Client().GetAsync(""), Throws.TypeOf<TokenRequestFailedException>().With.Message.Contains(expected));
    }

    [Test]
    public async Task The_refresh_token_renews_it_and_nobody_is_asked_again_until_it_is_refused()
    {
        using var world = new DeviceWorld();
        HttpClient client = world.Client();
        await world.SignInAsync(client);

        world.Inner.Fixture.Clock.Advance(TimeSpan.FromMinutes(30));
        (await client.GetAsync("")).Dispose();
        Assert.That(world.Inner.Forms[^1]["refresh_token"], Is.EqualTo("refresh-1"));
        Assert.That(world.Prompts, Has.Count.EqualTo(1));

        world.RefreshError = "invalid_grant";
        world.Inner.Fixture.Clock.Advance(TimeSpan.FromMinutes(30));
        await world.SignInAsync(client);
        Assert.That(world.Prompts, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Kept_it_is_found_by_the_next_start()
    {
        using var world = new DeviceWorld();
        await world.SignInAsync(world.Client(keep: true));

        (await world.Client(keep: true).GetAsync("")).Dispose();

        Assert.That(world.Prompts, Has.Count.EqualTo(1));
        Assert.That(world.Inner.Kept.RefreshToken, Is.EqualTo("refresh-1"));
        Assert.That(world.Inner.Kept.Subject, Is.EqualTo("researcher"));

        world.RefreshError = "invalid_grant";
        world.Inner.Fixture.Clock.Advance(TimeSpan.FromMinutes(30));
        await world.SignInAsync(world.Client(keep: true));
        Assert.That(world.Prompts, Has.Count.EqualTo(2), "when it has ended the person is asked, since they are here");
    }

    [Test]
    public async Task One_that_was_discovered_goes_to_its_origin_only_here_too()
    {
        using var world = new DeviceWorld();
        world.Inner.SignIn(TimeSpan.FromMinutes(30), signIn => signIn with { OnlyFor = new Uri("https://elsewhere.test") });

        UntrustedOriginException error = await SignedInWorld.FailAsync<UntrustedOriginException>(world.Client(keep: true));

        Assert.That(error.Message, Does.Contain("was discovered from https://elsewhere.test"));
        Assert.That(world.Inner.Fixture.Server.Arrivals, Is.Empty);
    }

    [Test]
    public void Nothing_that_shows_a_prompt_shows_its_code()
    {
        var prompt = new DeviceCodePrompt("WDJB-MJHT", new Uri("https://issuer.test/activate"), new Uri("https://issuer.test/activate?user_code=WDJB-MJHT"), ClientFixture.Noon);

        Assert.That(string.Format(CultureInfo.InvariantCulture, "{0} {1}", prompt, JsonSerializer.Serialize(prompt)), Does.Not.Contain("WDJB").And.Contain("activate"));
    }

    /// <summary>Tells each delay that somebody waits for; timeouts are none.</summary>
    private sealed class DelayClock() : FakeTimeProvider(ClientFixture.Noon)
    {
        private readonly Channel<TimeSpan> _delays = Channel.CreateUnbounded<TimeSpan>();

        public ChannelReader<TimeSpan> Delays => _delays.Reader;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, dueTime, period);
            if (state is Task)
                _delays.Writer.TryWrite(dueTime);
            return timer;
        }
    }

    /// <summary>An issuer with a device endpoint, whose answers the test gives one by one.</summary>
    private sealed class DeviceWorld : IDisposable
    {
        private readonly Queue<string?> _answers = new();
        private readonly DelayClock _clock = new();
        private int _given;

        public DeviceWorld()
        {
            Inner = new SignedInWorld(new ClientFixture { Clock = _clock });
            Inner.Answer = Respond;
        }

        public SignedInWorld Inner { get; }

        public List<DeviceCodePrompt> Prompts { get; } = [];

        public JsonObject DeviceAnswer { get; } = new()
        {
            ["device_code"] = "the-device-code",
            ["user_code"] = "WDJB-MJHT",
            ["verification_uri"] = "https://issuer.test/activate",
            ["expires_in"] = 1800,
        };

        public string? RefreshError { get; set; }

        public HttpClient Client(Action<HttpClient>? configure = null, bool keep = false)
        {
            HttpClient client = Inner.Client(options => options.TokenSource = new DeviceCodeTokenSource("m3-cli", (prompt, _) =>
            {
                Prompts.Add(prompt);
                return default;
            }, "https://m3.test/sse", keep, Inner.Place.Path));
            configure?.Invoke(client);
            return client;
        }

        /// <summary>Waits for the wait for the next poll, which must be as long as said, lets it pass, and has the issuer answer so; null: with tokens.</summary>
        public async Task PollAsync(string? error, int seconds)
        {
            await WaitForTimerAsync(seconds);
            int before = Inner.Forms.Count;
            _answers.Enqueue(error);
            _clock.Advance(TimeSpan.FromSeconds(seconds));
            await KeyCacheFixture.UntilAsync(() => Inner.Forms.Count > before, "the issuer is asked");
        }

        public async Task WaitForTimerAsync(int seconds)
        {
            using var patience = new CancellationTokenSource(KeyCacheFixture.Patience);
            Assert.That(await _clock.Delays.ReadAsync(patience.Token), Is.EqualTo(TimeSpan.FromSeconds(seconds)));
        }

        public async Task SignInAsync(HttpClient client)
        {
            Task<HttpResponseMessage> call = client.GetAsync("");
            await PollAsync(null, 5);
            (await call.WaitAsync(KeyCacheFixture.Patience)).Dispose();
        }

        public void Dispose() => Inner.Dispose();

        private HttpResponseMessage Respond(Dictionary<string, string> form)
        {
            if (!form.TryGetValue("grant_type", out string? grant))
                return FakeIssuer.Json(DeviceAnswer.ToJsonString());
            string? error = grant == "refresh_token" ? RefreshError : _answers.Dequeue();
            return error switch
            {
                null => SignedInWorld.Grant(Inner.Fixture.NewToken(), $"refresh-{++_given}"),
                "503" => new HttpResponseMessage(HttpStatusCode.ServiceUnavailable),
                "unreachable" => throw new HttpRequestException(HttpRequestError.ConnectionError),
                _ => SignedInWorld.Refuse(error),
            };
        }
    }
}
