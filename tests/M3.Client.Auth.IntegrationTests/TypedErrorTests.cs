using System.Diagnostics;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>Each failure reaches whoever called the MCP client, as the type that it is.</summary>
public sealed class TypedErrorTests
{
    private LocalM3Server _m3 = null!;
    private LocalM3Server _other = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _m3 = await LocalM3Server.StartAsync();
        _other = await LocalM3Server.StartAsync();
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _m3.DisposeAsync();
        await _other.DisposeAsync();
    }

    private static readonly M3AuthError[] FoundInTheToken =
    [
        M3AuthError.MissingToken, M3AuthError.InvalidTokenFormat, M3AuthError.InvalidTokenSignature, M3AuthError.TokenExpired,
        M3AuthError.TokenNotYetValid, M3AuthError.InvalidIssuer, M3AuthError.InvalidAudience, M3AuthError.MissingScopes,
    ];

    [TestCaseSource(nameof(FoundInTheToken))]
    public async Task A_bad_token_fails_CreateAsync_and_nothing_is_sent(M3AuthError error)
    {
        int before = _m3.Received.Count;
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, _m3.OptionsWith(BadToken(error)));

        await AssertFailsAsync(error, () => Mcp.ConnectAsync(http, _m3.Endpoint));
        Assert.That(_m3.Received, Has.Count.EqualTo(before));
    }

    [TestCaseSource(nameof(FoundInTheToken))]
    public async Task A_token_that_goes_bad_fails_CallToolAsync_and_nothing_is_sent(M3AuthError error)
    {
        string good = _m3.CreateToken();
        var source = new LiveTokenSource(good);
        M3AuthOptions options = _m3.OptionsWith(source);
        options.RateLimitEnabled = false;
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, options);
        await using McpClient mcp = await Mcp.ConnectAsync(http, _m3.Endpoint);
        int before = _m3.Received.Count;

        source.Token = BadToken(error);

        // A signature is bad once the keys were fetched anew; while that goes on, calls go with the token that was good.
        bool mayServe = error == M3AuthError.InvalidTokenSignature;
        for (var patience = Stopwatch.StartNew(); mayServe && patience.Elapsed < TimeSpan.FromSeconds(30);)
            mayServe = await http.GetAsync(_m3.Endpoint).ContinueWith(call => call.IsCompletedSuccessfully, TaskScheduler.Default);
        await AssertFailsAsync(error, () => mcp.CallAsync("get_database_schema"));
        Assert.That(_m3.Received.Skip(before), error == M3AuthError.InvalidTokenSignature ? Has.All.Property("Token").EqualTo(good) : Is.Empty);

        source.Token = _m3.CreateToken();
        Assert.That(await mcp.CallAsync("get_database_schema"), Does.Contain("hosp_patients"), "a good token heals it");
    }

    [Test]
    public async Task An_issuer_that_is_down_fails_CreateAsync_as_JwksUnavailable()
    {
        M3AuthOptions options = _m3.OptionsWith(_m3.CreateToken());
        await using RecordingServer broken = await RecordingServer.StartAsync(statusCode: 503);
        options.JwksUrl = new Uri(broken.Address, "keys");
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, options);

        await AssertFailsAsync(M3AuthError.JwksUnavailable, () => Mcp.ConnectAsync(http, _m3.Endpoint));
    }

    [Test]
    public async Task A_source_that_fails_fails_CreateAsync_as_TokenRequestFailed()
    {
        M3AuthOptions options = _m3.OptionsWith(TokenSources.From(_ => throw new InvalidOperationException("the vault is sealed")));
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, options);

        await AssertFailsAsync(M3AuthError.TokenRequestFailed, () => Mcp.ConnectAsync(http, _m3.Endpoint));
    }

    [Test]
    public async Task A_call_beyond_the_limit_fails_CallToolAsync_as_RateLimitExceeded()
    {
        M3AuthOptions options = _m3.OptionsWith(_m3.CreateToken());
        options.RateLimitRequests = 1;
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, options);
        await using McpClient mcp = await Mcp.ConnectAsync(http, _m3.Endpoint);
        await mcp.CallAsync("get_database_schema");

        M3AuthException error = await AssertFailsAsync(M3AuthError.RateLimitExceeded, () => mcp.CallAsync("get_database_schema"));
        Assert.That(((RateLimitExceededException)error).RetryAfter, Is.GreaterThan(TimeSpan.FromMinutes(59)).And.LessThanOrEqualTo(TimeSpan.FromHours(1)));
    }

    [Test]
    public async Task Another_origin_fails_CreateAsync_as_UntrustedOrigin_and_nothing_arrives_there()
    {
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, _m3.OptionsWith(_m3.CreateToken()));
        int before = _other.Received.Count;

        await AssertFailsAsync(M3AuthError.UntrustedOrigin, () => Mcp.ConnectAsync(http, _other.Endpoint));
        Assert.That(_other.Received, Has.Count.EqualTo(before));
    }

    [Test]
    public async Task A_bare_401_fails_CreateAsync_as_Rejected()
    {
        await using RecordingServer gateway = await RecordingServer.StartAsync(context =>
        {
            context.Response.StatusCode = 401;
            context.Response.Headers.WWWAuthenticate = "Bearer";
            return Task.CompletedTask;
        });
        using HttpClient http = M3HttpClient.Create(gateway.Address, _m3.OptionsWith(_m3.CreateToken()));

        M3AuthException error = await AssertFailsAsync(M3AuthError.Rejected, () => Mcp.ConnectAsync(http, gateway.Address));
        Assert.That((int?)error.StatusCode, Is.EqualTo(401));
    }

    private string? BadToken(M3AuthError error) => error switch
    {
        M3AuthError.MissingToken => null,
        M3AuthError.InvalidTokenFormat => "not-a-jwt",
        M3AuthError.InvalidTokenSignature => _other.CreateToken(issuer: _m3.IssuerUrl),
        M3AuthError.TokenExpired => _m3.CreateToken(lifetime: TimeSpan.FromMinutes(-5)),
        M3AuthError.TokenNotYetValid => _m3.CreateToken(notBefore: DateTimeOffset.UtcNow.AddMinutes(10)),
        M3AuthError.InvalidIssuer => _m3.CreateToken(issuer: "https://other.example.org/"),
        M3AuthError.InvalidAudience => _m3.CreateToken(audience: "another-api"),
        M3AuthError.MissingScopes => _m3.CreateToken(scopes: ["write:mimic-data"]),
        _ => throw new ArgumentOutOfRangeException(nameof(error)),
    };

    private static async Task<M3AuthException> AssertFailsAsync(M3AuthError error, Func<Task> call)
    {
        M3AuthException thrown = (await Assert.CatchAsync<M3AuthException>(() => call()))!;
        Assert.Multiple(() =>
        {
            Assert.That(thrown.Error, Is.EqualTo(error));
            Assert.That(thrown.GetType().Name, Is.EqualTo($"{error}Exception"));
            Assert.That(thrown.Message, Does.StartWith(thrown.DocumentedMessage));
            Assert.That(thrown.Remedy, Is.Not.Empty);
            Assert.That(thrown.ToString().Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in the exception");
        });
        return thrown;
    }
}
