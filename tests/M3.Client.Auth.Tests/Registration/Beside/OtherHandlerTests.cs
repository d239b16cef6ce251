using System.Net.Http.Headers;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.DependencyInjection;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary>Handlers of an application's own: one that authenticates, one that adds headers, one that logs, one that moves the call elsewhere.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class OtherHandlerTests
{
    [Test]
    public async Task A_handler_that_authenticates_has_its_way_and_only_outside_is_it_seen([Values] Side side)
    {
        using var app = new BesideFixture(options => options.RateLimitRequests = 1);
        app.AddClient(side, builder => builder.AddHandler(new() { OnTheWay = request => request.Headers.Authorization = new("Basic", "dXNlcjpwYXNz") }));

        await app.CallAsync();

        bool isSeen = side == Side.Outside;
        Assert.That(app.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo("dXNlcjpwYXNz"));
        Assert.That(app.ClientFixture.Reads, isSeen ? Is.Zero : Is.Positive, "whether a token was looked for");
        Assert.That(app.Warnings.Select(line => line.Event.Name), Is.EqualTo(isSeen ? (string[])[nameof(Log.ForeignAuthorization)] : []));
        Assert.That(await IsRefusedAsync(app.CallAsync), Is.EqualTo(!isSeen), "whether it was counted");
    }

    [Test]
    public async Task A_header_that_is_added_arrives_and_only_one_from_outside_is_counted_by([Values] Side side)
    {
        string? arrived = null;
        using var app = new BesideFixture(options => options.RateLimitRequests = 1);
        app.Server.Answer = request =>
        {
            arrived = string.Join(',', request.Headers.GetValues("Mcp-Method"));
            return new HttpResponseMessage { RequestMessage = request };
        };
        app.AddClient(side, builder => builder.AddHandler(new() { OnTheWay = request => request.Headers.Add("Mcp-Method", "tools/list") }));

        await app.CallAsync();

        Assert.That(arrived, Is.EqualTo("tools/list"));
        Assert.That(await IsRefusedAsync(app.CallAsync), Is.EqualTo(side == Side.Inside), "it is no tool call, which only a header from outside can tell");
    }

    // Of a Host header .NET takes the name that TLS checks.
    [Test]
    public async Task A_host_that_is_not_M3s_gets_no_token([Values] Side side)
    {
        using var app = new BesideFixture();
        app.AddClient(side, builder => builder.AddHandler(new() { OnTheWay = request => request.Headers.Host = "evil.test" }));

        await Assert.ThatAsync(() => app.CallAsync(), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("Host header is 'evil.test'"));

        Assert.That(app.Server.Arrivals, Is.Empty);
    }

    // The message is the same on the way back, and has the header then.
    [TestCase(Side.Outside, ExpectedResult = "without, then with")]
    [TestCase(Side.Inside, ExpectedResult = "with, then with")]
    public async Task<string> What_logs_before_it_sends_sees_no_token_from_outside(Side side)
    {
        List<string> seen = [];
        using var app = new BesideFixture();
        app.AddClient(side, builder => builder.AddHandler(new() { OnTheWay = See, OnTheWayBack = See }));

        await app.CallAsync();

        return string.Join(", then ", seen);

        void See(HttpRequestMessage request) => seen.Add(request.Headers.Authorization is null ? "without" : "with");
    }

    [Test]
    public async Task A_call_that_is_moved_elsewhere_does_not_take_the_token_along([Values] Side side, [Values] bool synchronous)
    {
        using var app = new BesideFixture(options => options.AllowedOrigins.Add(ClientFixture.Address));
        app.AddClient(side, builder => builder.AddHttpMessageHandler(() => new Router(new Uri("https://evil.test/"))));

        await Assert.ThatAsync(() => SendAsync(app.Client(), synchronous), Throws.TypeOf<UntrustedOriginException>().With.Message.Contains("https://evil.test:443"));

        Assert.That(app.Server.Arrivals, Is.Empty);
    }

    [Test]
    public async Task A_call_that_is_moved_within_M3_takes_it_along([Values] Side side, [Values] bool synchronous)
    {
        using var app = new BesideFixture(options => options.AllowedOrigins.Add(ClientFixture.Address));
        app.AddClient(side, builder => builder.AddHttpMessageHandler(() => new Router(new Uri(ClientFixture.Address, "/mcp"))));

        await SendAsync(app.Client(), synchronous);

        Assert.That(app.Server.Arrivals.Select(arrival => (arrival.Url!.AbsolutePath, arrival.Token)), Is.EqualTo([("/mcp", app.ClientFixture.Token)]));
    }

    [Test]
    public async Task A_call_that_is_moved_elsewhere_with_a_header_of_its_own_goes_there([Values] Side side)
    {
        using var app = new BesideFixture(options => options.AllowedOrigins.Add(ClientFixture.Address));
        app.AddClient(side, builder => builder.AddHandler(new()
        {
            OnTheWay = request => (request.RequestUri, request.Headers.Authorization) = (new Uri("https://other.test/"), new AuthenticationHeaderValue("Basic", "dXNlcjpwYXNz")),
        }));

        await app.CallAsync();

        Assert.That(app.Server.Arrivals.Select(arrival => arrival.Url!.Host), Is.EqualTo(["other.test"]));
    }

    [Test]
    public async Task Without_OAuth2_a_call_goes_wherever_it_is_moved([Values] Side side)
    {
        using var app = new BesideFixture(options => options.Enabled = false);
        app.AddClient(side, builder => builder.AddHttpMessageHandler(() => new Router(new Uri("https://other.test/"))));

        await app.CallAsync();

        Assert.That(app.Server.Arrivals, Is.EqualTo([new Arrival(HttpMethod.Post, new Uri("https://other.test/"), null, null)]));
    }

    // A handler of ours that was built by hand has settings that only it knows.
    [Test]
    public async Task A_client_without_AddM3Auth_is_left_alone()
    {
        using var app = new BesideFixture();
        app.AddM3(app.Services.AddHttpClient("m3"));
        app.Services.AddHttpClient("other").ConfigurePrimaryHttpMessageHandler(() => app.Server)
            .AddHttpMessageHandler(() => new M3AuthHandler(app.ClientFixture.Options(), app.ClientFixture.Log)).AddHandler(new());

        await app.CallAsync(client: "other");

        Assert.That(app.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(app.ClientFixture.Token));
    }

    private static async Task SendAsync(HttpClient client, bool synchronous)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);
        (synchronous ? client.Send(request) : await client.SendAsync(request)).Dispose();
    }

    private static async Task<bool> IsRefusedAsync(Func<string?, string, Task> call)
    {
        try
        {
            await call(null, "m3");
            return false;
        }
        catch (RateLimitExceededException)
        {
            return true;
        }
    }

    /// <summary>Sends every call to one address, as a message of its own with the headers of the one that came.</summary>
    private sealed class Router(Uri address) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            base.SendAsync(Move(request), cancellationToken);

        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
            base.Send(Move(request), cancellationToken);

        private HttpRequestMessage Move(HttpRequestMessage request)
        {
            var moved = new HttpRequestMessage(request.Method, address) { Content = request.Content };
            foreach ((string name, IEnumerable<string> values) in request.Headers)
                moved.Headers.TryAddWithoutValidation(name, values);
            return moved;
        }
    }
}
