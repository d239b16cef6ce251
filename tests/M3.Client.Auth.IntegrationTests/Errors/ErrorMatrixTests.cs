using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests.Errors;

/// <summary>Every error three times: found here, answered by a server over HTTP, answered as a tool's text. It must be the same one.</summary>
public sealed class ErrorMatrixTests
{
    private static readonly SortedDictionary<M3AuthError, string?[]> Matrix = [];

    private LocalM3Server _m3 = null!;
    private LocalM3Server _m3AsText = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _m3 = await LocalM3Server.StartAsync();
        _m3AsText = await LocalM3Server.StartAsync(new LocalM3Options { Refusals = Refusals.AsToolText });
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await _m3.DisposeAsync();
        await _m3AsText.DisposeAsync();

        var table = new StringBuilder($"{"error",-22}{"found here",-32}{"over HTTP",-32}as a tool's text\n");
        foreach ((M3AuthError error, string?[] cells) in Matrix)
            table.AppendLine($"{error,-22}{string.Concat(cells.Select(cell => $"{cell ?? "-",-32}")).TrimEnd()}");
        TestContext.Progress.WriteLine(table);
    }

    [TestCaseSource(nameof(Errors))]
    public async Task An_error_is_the_same_wherever_it_was_found(M3AuthError error)
    {
        M3AuthException?[] found = [await FindHereAsync(error), await FindOverHttpAsync(error), await FindInTextAsync(error)];

        Matrix[error] = [.. found.Select(exception => exception is null ? null : exception.GetType().Name)];
        M3AuthException[] present = [.. found.OfType<M3AuthException>()];
        Assert.That(present, Is.Not.Empty);
        using (Assert.EnterMultipleScope())
        {
            foreach (M3AuthException exception in present)
            {
                Assert.That(exception.Error, Is.EqualTo(error), exception.Message);
                Assert.That(exception.GetType().Name, Is.EqualTo($"{error}Exception"));
                Assert.That(exception.DocumentedMessage, Is.EqualTo(present[0].DocumentedMessage));
                Assert.That(exception.Message, Does.StartWith(exception.DocumentedMessage));
                Assert.That(exception.Remedy, Is.EqualTo(present[0].Remedy));
                Assert.That(exception.ToString().Contains("eyJ", StringComparison.Ordinal), Is.False, "a token stands in it");
            }

            // Which columns a server has a word for.
            Assert.That(found[0] is null, Is.EqualTo(error == M3AuthError.Rejected));
            Assert.That(found[1] is null, Is.EqualTo(error is M3AuthError.MissingToken or M3AuthError.InvalidTokenFormat or M3AuthError.JwksUnavailable
                or M3AuthError.RateLimitExceeded or M3AuthError.UntrustedOrigin or M3AuthError.TokenRequestFailed));
            Assert.That(found[2] is null, Is.EqualTo(error is M3AuthError.UntrustedOrigin or M3AuthError.TokenRequestFailed));
            Assert.That(found[0]?.StatusCode, Is.Null);
            Assert.That(found[1]?.StatusCode, found[1] is null ? Is.Null : Is.EqualTo(error == M3AuthError.MissingScopes ? HttpStatusCode.Forbidden : HttpStatusCode.Unauthorized));
        }
    }

    public static M3AuthError[] Errors => Enum.GetValues<M3AuthError>();

    private async Task<M3AuthException?> FindHereAsync(M3AuthError error)
    {
        if (error == M3AuthError.Rejected)
            return null;

        M3AuthOptions options = _m3.OptionsWith(TokenFor(_m3, error));
        if (error == M3AuthError.JwksUnavailable)
            options.JwksUrl = new Uri("http://127.0.0.1:1/jwks");
        if (error == M3AuthError.TokenRequestFailed)
            options.TokenSource = TokenSources.ClientCredentials(_m3.ClientId, "another secret");
        if (error == M3AuthError.RateLimitExceeded)
            options.RateLimitRequests = 1;

        int arrived = _m3.Received.Count;
        using HttpClient http = M3HttpClient.Create(_m3.Endpoint, options);
        if (error == M3AuthError.RateLimitExceeded)
        {
            using HttpResponseMessage first = await http.PostAsync("", new StringContent("{}"));
            arrived++;
        }

        M3AuthException? found = await CatchAsync(() => http.PostAsync(error == M3AuthError.UntrustedOrigin ? "http://127.0.0.1:1/" : "", null));
        Assert.That(_m3.Received, Has.Count.EqualTo(arrived), "nothing was sent");
        return found;
    }

    private async Task<M3AuthException?> FindOverHttpAsync(M3AuthError error)
    {
        if (error is M3AuthError.MissingToken or M3AuthError.InvalidTokenFormat or M3AuthError.JwksUnavailable or M3AuthError.RateLimitExceeded
            or M3AuthError.UntrustedOrigin or M3AuthError.TokenRequestFailed)
        {
            return null;
        }

        if (error == M3AuthError.Rejected)
        {
            await using RecordingServer gateway = await RecordingServer.StartAsync(context =>
            {
                context.Response.StatusCode = StatusCodes.Status401Unauthorized;
                context.Response.Headers.WWWAuthenticate = "Bearer";
                return Task.CompletedTask;
            });
            return await CallAsync(gateway.Address, _m3.CreateToken());
        }

        return await CallAsync(_m3.Endpoint, TokenFor(_m3, error)!);
    }

    private async Task<M3AuthException?> FindInTextAsync(M3AuthError error)
    {
        string? text = error switch
        {
            M3AuthError.JwksUnavailable => "Error: OAuth2 authentication failed: Failed to fetch JWKS: All connection attempts failed",
            M3AuthError.RateLimitExceeded => "Error: OAuth2 authentication failed: Rate limit exceeded",
            M3AuthError.Rejected => "Error: OAuth2 authentication failed: the reason of some later version",
            _ => null,
        };
        if (text is not null)
        {
            await using TextServer server = await TextServer.StartAsync(text);
            return await CallAsync(server.Endpoint, _m3.CreateToken());
        }

        return error is M3AuthError.UntrustedOrigin or M3AuthError.TokenRequestFailed ? null : await CallAsync(_m3AsText.Endpoint, TokenFor(_m3AsText, error));
    }

    private static string? TokenFor(LocalM3Server m3, M3AuthError error) => error switch
    {
        M3AuthError.MissingToken => null,
        M3AuthError.InvalidTokenFormat => "not.ajwt",
        M3AuthError.InvalidTokenSignature => m3.CreateToken()[..^6] + "AAAAAA",
        M3AuthError.TokenExpired => m3.CreateToken(TimeSpan.FromMinutes(-5)),
        M3AuthError.TokenNotYetValid => m3.CreateToken(notBefore: DateTimeOffset.UtcNow.AddMinutes(10)),
        M3AuthError.InvalidIssuer => m3.CreateToken(issuer: "https://another.test/"),
        M3AuthError.InvalidAudience => m3.CreateToken(audience: "another-api"),
        M3AuthError.MissingScopes => m3.CreateToken(scopes: ["read:notes"]),
        _ => m3.CreateToken(),
    };

    // A provider that checks nothing lets through what only the server is to refuse.
    private static async Task<M3AuthException?> CallAsync(Uri endpoint, string? token)
    {
        using HttpClient http = token is null
            ? new HttpClient()
            : new HttpClient(new M3AuthHandler(new Unchecked(token), new M3AuthOptions()) { InnerHandler = new SocketsHttpHandler() });
        return await CatchAsync(async () =>
        {
            await using McpClient mcp = await Mcp.ConnectAsync(http, endpoint);
            if (M3AuthException.TryParse(await mcp.CallAsync("get_database_schema"), out M3AuthException? refusal))
                throw refusal;
        });
    }

    private static async Task<M3AuthException?> CatchAsync(Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (M3AuthException e)
        {
            return e;
        }

        throw new AssertionException("The call was to fail, and did not.");
    }
}
