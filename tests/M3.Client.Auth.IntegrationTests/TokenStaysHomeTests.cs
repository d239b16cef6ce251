using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Polly;
using Polly.Retry;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>The token reaches M3 and nobody else. Each test asserts what arrived where.</summary>
public sealed class TokenStaysHomeTests
{
    private TestIssuer _issuer = null!;
    private RecordingServer _m3 = null!;
    private RecordingServer _stranger = null!;
    private string _token = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _issuer = await TestIssuer.StartAsync();
        _m3 = await RecordingServer.StartAsync();
        _stranger = await RecordingServer.StartAsync();
        _token = _issuer.CreateToken();
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _stranger.DisposeAsync();
        await _m3.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Test]
    public async Task A_call_to_another_origin_is_refused_and_nothing_arrives_there()
    {
        using HttpClient http = M3HttpClient.Create(_m3.Address, _issuer.OptionsWith(_token));

        await Assert.ThatAsync(() => http.GetAsync(_stranger.Address), Throws.TypeOf<UntrustedOriginException>());

        AssertArrived(_stranger);
        AssertArrived(_m3);
        Assert.That(_issuer.Arrivals, Is.Empty, "not even the keys are fetched for it");
    }

    [Test]
    public async Task Where_no_origin_is_named_the_first_one_used_is_the_only_one()
    {
        using var http = new HttpClient(new M3AuthHandler(_issuer.OptionsWith(_token)) { InnerHandler = new SocketsHttpHandler() });

        using HttpResponseMessage response = await http.GetAsync(_m3.Address);
        await Assert.ThatAsync(() => http.GetAsync(_stranger.Address), Throws.TypeOf<UntrustedOriginException>());

        AssertArrived(_m3, _token);
        AssertArrived(_stranger);
    }

    [Test]
    public async Task Plain_HTTP_to_a_name_that_is_not_loopback_is_refused_before_it_is_even_looked_up()
    {
        int connections = 0;
        using HttpClient http = M3HttpClient.Create(new("http://m3.example.org/sse"), _issuer.OptionsWith(_token), HandlerTo(_m3, () => connections++));

        await Assert.ThatAsync(() => http.GetAsync("http://m3.example.org/sse"), Throws.TypeOf<UntrustedOriginException>());

        Assert.That(connections, Is.Zero);
        AssertArrived(_m3);
    }

    [Test]
    public async Task Plain_HTTP_inside_a_cluster_goes_when_it_is_asked_for_and_the_log_says_so_once()
    {
        using var log = new CapturedLog();
        M3AuthOptions options = _issuer.OptionsWith(_token);
        options.RequireHttps = false;
        using HttpClient http = M3HttpClient.Create(new("http://m3.example.org/sse"), options, HandlerTo(_m3, () => { }), log);

        using HttpResponseMessage first = await http.GetAsync("http://m3.example.org/sse");
        using HttpResponseMessage second = await http.GetAsync("http://m3.example.org/sse");

        AssertArrived(_m3, _token, _token);
        Assert.That(log.Lines.Count(line => line.Contains("plain HTTP", StringComparison.Ordinal)), Is.EqualTo(1));
    }

    [Test]
    public async Task A_redirect_that_the_inner_handler_follows_to_another_origin_carries_no_token_and_its_401_says_so()
    {
        await using RecordingServer stranger = await RecordingServer.StartAsync(statusCode: 401);
        await using RecordingServer m3 = await RedirectingToAsync(stranger);
        using HttpClient http = M3HttpClient.Create(m3.Address, _issuer.OptionsWith(_token), new SocketsHttpHandler { AllowAutoRedirect = true });

        RejectedException error = (await Assert.ThrowsAsync<RejectedException>(() => http.PostAsync(m3.Address, new StringContent("{}"))))!;

        AssertArrived(m3, _token);
        AssertArrived(stranger, [null]);
        Assert.That(error.Message, Does.Contain("redirected").And.Contain(stranger.Address.Authority));
    }

    [Test]
    public async Task After_such_a_redirect_the_call_is_not_repeated_with_a_newer_token()
    {
        var source = new LiveTokenSource(_token);
        await using RecordingServer stranger = await RecordingServer.StartAsync(context =>
        {
            source.Token = _issuer.CreateToken();
            context.Response.StatusCode = 401;
            return Task.CompletedTask;
        });
        await using RecordingServer m3 = await RedirectingToAsync(stranger);
        using HttpClient http = M3HttpClient.Create(m3.Address, _issuer.OptionsWith(source), new SocketsHttpHandler { AllowAutoRedirect = true });

        await Assert.ThatAsync(() => http.GetAsync(m3.Address), Throws.TypeOf<RejectedException>());

        AssertArrived(m3, _token);
        AssertArrived(stranger, [null]);
    }

    [Test]
    public async Task A_message_that_a_redirect_has_led_elsewhere_is_refused_when_a_retry_policy_sends_it_again()
    {
        await using RecordingServer stranger = await RecordingServer.StartAsync(statusCode: 503);
        await using RecordingServer m3 = await RedirectingToAsync(stranger);
        M3AuthOptions options = _issuer.OptionsWith(_token);
        options.AllowedOrigins.Add(m3.Address);
        var auth = new M3AuthHandler(options) { InnerHandler = new SocketsHttpHandler { AllowAutoRedirect = true } };
        using var http = new HttpClient(new PolicyHttpMessageHandler(RetryOnce()) { InnerHandler = auth });

        await Assert.ThatAsync(() => http.GetAsync(m3.Address), Throws.TypeOf<UntrustedOriginException>());

        AssertArrived(m3, _token);
        AssertArrived(stranger, [null]);
    }

    [Test]
    public async Task A_client_from_Create_follows_no_redirects()
    {
        await using RecordingServer m3 = await RedirectingToAsync(_stranger);
        using HttpClient http = M3HttpClient.Create(m3.Address, _issuer.OptionsWith(_token));

        using HttpResponseMessage response = await http.GetAsync(m3.Address);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.TemporaryRedirect));
        AssertArrived(m3, _token);
        AssertArrived(_stranger);
    }

    [Test]
    public async Task A_retry_policy_of_the_factory_that_sends_a_message_again_sends_the_renewed_token()
    {
        var source = new LiveTokenSource(_token);
        string renewed = _issuer.CreateToken();
        await using RecordingServer m3 = await FailingOnceAsync(() => source.Token = renewed);
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().Build());
        services.AddHttpClient("m3")
            .AddPolicyHandler(RetryOnce())
            .AddM3Auth(options =>
            {
                options.IssuerUrl = _issuer.IssuerUrl;
                options.Audience = TestIssuer.Audience;
                options.TokenSource = source;
            });
        await using ServiceProvider provider = services.BuildServiceProvider();
        HttpClient http = provider.GetRequiredService<IHttpClientFactory>().CreateClient("m3");

        using HttpResponseMessage response = await http.PostAsync(m3.Address, new StringContent("{}"));

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        AssertArrived(m3, _token, renewed);
    }

    [Test]
    public async Task A_retry_policy_around_the_handler_that_sends_a_message_again_sends_the_renewed_token()
    {
        var source = new LiveTokenSource(_token);
        string renewed = _issuer.CreateToken();
        await using RecordingServer m3 = await FailingOnceAsync(() => source.Token = renewed);
        var auth = new M3AuthHandler(_issuer.OptionsWith(source)) { InnerHandler = new SocketsHttpHandler() };
        using var http = new HttpClient(new PolicyHttpMessageHandler(RetryOnce()) { InnerHandler = auth });

        using HttpResponseMessage response = await http.PostAsync(m3.Address, new StringContent("{}"));

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        AssertArrived(m3, _token, renewed);
    }

    [Test]
    public async Task No_retry_policy_repeats_what_was_refused_here()
    {
        int attempts = 0;
        IAsyncPolicy<HttpResponseMessage> retryAll = Policy<HttpResponseMessage>.Handle<HttpRequestException>().RetryAsync(3, (_, _) => attempts++);
        var auth = new M3AuthHandler(_issuer.OptionsWith("not-a-jwt")) { InnerHandler = new SocketsHttpHandler() };
        using var http = new HttpClient(new PolicyHttpMessageHandler(retryAll) { InnerHandler = auth });

        await Assert.ThatAsync(() => http.GetAsync(_m3.Address), Throws.TypeOf<InvalidTokenFormatException>());

        Assert.That(attempts, Is.Zero);
        AssertArrived(_m3);
    }

    [Test]
    public async Task The_token_never_goes_to_its_own_issuer()
    {
        using HttpClient http = M3HttpClient.Create(_m3.Address, _issuer.OptionsWith(_token));

        using HttpResponseMessage response = await http.GetAsync(_m3.Address);

        AssertArrived(_m3, _token);
        Assert.That(_issuer.Arrivals.Select(arrival => arrival.Authorization), Is.EqualTo(new string?[] { null, null }), "metadata and keys, both without it");
    }

    [Test]
    public async Task A_request_with_an_Authorization_header_of_its_own_keeps_it_and_is_not_counted()
    {
        using var log = new CapturedLog();
        M3AuthOptions options = _issuer.OptionsWith(_token);
        options.RateLimitRequests = 1;
        using HttpClient http = M3HttpClient.Create(_m3.Address, options, loggerFactory: log);

        for (int i = 0; i < 3; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _m3.Address);
            request.Headers.Authorization = new("Basic", "Z3Vlc3Q6Z3Vlc3Q=");
            using HttpResponseMessage response = await http.SendAsync(request);
        }

        Assert.That(_m3.Authorizations, Is.All.EqualTo("Basic Z3Vlc3Q6Z3Vlc3Q="));
        Assert.That(log.Lines.Count(line => line.Contains("Authorization header of its own", StringComparison.Ordinal)), Is.EqualTo(1));
    }

    private static void AssertArrived(RecordingServer server, params string?[] tokens) =>
        // Compared here, so that a failure shows no token.
        Assert.That(server.Authorizations.SequenceEqual(tokens.Select(token => token is null ? null : $"Bearer {token}")),
            $"expected {tokens.Length} requests, arrived: {string.Join(", ", server.Arrivals)}");

    private static Task<RecordingServer> RedirectingToAsync(RecordingServer other) => RecordingServer.StartAsync(context =>
    {
        context.Response.StatusCode = StatusCodes.Status307TemporaryRedirect;
        context.Response.Headers.Location = other.Address.AbsoluteUri;
        return Task.CompletedTask;
    });

    private static Task<RecordingServer> FailingOnceAsync(Action failing)
    {
        int arrived = 0;
        return RecordingServer.StartAsync(context =>
        {
            if (++arrived == 1)
            {
                failing();
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            }

            return Task.CompletedTask;
        });
    }

    private static AsyncRetryPolicy<HttpResponseMessage> RetryOnce() =>
        Policy.HandleResult<HttpResponseMessage>(response => response.StatusCode == HttpStatusCode.ServiceUnavailable).RetryAsync(1);

    // Whatever the name, it leads to this server: no DNS.
    private static SocketsHttpHandler HandlerTo(RecordingServer server, Action connecting) => new()
    {
        ConnectCallback = async (_, cancellationToken) =>
        {
            connecting();
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(server.Address.Host, server.Address.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    };
}
