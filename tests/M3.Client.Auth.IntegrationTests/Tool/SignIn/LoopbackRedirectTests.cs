using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace M3.Client.Auth.IntegrationTests.Tool.SignIn;

/// <summary>Where the browser brings the issuer's answer to: any page, and any program of this machine, can call it.</summary>
[Parallelizable(ParallelScope.All)]
[Platform(Exclude = "Win", Reason = "The browser that opens is a script here.")]
[UnsupportedOSPlatform("windows")]
public sealed class LoopbackRedirectTests
{
    private const string Endpoints =
        """
        {"issuer":"{issuer}","authorization_endpoint":"{issuer}/authorize","token_endpoint":"{issuer}/token","device_authorization_endpoint":"{issuer}/device",
        "code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true}
        """;

    private static readonly HttpClient Browser = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });

    [Test]
    public async Task What_is_not_the_answer_is_refused_and_the_wait_goes_on()
    {
        await using World world = await World.StartAsync();
        Dictionary<string, StringValues> asked = await world.AskedAsync();
        string address = asked["redirect_uri"]!;
        string state = asked["state"]!;

        Assert.That(await GetAsync(new Uri(new Uri(address), $"/elsewhere?state={state}&code=evil").AbsoluteUri), Is.EqualTo(HttpStatusCode.NotFound));
        Assert.That(await GetAsync($"{address}?state={state}x&code=evil"), Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await GetAsync($"{address}?code=evil"), Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await GetAsync($"{address}?state={state}&state={state}&code=evil"), Is.EqualTo(HttpStatusCode.BadRequest));
        Assert.That(await SendAsync(new HttpRequestMessage(HttpMethod.Post, $"{address}?state={state}&code=evil")), Is.EqualTo(HttpStatusCode.MethodNotAllowed));
        Assert.That(await SendAsync(new HttpRequestMessage(HttpMethod.Head, $"{address}?state={state}&code=evil")), Is.EqualTo(HttpStatusCode.MethodNotAllowed));
        using var encoded = new HttpRequestMessage(HttpMethod.Post, address) { Content = new StringContent("x", MediaTypeHeaderValue.Parse("text/plain")) };
        encoded.Content.Headers.ContentType!.CharSet = "utf-7";
        Assert.That(await SendAsync(encoded), Is.EqualTo(HttpStatusCode.MethodNotAllowed));
        using var telephone = new HttpRequestMessage(HttpMethod.Get, $"{address}?state=x") { Headers = { { "User-Agent", "UP" }, { "x-up-devcap-post-charset", "utf-7" } } };
        Assert.That(await SendAsync(telephone), Is.EqualTo(HttpStatusCode.BadRequest));
        using var rebound = new HttpRequestMessage(HttpMethod.Get, $"{address}?state={state}&code=evil") { Headers = { Host = "evil.test" } };
        Assert.That(await SendAsync(rebound), Is.EqualTo(HttpStatusCode.NotFound));
        await world.AnswerAsync("iss={issuer}&code=good");

        ExampleResult result = await world.FinishAsync();
        Assert.That(result.Output, Does.Contain("answered invalid_grant"), result.All);
        Dictionary<string, StringValues> redeemed = world.TokenRequests.Single();
        string challenge = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(redeemed["code_verifier"]!)));
        Assert.That((redeemed["code"], redeemed["redirect_uri"], challenge), Is.EqualTo((new StringValues("good"), new StringValues(address), (string)asked["code_challenge"]!)));
        Assert.That((asked["code_challenge_method"], asked["response_type"]), Is.EqualTo((new StringValues("S256"), new StringValues("code"))));
        Assert.That(result.All, Does.Not.Contain("good").And.Not.Contain((string)redeemed["code_verifier"]!));
    }

    [TestCase("iss=https://evil.test&code=c", "the answer is of another issuer, 'https://evil.test'")]
    [TestCase("code=c", "the answer does not say whose it is")]
    [TestCase("iss={issuer}&iss={issuer}&code=c", "has more than one 'iss'")]
    [TestCase("iss={issuer}&code=c&code=d", "has more than one 'code'")]
    [TestCase("iss={issuer}&code=", "has neither a code nor an error")]
    [TestCase("iss={issuer}&error=access_denied", "the sign-in was declined")]
    [TestCase("iss={issuer}&error=server_error&error_description=a%1b[2Jb", "the issuer answered server_error (a")]
    public async Task An_answer_that_will_not_do_ends_the_sign_in(string query, string expected)
    {
        await using World world = await World.StartAsync();

        (HttpStatusCode status, string page) = await world.AnswerAsync(query);

        ExampleResult result = await world.FinishAsync();
        Assert.That(result.ExitCode, Is.Not.Zero);
        Assert.That(result.Output, Does.Contain(expected).And.Not.Contain("\u001b"), result.All);
        Assert.That((status, page.Contains("Not signed in", StringComparison.Ordinal), world.TokenRequests.Length), Is.EqualTo((HttpStatusCode.BadRequest, true, 0)));
    }

    // Many issuers do not know RFC 9207 yet.
    [Test]
    public async Task Where_the_issuer_does_not_promise_to_say_whose_the_answer_is_it_need_not()
    {
        await using World world = await World.StartAsync(Endpoints.Replace("\"authorization_response_iss_parameter_supported\":true", "\"x\":0", StringComparison.Ordinal));

        await world.AnswerAsync("code=c");

        Assert.That((await world.FinishAsync()).Output, Does.Contain("answered invalid_grant"));
    }

    [Test]
    public async Task The_page_loads_nothing_and_is_kept_nowhere()
    {
        await using World world = await World.StartAsync();
        Dictionary<string, StringValues> asked = await world.AskedAsync();

        using HttpResponseMessage response = await Browser.GetAsync($"{asked["redirect_uri"]}?state=<b>x</b>");

        Assert.That(response.Headers.GetValues("Content-Security-Policy").Single(), Does.StartWith("default-src 'none'; ").And.Contain("frame-ancestors 'none'"));
        Assert.That(response.Headers.CacheControl!.NoStore && response.Headers.GetValues("Referrer-Policy").Single() == "no-referrer");
        Assert.That(await response.Content.ReadAsStringAsync(), Does.Not.Contain("<b>"));
    }

    [TestCase("\"code_challenge_methods_supported\":[\"S256\"]", "\"code_challenge_methods_supported\":[\"plain\"]", "does not say that it checks PKCE by S256")]
    [TestCase("\"code_challenge_methods_supported\":[\"S256\"]", "\"x\":0", "does not say that it checks PKCE by S256")]
    [TestCase("\"authorization_endpoint\"", "\"y\"", "names no page to sign in at")]
    public async Task An_issuer_without_PKCE_or_without_a_page_opens_no_browser(string part, string instead, string expected)
    {
        await using World world = await World.StartAsync(Endpoints.Replace(part, instead, StringComparison.Ordinal));

        ExampleResult result = await world.FinishAsync();

        Assert.That(result.Output, Does.Contain(expected).And.Contain("--device"), result.All);
        Assert.That(world.HasOpenedBrowser, Is.False);
    }

    [Test]
    public async Task Ctrl_C_ends_the_wait_and_nothing_listens_any_more()
    {
        await using World world = await World.StartAsync();
        string address = (await world.AskedAsync())["redirect_uri"]!;

        world.Interrupt();

        ExampleResult result = await world.FinishAsync();
        Assert.That((result.ExitCode, result.Error.EndsWith($"Stopped.{Environment.NewLine}", StringComparison.Ordinal)), Is.EqualTo((130, true)), result.All);
        Assert.That(async () => await GetAsync(address), Throws.InstanceOf<HttpRequestException>());
    }

    [Test]
    public async Task A_port_that_was_named_is_used_and_one_that_is_taken_is_named()
    {
        await using RecordingServer taken = await RecordingServer.StartAsync();
        await using World world = await World.StartAsync(more: ["--port", $"{taken.Address.Port}"]);

        ExampleResult result = await world.FinishAsync();

        Assert.That(result.Output, Does.Contain($"port {taken.Address.Port} of this machine cannot be used"), result.All);
        Assert.That(world.HasOpenedBrowser, Is.False);
    }

    // Who sits at the machine is guessed from what a terminal on a screen sets, and ssh does.
    [TestCase(":0", null, null, true)]
    [TestCase(null, null, null, false)]
    [TestCase(":0", "10.0.0.1 1 10.0.0.2 22", null, false)]
    [TestCase(":0", null, "--device", false)]
    [TestCase(null, "10.0.0.1 1 10.0.0.2 22", "--browser", true)]
    public async Task A_browser_opens_where_somebody_sits_and_a_code_is_shown_elsewhere(string? display, string? ssh, string? flag, bool opens)
    {
        await using World world = await World.StartAsync(flag: flag, settings: new()
        {
            ["DISPLAY"] = display ?? "",
            ["SSH_CONNECTION"] = ssh ?? "",
        });
        if (opens)
            await world.AnswerAsync("iss={issuer}&error=access_denied");

        ExampleResult result = await world.FinishAsync();

        Assert.That((world.HasOpenedBrowser, world.DeviceRequests), Is.EqualTo((opens, opens ? 0 : 1)), result.All);
    }

    [TestCase("--browser --device", "choose one")]
    [TestCase("--device --port 8080", "--port is for --browser")]
    [TestCase("--port 70000", "a number from 1 to 65535")]
    public async Task Two_ways_at_once_are_an_error_of_usage(string arguments, string expected)
    {
        ExampleResult result = await Example.RunToolAsync(null, ["login", .. arguments.Split(' ')]);

        Assert.That(result.ExitCode, Is.EqualTo(2), result.All);
        Assert.That(result.All, Does.Contain(expected));
    }

    private static async Task<HttpStatusCode> GetAsync(string address) => await SendAsync(new HttpRequestMessage(HttpMethod.Get, address));

    private static async Task<HttpStatusCode> SendAsync(HttpRequestMessage request)
    {
        using HttpResponseMessage response = await Browser.SendAsync(request);
        return response.StatusCode;
    }

    /// <summary>An issuer that gives nothing, and a person who is to sign in there.</summary>
    private sealed class World : IAsyncDisposable
    {
        private readonly ConcurrentQueue<Dictionary<string, StringValues>> _tokenRequests = new();
        private readonly string _metadata;
        private int _deviceRequests;
        private RecordingServer _issuer = null!;
        private BrowserLogin _login = null!;

        private World(string metadata) => _metadata = metadata;

        public Dictionary<string, StringValues>[] TokenRequests => [.. _tokenRequests];

        public int DeviceRequests => _deviceRequests;

        public bool HasOpenedBrowser => _login.HasOpened;

        private string IssuerUrl => _issuer.Address.AbsoluteUri.TrimEnd('/');

        public static async Task<World> StartAsync(string metadata = Endpoints, string? flag = "--browser", Dictionary<string, string>? settings = null, string[]? more = null)
        {
            var world = new World(metadata);
            world._issuer = await RecordingServer.StartAsync(world.AnswerAsync);
            world._login = BrowserLogin.Start(settings,
                ["login", "--issuer", world.IssuerUrl, "--audience", "m3-api", "--client-id", "mine", .. flag is null ? [] : (string[])[flag], .. more ?? []]);
            return world;
        }

        public async Task<Dictionary<string, StringValues>> AskedAsync() => QueryHelpers.ParseQuery((await _login.WaitForPageAsync()).Query);

        public async Task<(HttpStatusCode Status, string Page)> AnswerAsync(string query)
        {
            Dictionary<string, StringValues> asked = await AskedAsync();
            using HttpResponseMessage response = await Browser.GetAsync($"{asked["redirect_uri"]}?state={asked["state"]}&{query.Replace("{issuer}", Uri.EscapeDataString(IssuerUrl), StringComparison.Ordinal)}");
            return (response.StatusCode, await response.Content.ReadAsStringAsync());
        }

        public void Interrupt() => _login.Interrupt();

        public Task<ExampleResult> FinishAsync() => _login.FinishAsync();

        public async ValueTask DisposeAsync()
        {
            await _login.DisposeAsync();
            await _issuer.DisposeAsync();
        }

        private async Task AnswerAsync(HttpContext context)
        {
            switch (context.Request.Path.Value)
            {
                case "/.well-known/openid-configuration":
                    await context.Response.WriteAsync(_metadata.Replace("{issuer}", IssuerUrl, StringComparison.Ordinal));
                    return;
                case "/token":
                    _tokenRequests.Enqueue(new((await context.Request.ReadFormAsync()).Select(field => KeyValuePair.Create(field.Key, field.Value))));
                    context.Response.StatusCode = StatusCodes.Status400BadRequest;
                    await context.Response.WriteAsync("""{"error":"invalid_grant"}""");
                    return;
                case "/device":
                    Interlocked.Increment(ref _deviceRequests);
                    context.Response.StatusCode = StatusCodes.Status400BadRequest;
                    await context.Response.WriteAsync("""{"error":"invalid_client"}""");
                    return;
                default:
                    context.Response.StatusCode = StatusCodes.Status404NotFound;
                    return;
            }
        }
    }
}
