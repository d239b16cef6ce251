using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>One registration with everything around it: a clock, an issuer, an M3, a log, and a client between them.</summary>
internal sealed class ClientFixture : IDisposable
{
    public const string Audience = "m3-api";
    public static readonly Uri Address = new("https://m3.test/sse");
    public static readonly DateTimeOffset Noon = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    private readonly Lazy<HttpClient> _client;
    private readonly Action<M3AuthOptions>? _configure;

    /// <param name="configure">Changes the settings, which otherwise take their token from <see cref="Token"/>.</param>
    public ClientFixture(Action<M3AuthOptions>? configure = null, string issuerUrl = FakeIssuer.Url)
    {
        Issuer = new FakeIssuer(issuerUrl);
        _configure = configure;
        Token = Issuer.Token(Noon);
        _client = new(() => M3HttpClient.Create(Address, Options(), Server, Log));
    }

    public FakeTimeProvider Clock { get; init; } = new(Noon);

    public FakeIssuer Issuer { get; }

    public FakeM3 Server { get; } = new();

    public RecordingLoggerFactory Log { get; } = new();

    /// <summary>What the source returns, read like the environment: at most once a second.</summary>
    public string? Token { get; set; }

    public int Reads { get; private set; }

    public HttpClient Client => _client.Value;

    public DateTimeOffset Now => Clock.GetUtcNow();

    public M3AuthOptions Options()
    {
        var options = new M3AuthOptions
        {
            IssuerUrl = Issuer.Claims(Noon)["iss"]!.GetValue<string>(),
            Audience = Audience,
        };
        Wire(options);
        _configure?.Invoke(options);
        return options;
    }

    /// <summary>Connects settings that came from elsewhere to this fixture's token, issuer and clock.</summary>
    public void Wire(M3AuthOptions options) =>
        (options.TokenSource, options.BackchannelHttpHandler, options.TimeProvider) = (new PolledSource(this), Issuer.Backchannel, Clock);

    /// <summary>A token that is valid now, after the changes asked for.</summary>
    public string NewToken(Action<JsonObject>? claims = null, Action<JsonObject>? header = null, string algorithm = "RS256") =>
        Issuer.Token(Now, payload =>
        {
            // Two tokens of one second must differ.
            payload["jti"] = Guid.NewGuid().ToString();
            claims?.Invoke(payload);
        }, header, algorithm);

    public Task<HttpResponseMessage> CallAsync(CancellationToken cancellationToken = default) =>
        Client.PostAsync(Address, new StringContent("{}"), cancellationToken);

    /// <summary>A client whose synchronous calls wait for 50 ms at most.</summary>
    public HttpMessageInvoker NewImpatientClient(M3TokenProvider provider) =>
        new(new M3AuthHandler(new M3AuthRegistration(provider, Options(), null) { LongestSynchronousWait = TimeSpan.FromMilliseconds(50) }) { InnerHandler = Server });

    /// <summary>From now on M3 refuses the token at hand, and the source has another as soon as it did.</summary>
    public void RefuseUntilRenewed()
    {
        string refused = Token!;
        Server.Answer = request =>
        {
            if (request.Headers.Authorization!.Parameter != refused)
                return new HttpResponseMessage { RequestMessage = request };
            Token = NewToken();
            return FakeM3.Refuse(request, "Bearer");
        };
    }

    /// <summary>The error that a call fails with; the test fails when it does not.</summary>
    public async Task<M3AuthException> FailAsync()
    {
        try
        {
            using HttpResponseMessage response = await CallAsync();
        }
        catch (M3AuthException e)
        {
            return e;
        }

        throw new AssertionException("the call should have failed, and did not");
    }

    public async Task<T> FailAsync<T>()
        where T : M3AuthException
    {
        M3AuthException error = await FailAsync();
        Assert.That(error, Is.TypeOf<T>(), error.Message);
        return (T)error;
    }

    public void Dispose()
    {
        if (_client.IsValueCreated)
            _client.Value.Dispose();
        Issuer.Backchannel.Dispose();
        Server.Dispose();
        Log.Dispose();
    }

    private sealed class PolledSource(ClientFixture fixture) : ITokenSource
    {
        public TimeSpan? PollInterval => TimeSpan.FromSeconds(1);

        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken)
        {
            fixture.Reads++;
            return new(fixture.Token);
        }
    }
}
