using System.Reflection;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Logging;

namespace M3.Client.Auth.Tests.Diagnostics;

/// <summary>A structured log reads the properties of every object that it is handed, so that none with a token is.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class StructuredLogTests
{
    private const string Secret = "s3cr3t-which-nobody-sees-0123456789";

    private static readonly MethodInfo[] AllLines =
        [.. typeof(Log).GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Where(method => method.IsDefined(typeof(LoggerMessageAttribute)))];

    private static IEnumerable<TestCaseData> Logs =>
    [
        new TestCaseData((Func<JsonLog>)JsonLog.OfNLog).SetArgDisplayNames("NLog, JsonLayout"),
        new TestCaseData((Func<JsonLog>)(() => JsonLog.OfSerilog())).SetArgDisplayNames("Serilog, JsonFormatter"),
    ];

    [Test]
    public void Every_line_takes_strings_and_numbers_alone()
    {
        Assert.That(AllLines, Has.Length.GreaterThanOrEqualTo(15));
        foreach (MethodInfo line in AllLines)
        {
            Assert.That(line.GetParameters().Select(parameter => parameter.ParameterType), Is.All.AnyOf(typeof(string), typeof(int), typeof(long), typeof(double)),
                line.GetCustomAttribute<LoggerMessageAttribute>()!.Message);
        }
    }

    [TestCaseSource(nameof(Logs))]
    public void No_line_that_there_is_shows_the_token(object newLog)
    {
        using var log = ((Func<JsonLog>)newLog)();
        using var seen = new RecordingLoggerFactory();
        string token = new FakeIssuer().Token(ClientFixture.Noon);

        WriteEveryLine(seen, token);
        WriteEveryLine(log.Factory, token);

        Assert.That(seen.Lines.Select(line => line.Event.Id).Distinct(),
            Is.EquivalentTo(AllLines.Select(line => line.GetCustomAttribute<LoggerMessageAttribute>()!.EventId)), "every line is written");
        Assert.That(log.Text.Split('\n'), Has.Length.GreaterThanOrEqualTo(AllLines.Length));
        SecrecyTests.AssertHidden("the log", [token], log.Text);
        // What is to be told is there, as strings.
        Assert.That(log.Text, Does.Contain("Subject = 'researcher'").And.Contain("TokenExpired").And.Contain("POST").And.Contain("2026-11-23 12:30:00Z"));
    }

    [TestCaseSource(nameof(Logs))]
    public async Task A_debug_run_shows_no_token(object newLog)
    {
        using var log = ((Func<JsonLog>)newLog)();
        using var fixture = new ClientFixture(options => options.Debug = true);
        string first = fixture.Token!;
        using HttpClient client = M3HttpClient.Create(ClientFixture.Address, fixture.Options(), fixture.Server, log.Factory);

        (await client.GetAsync("")).Dispose();
        fixture.Server.Answer = request => FakeM3.Refuse(request, $"Bearer error=\"invalid_token\", error_description=\"no: {first}\"");
        await Assert.ThrowsAsync<RejectedException>(() => client.GetAsync(""));

        Assert.That(log.Text, Does.Contain("accepted").And.Contain("budget").And.Contain("refused"));
        SecrecyTests.AssertHidden("the log", [first], log.Text);
    }

    [Test]
    public void NLog_takes_neither_a_token_nor_options_apart()
    {
        using var log = JsonLog.OfNLog();
        (M3AccessToken token, M3AuthOptions options) = Secrets();

        LogThem(log, token, options);

        SecrecyTests.AssertHidden("the log", [token.Value, Secret], log.Text);
        Assert.That(log.Text, Does.Contain("Subject = 'researcher'").And.Contain("https://issuer.test"));
    }

    [Test]
    public void Serilog_does_not_either_once_it_is_told_that_they_are_scalars()
    {
        using var log = JsonLog.OfSerilog(configuration => configuration.Destructure.AsScalar<M3AccessToken>().Destructure.AsScalar<M3AuthOptions>());
        (M3AccessToken token, M3AuthOptions options) = Secrets();

        LogThem(log, token, options);

        SecrecyTests.AssertHidden("the log", [token.Value, Secret], log.Text);
        Assert.That(log.Text, Does.Contain("Subject = 'researcher'").And.Contain("https://issuer.test"));
    }

    private static (M3AccessToken Token, M3AuthOptions Options) Secrets()
    {
        var token = new M3AccessToken(new FakeIssuer().Token(ClientFixture.Noon), subject: "researcher");
        return (token, new M3AuthOptions
        {
            IssuerUrl = FakeIssuer.Url,
            ClientId = "pull",
            ClientSecret = Secret,
            TokenSource = TokenSources.FromValue(token.Value),
        });
    }

    private static void LogThem(JsonLog log, M3AccessToken token, M3AuthOptions options)
    {
        ILogger logger = log.Factory.CreateLogger("the application");
        logger.LogInformation("{@Token} {@Options}", token, options);
        logger.LogInformation("{Token} {Options}", token, options);
        logger.LogInformation(new RejectedException("it says no"), "refused");
    }

    // Each with a token wherever one could be handed over.
    private static void WriteEveryLine(ILoggerFactory factory, string token)
    {
        var log = new Log(factory, clientName: null, debug: true, TimeProvider.System);
        var valid = new M3AccessToken(token, ClientFixture.Noon.AddMinutes(30), FakeIssuer.Url, "researcher", [ClientFixture.Audience], ["read:mimic-data"], keyId: token, algorithm: "RS256");

        log.DisabledWithToken("M3_OAUTH2_");
        log.CheckIsOff("expiry", "M3_OAUTH2_VALIDATE_EXP");
        log.PlainHttp("http://m3.test:80");
        log.KeysNotRefreshed("the issuer answered 503", ClientFixture.Noon);
        log.KeysBack();
        log.NotRenewed($"the delegate said {token}", ClientFixture.Noon);
        log.ForeignAuthorization("https://m3.test:443");
        log.SecretFileIsOpen("token", $"/run/{token}");
        log.WaitingForBudget(TimeSpan.FromSeconds(42));
        log.SignInNotKept(token);
        log.SignedIn(token, token, ClientFixture.Noon);
        log.SharedStateAway(nameof(TimeoutException));
        log.SharedStateBack();
        log.SharedValueIgnored("token", "not_authentic");
        log.SharesPermitsOnly("there is no Data Protection to seal them with");
        log.LimitsDiffer("https://m3.test:443", 100, TimeSpan.FromHours(1));
        log.RepeatsInside("m3", "ResilienceHandler");
        log.TimeoutOutside("m3", "ResilienceHandler");
        log.DiscoveryInside("m3", "ResolvingHttpDelegatingHandler");
        log.SettingsChanged("M3:Audience");
        log.KeysFetched(Backchannel.Describe(new Uri($"{FakeIssuer.Url}/jwks?token={token}")), [token], JwksReader.Read("""{"keys":[{"kty":"oct","kid":"a"}]}"""u8.ToArray()).Ignored);
        log.TokenAccepted(TokenSources.FromValue(token).DescribeSource(), valid.ToString(), token, "RS256", new ValidationRules(null, null, new HashSet<string>()).Checks, [token]);
        log.TokenRefused("the environment variable M3_OAUTH2_TOKEN", nameof(M3AuthError.TokenExpired), $"at noon: {token}");
        log.Sending("POST", Origin.Describe(new Uri(ClientFixture.Address, $"/sse?token={token}")), token, valid.ExpiresAt, "98 of 100 left");
        log.RequestRefused(nameof(M3AuthError.Rejected), $"M3 answered {token}");
    }
}
