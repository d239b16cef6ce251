using System.Net;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests;

/// <summary>A token that passes here, and is refused by a real resource server (JwtBearer): its challenge becomes the typed error.</summary>
public sealed class ServerRefusalTests
{
    [Test]
    public async Task Another_audience_there_is_InvalidAudience()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = m3.OptionsWith(m3.CreateToken(audience: "another-api"));
        options.Audience = "another-api";

        await AssertRefusedAsync<InvalidAudienceException>(m3, options, HttpStatusCode.Unauthorized);
    }

    [Test]
    public async Task Another_issuer_there_is_InvalidIssuer()
    {
        const string issuer = "https://other.example.org/";
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = m3.OptionsWith(m3.CreateToken(issuer: issuer));
        options.IssuerUrl = issuer;
        options.JwksUrl = new Uri(m3.BaseAddress, ".well-known/jwks.json");

        await AssertRefusedAsync<InvalidIssuerException>(m3, options, HttpStatusCode.Unauthorized);
    }

    [Test]
    public async Task Another_key_there_is_InvalidTokenSignature()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        await using LocalM3Server other = await LocalM3Server.StartAsync();
        M3AuthOptions options = m3.OptionsWith(other.CreateToken(issuer: m3.IssuerUrl));
        options.JwksUrl = new Uri(other.BaseAddress, ".well-known/jwks.json");

        await AssertRefusedAsync<InvalidTokenSignatureException>(m3, options, HttpStatusCode.Unauthorized);
    }

    [Test]
    public async Task A_clock_ahead_there_is_TokenExpired()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow.AddHours(1));
        await using LocalM3Server m3 = await LocalM3Server.StartAsync(new() { TimeProvider = clock });

        // Issued now and expired in half an hour by this clock.
        await AssertRefusedAsync<TokenExpiredException>(m3, m3.OptionsWith(m3.CreateToken(TimeSpan.FromMinutes(-30))), HttpStatusCode.Unauthorized);
    }

    [Test]
    public async Task A_clock_behind_there_is_TokenNotYetValid()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UtcNow.AddHours(-1));
        await using LocalM3Server m3 = await LocalM3Server.StartAsync(new() { TimeProvider = clock });
        string token = m3.CreateToken(TimeSpan.FromHours(2), notBefore: DateTimeOffset.UtcNow.AddSeconds(-1));

        await AssertRefusedAsync<TokenNotYetValidException>(m3, m3.OptionsWith(token), HttpStatusCode.Unauthorized);
    }

    [Test]
    public async Task A_scope_that_only_the_server_asks_for_is_MissingScopes_and_says_which()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = m3.OptionsWith(m3.CreateToken(scopes: ["write:mimic-data"]));
        options.RequiredScopes.Clear();

        MissingScopesException error = await AssertRefusedAsync<MissingScopesException>(m3, options, HttpStatusCode.Forbidden);
        Assert.Multiple(() =>
        {
            Assert.That(error.Required, Is.EqualTo(["read:mimic-data"]));
            Assert.That(error.Granted, Is.EqualTo(["write:mimic-data"]));
            Assert.That(error.Missing, Is.EqualTo(["read:mimic-data"]));
        });
    }

    [Test]
    public async Task Without_ThrowOnRejection_the_response_is_the_callers_and_still_tells_its_error()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = m3.OptionsWith(m3.CreateToken(audience: "another-api"));
        options.Audience = "another-api";
        options.ThrowOnRejection = false;
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, options);

        using HttpResponseMessage response = await http.GetAsync(m3.Endpoint);

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(response.GetM3AuthError(), Is.TypeOf<InvalidAudienceException>());
    }

    [Test]
    public async Task A_refusal_in_a_tools_text_can_be_read_as_the_typed_error()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync(new() { Refusals = Refusals.AsToolText });
        M3AuthOptions options = m3.OptionsWith(m3.CreateToken(scopes: ["write:mimic-data"]));
        options.RequiredScopes.Clear();
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, options);
        await using McpClient mcp = await Mcp.ConnectAsync(http, m3.Endpoint);

        string text = await mcp.CallAsync("get_database_schema");

        Assert.That(M3AuthException.TryParse(text, out M3AuthException? error), text);
        Assert.That(((MissingScopesException)error!).Missing, Is.EqualTo(["read:mimic-data"]));
    }

    private static async Task<TError> AssertRefusedAsync<TError>(LocalM3Server m3, M3AuthOptions options, HttpStatusCode status)
        where TError : M3AuthException
    {
        using HttpClient http = M3HttpClient.Create(m3.Endpoint, options);

        TError error = (await Assert.ThrowsAsync<TError>(() => Mcp.ConnectAsync(http, m3.Endpoint)))!;

        Assert.Multiple(() =>
        {
            Assert.That(m3.Received, Is.Not.Empty, "it passed here");
            Assert.That(error.StatusCode, Is.EqualTo(status));
            Assert.That(error.Challenge?.Error, Is.EqualTo(status == HttpStatusCode.Forbidden ? "insufficient_scope" : "invalid_token"));
            Assert.That(error.Message, Does.StartWith(error.DocumentedMessage).And.Contain($"M3 answered {(int)status}"));
        });
        return error;
    }
}
