using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>HttpClient.Send, for callers that cannot await.</summary>
public sealed class SynchronousOverHttpTests
{
    [Test]
    public async Task Send_reaches_M3_with_the_token()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        string token = m3.CreateToken();
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, m3.OptionsWith(token));
        using var request = new HttpRequestMessage(HttpMethod.Post, m3.Endpoint)
        {
            Content = new StringContent(
                """{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}""",
                Encoding.UTF8, "application/json"),
        };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));

        using HttpResponseMessage response = http.Send(request);

        using var body = new StreamReader(response.Content.ReadAsStream());
        Assert.That(body.ReadToEnd(), Does.Contain("LocalM3"));
        Assert.That(m3.Received.Single().Token == token, "another token arrived");
    }

    [Test]
    public async Task Send_on_a_thread_whose_context_is_never_pumped_does_not_lock_up()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        await using RecordingServer m3 = await RecordingServer.StartAsync();
        using HttpClient http = M3HttpClient.Create(m3.Address, issuer.OptionsWith(TokenSources.From(async _ =>
        {
            await Task.Yield();
            return issuer.CreateToken();
        })));

        Task<HttpStatusCode> call = Task.Factory.StartNew(
            () =>
            {
                SynchronizationContext.SetSynchronizationContext(new UnpumpedContext());
                using HttpResponseMessage response = http.Send(new HttpRequestMessage(HttpMethod.Get, m3.Address));
                return response.StatusCode;
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        Assert.That(await call.WaitAsync(TimeSpan.FromSeconds(10)), Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Send_throws_the_typed_error_and_sends_nothing()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, m3.OptionsWith(m3.CreateToken(TimeSpan.FromMinutes(-1))));
        using var request = new HttpRequestMessage(HttpMethod.Get, m3.Endpoint);

        Assert.That(() => http.Send(request), Throws.TypeOf<TokenExpiredException>());
        Assert.That(m3.Received, Is.Empty);
    }

    [Test]
    public async Task Send_repeats_a_call_after_a_401_with_the_newer_token()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string[] tokens = [issuer.CreateToken(), issuer.CreateToken()];
        var source = new LiveTokenSource(tokens[0]);
        await using RecordingServer m3 = await RecordingServer.StartAsync(context =>
        {
            context.Response.StatusCode = source.Token == tokens[0] ? 401 : 200;
            source.Token = tokens[1];
            return Task.CompletedTask;
        });
        using HttpClient http = M3HttpClient.Create(m3.Address, issuer.OptionsWith(source));

        using HttpResponseMessage response = http.Send(new HttpRequestMessage(HttpMethod.Get, m3.Address));

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(m3.Authorizations.SequenceEqual(tokens.Select(token => $"Bearer {token}")), "the first token, then the second");
    }

    [Test]
    public async Task Send_turns_a_challenge_into_the_typed_error()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = m3.OptionsWith(m3.CreateToken(audience: "another-api"));
        options.Audience = "another-api";
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, options);
        using var request = new HttpRequestMessage(HttpMethod.Get, m3.Endpoint);

        Assert.That(() => http.Send(request), Throws.TypeOf<InvalidAudienceException>());
    }

    private sealed class UnpumpedContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
        }
    }
}
