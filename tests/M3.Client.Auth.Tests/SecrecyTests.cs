using System.Diagnostics;
using System.Net;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;
using M3.Client.Auth.Tests.Validation;
using RichardSzalay.MockHttp;

namespace M3.Client.Auth.Tests;

/// <summary>The token and the secret appear nowhere: not in a log, an exception, a <c>ToString()</c>, a debugger or JSON.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SecrecyTests
{
    private const int Piece = 20;
    private const string Secret = "s3cr3t-which-nobody-sees-0123456789";

    [Test]
    public void The_search_finds_what_it_is_to_find()
    {
        string token = new FakeIssuer().Token(ClientFixture.Noon);

        string ofPayload = token.Split('.')[1][33..(33 + Piece)];
        string ofSignature = token.Split('.')[2][^Piece..];
        Assert.That(FindShown([token], $"log: {ofPayload}."), Is.EqualTo(ofPayload));
        Assert.That(FindShown(["x", token], $"log: {ofSignature}"), Is.EqualTo(ofSignature));
        Assert.That(FindShown([Secret], $"log: {Secret[..Piece]}"), Is.EqualTo(Secret[..Piece]));
        Assert.That(FindShown([token, Secret], $"log: researcher, rsa-1, {FakeIssuer.Url}, {token.Split('.')[0]}"), Is.Null);
    }

    [Test]
    public async Task A_debug_run_that_goes_well_shows_no_token()
    {
        using var fixture = new ClientFixture(options => options.Debug = true);
        List<string> tokens = [fixture.Token!];
        (await fixture.CallAsync()).Dispose();
        fixture.Token = "Bearer " + fixture.NewToken();
        tokens.Add(fixture.Token[7..]);
        fixture.Clock.Advance(TimeSpan.FromSeconds(1));
        using (var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address))
            fixture.Client.Send(request).Dispose();

        string log = LogOf(fixture);
        await TestContext.Out.WriteLineAsync(log);
        AssertHidden("the log", tokens, log);
        // The detail that is asked for is there.
        Assert.That(log, Does.Contain("Keys fetched from https://issuer.test/jwks: 2 usable").And.Contain("kid 'rsa-1', alg RS256")
            .And.Contain("checked signature, exp, nbf and iat, iss, aud, scopes").And.Contain("Subject = 'researcher'").And.Contain("98 left of 100 per 60 min"));
    }

    [Test]
    public async Task Without_debug_a_run_that_goes_well_logs_nothing()
    {
        using var fixture = new ClientFixture();

        (await fixture.CallAsync()).Dispose();

        Assert.That(fixture.Log.Lines, Is.Empty);
    }

    [TestCaseSource(nameof(RefusedTokens))]
    public async Task No_refused_token_is_shown(object refused)
    {
        using var fixture = new ClientFixture(options => options.Debug = true);
        fixture.Token = ((TokenCase)refused).Make(fixture.Issuer);

        M3AuthException error = await fixture.FailAsync();

        AssertHidden("the error", [fixture.Token ?? ""], error.ToString());
        AssertHidden("the log", [fixture.Token ?? ""], LogOf(fixture));
    }

    [TestCaseSource(nameof(Failures))]
    public async Task No_failure_shows_the_token(M3AuthError expected, object fail)
    {
        using var fixture = new ClientFixture(options => (options.Debug, options.RateLimitRequests) = (true, 1));
        string token = fixture.Token!;
        await ((Func<ClientFixture, Task>)fail)(fixture);
        Exception? failure = null;
        try
        {
            using HttpResponseMessage response = await fixture.Client.PostAsync("", null);
        }
        catch (Exception e)
        {
            failure = e;
        }

        Assert.That(failure, Is.InstanceOf<M3AuthException>().With.Property("Error").EqualTo(expected));
        AssertHidden("the error", [token, fixture.Token ?? ""], failure!.ToString() + string.Join(' ', failure.Data.Values.Cast<object>()));
        AssertHidden("the log", [token, fixture.Token ?? ""], LogOf(fixture));
    }

    [Test]
    public async Task No_secret_is_shown_when_the_token_endpoint_refuses_it()
    {
        using var fixture = new ClientFixture(options => (options.Debug, options.TokenSource) = (true, TokenSources.ClientCredentials("pull", Secret)));
        fixture.Issuer.AnswerDiscovery = _ => Task.FromResult(FakeIssuer.Json($$"""{"issuer":"{{FakeIssuer.Url}}","jwks_uri":"{{FakeIssuer.Url}}/jwks","token_endpoint":"{{FakeIssuer.Url}}/token"}"""));
        fixture.Issuer.Backchannel.When(HttpMethod.Post, FakeIssuer.Url + "/token").Respond(HttpStatusCode.Unauthorized, "application/json", """{"error":"invalid_client"}""");

        M3AuthException error = await fixture.FailAsync<TokenRequestFailedException>();

        string basic = Convert.ToBase64String(Encoding.UTF8.GetBytes("pull:" + Secret));
        Assert.That(error.ToString() + LogOf(fixture), Does.Not.Contain(Secret).And.Not.Contain(basic));
    }

    [Test]
    public async Task What_holds_the_token_does_not_show_it()
    {
        using var fixture = new ClientFixture(options => (options.ClientId, options.ClientSecret) = ("pull", Secret));
        M3AuthOptions options = fixture.Options();
        options.TokenSource = TokenSources.FromValue(fixture.Token);
        using var provider = new M3TokenProvider(options);
        using var handler = new M3AuthHandler(options);
        M3AccessToken token = await provider.GetTokenAsync();

        foreach (object holder in (object[])[token, options, options.TokenSource, provider, handler, provider.GetKeyStatus()])
            AssertHidden(holder.GetType().Name, [token.Value, Secret], holder.ToString()!);
        Assert.That(token.ToString(), Is.EqualTo("M3AccessToken { Subject = 'researcher', Issuer = 'https://issuer.test', ExpiresAt = 2026-11-23 12:30:00Z }"));
    }

    [Test]
    public async Task No_serializer_shows_the_token_or_the_secret()
    {
        using var fixture = new ClientFixture(options => (options.ClientId, options.ClientSecret) = ("pull", Secret));
        M3AuthOptions options = fixture.Options();
        options.TokenSource = TokenSources.FromValue(fixture.Token);
        using var provider = new M3TokenProvider(options);
        M3AccessToken token = await provider.GetTokenAsync();

        string asToken = JsonSerializer.Serialize(token);
        string asOptions = JsonSerializer.Serialize(options);

        AssertHidden("the token's JSON", [token.Value], asToken);
        AssertHidden("the options' JSON", [token.Value, Secret], asOptions);
        Assert.That(JsonNode.Parse(asToken)!.AsObject().Select(member => member.Key), Is.EquivalentTo((string[])
            ["Issuer", "Subject", "Audiences", "Scopes", "IssuedAt", "ExpiresAt", "KeyId", "Algorithm"]));
        Assert.That(JsonNode.Parse(asOptions)!.AsObject().Select(member => member.Key), Does.Contain("ClientId").And.Not.Contain("ClientSecret").And.Not.Contain("TokenSource"));
    }

    [Test]
    public void A_debugger_does_not_show_what_is_secret()
    {
        PropertyInfo[] secrets =
        [
            typeof(M3AccessToken).GetProperty(nameof(M3AccessToken.Value))!,
            typeof(M3AccessToken).GetProperty("Header", BindingFlags.Instance | BindingFlags.NonPublic)!,
            typeof(M3AuthOptions).GetProperty(nameof(M3AuthOptions.ClientSecret))!,
        ];

        using (Assert.EnterMultipleScope())
        {
            foreach (PropertyInfo secret in secrets)
                Assert.That(secret.GetCustomAttribute<DebuggerBrowsableAttribute>()?.State, Is.EqualTo(DebuggerBrowsableState.Never), secret.Name);
            Assert.That(typeof(M3AccessToken).GetCustomAttribute<DebuggerDisplayAttribute>()?.Value, Is.EqualTo("{ToString(),nq}"));
            Assert.That(typeof(AttachedHeader).GetCustomAttribute<DebuggerDisplayAttribute>()?.Value, Does.Not.Contain("{"));
        }
    }

    private static IEnumerable<TokenCase> RefusedTokens => TokenCases.All.Where(one => one.Verdict is not null);

    // Each takes the fixture to the brink; the call that follows fails.
    private static IEnumerable<TestCaseData> Failures =>
    [
        Failure(M3AuthError.JwksUnavailable, fixture => fixture.Issuer.GoDown()),
        Failure(M3AuthError.RateLimitExceeded, async fixture => (await fixture.CallAsync()).Dispose()),
        Failure(M3AuthError.UntrustedOrigin, fixture => fixture.Client.BaseAddress = new Uri($"https://other.test/{fixture.Token}")),
        Failure(M3AuthError.Rejected, fixture => fixture.Server.Answer = request => FakeM3.Refuse(request, Echo(fixture))),
        Failure(M3AuthError.MissingScopes, fixture => fixture.Server.Answer = request => FakeM3.Refuse(request,
            $"Bearer error=\"insufficient_scope\", scope=\"{fixture.Token}\", error_description=\"{fixture.Token}\"", HttpStatusCode.Forbidden)),
        Failure(M3AuthError.InvalidAudience, fixture => fixture.Token = fixture.NewToken(claims => claims["aud"] = fixture.Token)),
        Failure(M3AuthError.InvalidIssuer, fixture => fixture.Token = fixture.NewToken(claims => claims["iss"] = fixture.Token)),
        Failure(M3AuthError.MissingScopes, fixture => fixture.Token = fixture.NewToken(claims => claims["scope"] = fixture.Token)),
        Failure(M3AuthError.InvalidTokenSignature, fixture => fixture.Token = fixture.NewToken(header: header => header["kid"] = fixture.Token)),
        Failure(M3AuthError.InvalidTokenSignature, fixture => fixture.Token = fixture.NewToken(header: header => header["alg"] = fixture.Token)),
    ];

    private static string Echo(ClientFixture fixture) => $"Bearer realm=\"{fixture.Token}\", error=\"{fixture.Token}\", error_description=\"bad: {fixture.Token}\", resource_metadata=\"https://m3.test/{fixture.Token}\"";

    private static TestCaseData Failure(M3AuthError expected, Action<ClientFixture> fail, [CallerArgumentExpression(nameof(fail))] string how = "") => Failure(expected, fixture =>
    {
        fail(fixture);
        return Task.CompletedTask;
    }, how);

    private static TestCaseData Failure(M3AuthError expected, Func<ClientFixture, Task> fail, [CallerArgumentExpression(nameof(fail))] string how = "") =>
        new TestCaseData(expected, fail).SetArgDisplayNames(expected.ToString(), how);

    private static string LogOf(ClientFixture fixture) => string.Join('\n', fixture.Log.Lines.Select(line => $"{line.Level} {line.Event.Id} {line.Text}"));

    internal static void AssertHidden(string where, IEnumerable<string> secrets, string text) =>
        Assert.That(FindShown(secrets, text), Is.Null, $"shown in {where}: {text}");

    /// <summary>Any piece of a token's payload or signature, or of a secret, that stands in a text. A token's header is not secret.</summary>
    private static string? FindShown(IEnumerable<string> secrets, string text) => secrets
        .SelectMany(secret => secret.Split('.') is { Length: > 1 } parts ? parts[1..] : [secret])
        .SelectMany(part => Enumerable.Range(0, Math.Max(0, part.Length - Piece + 1)).Select(i => part.Substring(i, Piece)))
        .FirstOrDefault(piece => text.Contains(piece, StringComparison.Ordinal));
}
