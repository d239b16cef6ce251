using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace M3.Client.Auth;

/// <summary>
/// Every line this library logs. None takes a token or a secret, and each takes strings and numbers alone: a structured log reads the
/// properties of whatever object it is handed. What <c>M3_OAUTH2_DEBUG</c> asks for is logged at Information, so that default filters show
/// it, and only then.
/// </summary>
internal sealed partial class Log
{
    private const string Category = "M3.Client.Auth";

    private readonly ILogger _logger;

    /// <param name="loggerFactory">The application's; null: nowhere, or to standard error with <paramref name="debug"/>.</param>
    /// <param name="clientName">The client's name at the factory, which the category ends in; null: it is built directly.</param>
    /// <param name="debug">Whether the detailed lines are wanted.</param>
    /// <param name="timeProvider">For the times on standard error.</param>
    public Log(ILoggerFactory? loggerFactory, string? clientName, bool debug, TimeProvider timeProvider)
    {
        _logger = loggerFactory is not null ? new NonThrowingLogger(loggerFactory.CreateLogger(string.IsNullOrEmpty(clientName) ? Category : $"{Category}.{clientName}"))
            : debug ? new NonThrowingLogger(new StandardErrorLogger(timeProvider))
            : NullLogger.Instance;
        Debug = debug && _logger.IsEnabled(LogLevel.Information);
    }

    /// <summary>Whether the detailed lines are wanted.</summary>
    public bool Debug { get; }

    public void NotRenewed(string reason, DateTimeOffset until) => NotRenewed(Printable.WithoutToken(reason), Describe(until));

    public void KeysNotRefreshed(string reason, DateTimeOffset until) => KeysNotRefreshed(reason, Describe(until));

    public void SecretFileIsOpen(string content, string path) => OpenSecretFile(content, Printable.Text(path));

    public void SignedIn(string? subject, string issuer, DateTimeOffset since) => SignedIn(Printable.Quote(subject), Printable.Text(issuer), Describe(since));

    public void SignInNotKept(string reason) => NotKept(Printable.WithoutToken(reason));

    public void LimitsDiffer(string origin, int limit, TimeSpan window) => LimitsDiffer(origin, limit, Duration.Describe(window));

    public void WaitingForBudget(TimeSpan delay) => WaitingForBudget(Duration.Describe(delay));

    public void KeysFetched(string address, IReadOnlyCollection<string> keyIds, IReadOnlyCollection<string> ignored)
    {
        if (!Debug)
            return;
        KeysFetched(address, keyIds.Count, Printable.List(keyIds), ignored.Count);
        foreach (string reason in ignored)
            KeyIgnored(reason);
    }

    public void TokenAccepted(string source, string token, string? keyId, string? algorithm, IEnumerable<string> checks, IEnumerable<string> scopes)
    {
        if (Debug)
            TokenAccepted(source, token, Printable.Quote(keyId), algorithm, string.Join(", ", checks), Printable.List(scopes));
    }

    public void TokenRefused(string source, string error, string reason)
    {
        if (Debug)
            WhyTokenRefused(source, error, Printable.WithoutToken(reason));
    }

    public void Sending(string method, string origin, string? subject, DateTimeOffset expiresAt, string budget)
    {
        if (Debug)
            Sending(method, origin, Printable.Quote(subject), Describe(expiresAt), budget);
    }

    public void RequestRefused(string error, string reason)
    {
        if (Debug)
            WhyRequestRefused(error, Printable.WithoutToken(reason));
    }

    [LoggerMessage(1, LogLevel.Warning, "OAuth2 for M3 is off ({Prefix}ENABLED is not 'true'), but {Prefix}TOKEN is set: requests go without it")]
    public partial void DisabledWithToken(string prefix);

    [LoggerMessage(2, LogLevel.Warning, "The check of the token's {Check} is off ({Setting}=false)")]
    public partial void CheckIsOff(string check, string setting);

    [LoggerMessage(3, LogLevel.Warning, "The token goes to {Origin} over plain HTTP, where anybody on the way can read it (RequireHttps is off)")]
    public partial void PlainHttp(string origin);

    [LoggerMessage(4, LogLevel.Warning, "The issuer's keys could not be refreshed: {Reason}. The known ones are used until {Until} at the latest")]
    private partial void KeysNotRefreshed(string reason, string until);

    [LoggerMessage(5, LogLevel.Information, "The issuer's keys could be refreshed again")]
    public partial void KeysBack();

    [LoggerMessage(7, LogLevel.Warning, "A request to {Origin} has an Authorization header of its own: it goes as it is, unchecked and not counted")]
    public partial void ForeignAuthorization(string origin);

    [LoggerMessage(6, LogLevel.Warning, "The token could not be renewed: {Reason}. The current one is used until {Until}")]
    private partial void NotRenewed(string reason, string until);

    [LoggerMessage(8, LogLevel.Warning, "The {Content} file {Path} can be read by other users; give it mode 600", EventName = "TokenFileIsOpen")]
    private partial void OpenSecretFile(string content, string path);

    [LoggerMessage(9, LogLevel.Information, "M3's rate limit is reached: waiting {Delay} for the next request")]
    private partial void WaitingForBudget(string delay);

    [LoggerMessage(10, LogLevel.Warning, "Several clients of {Origin} have different rate limits: the stricter one counts for all, {Limit} per {Window}")]
    private partial void LimitsDiffer(string origin, int limit, string window);

    [LoggerMessage(11, LogLevel.Warning, "The client '{Client}' has {Handler} inside of M3's: what it sends again M3 counts each time, and the limit kept here once. "
        + "Add it before AddM3Auth")]
    public partial void RepeatsInside(string client, string handler);

    [LoggerMessage(12, LogLevel.Warning, "The client '{Client}' has {Handler} outside of M3's: unless its timeouts are taken away, they cut a call that waits its turn "
        + "(RateLimitMode.Wait)")]
    public partial void TimeoutOutside(string client, string handler);

    [LoggerMessage(13, LogLevel.Warning, "The client '{Client}' has {Handler} inside of M3's: the token goes to no address that it finds, unless AllowedOrigins names that too. "
        + "Call AddServiceDiscovery before AddM3Auth, with its addresses in AllowedOrigins")]
    public partial void DiscoveryInside(string client, string handler);

    [LoggerMessage(14, LogLevel.Warning, "Settings have changed in the configuration ({Settings}): they take effect when the application is started anew; only tokens are read again")]
    public partial void SettingsChanged(string settings);

    [LoggerMessage(15, LogLevel.Information, "Signed in as {Subject} at {Issuer}, kept since {Since}")]
    private partial void SignedIn(string subject, string issuer, string since);

    [LoggerMessage(16, LogLevel.Warning, "The next start will not find this sign-in: {Reason}", EventName = "SignInNotKept")]
    private partial void NotKept(string reason);

    [LoggerMessage(17, LogLevel.Warning, "Redis cannot be reached ({Error}): permits of the shared budget that were granted are spent, and then calls are refused or wait")]
    public partial void SharedStateAway(string error);

    [LoggerMessage(18, LogLevel.Information, "Redis answers again")]
    public partial void SharedStateBack();

    [LoggerMessage(19, LogLevel.Warning, "A shared value ({Kind}) is ignored: {Problem}. Do all processes have the same Data Protection keys and application name?")]
    public partial void SharedValueIgnored(string kind, string problem);

    [LoggerMessage(26, LogLevel.Information, "Redis shares the budget's permits only, neither tokens nor keys: {Reason}")]
    public partial void SharesPermitsOnly(string reason);

    [LoggerMessage(20, LogLevel.Information, "Keys fetched from {Address}: {Usable} usable ({KeyIds}), {Ignored} ignored")]
    private partial void KeysFetched(string address, int usable, string keyIds, int ignored);

    [LoggerMessage(21, LogLevel.Information, "Key ignored: {Reason}")]
    private partial void KeyIgnored(string reason);

    [LoggerMessage(22, LogLevel.Information, "Token from {Source} accepted: {Token}, kid {KeyId}, alg {Algorithm}; checked {Checks}; scopes {Scopes}")]
    private partial void TokenAccepted(string source, string token, string keyId, string? algorithm, string checks, string scopes);

    [LoggerMessage(23, LogLevel.Information, "Token from {Source} refused: {Error}: {Reason}", EventName = "TokenRefused")]
    private partial void WhyTokenRefused(string source, string error, string reason);

    [LoggerMessage(24, LogLevel.Information, "{Method} {Origin} with the token of {Subject}, which expires {ExpiresAt}; budget: {Budget}")]
    private partial void Sending(string method, string origin, string subject, string expiresAt, string budget);

    [LoggerMessage(25, LogLevel.Information, "Request refused: {Error}: {Reason}", EventName = "Refused")]
    private partial void WhyRequestRefused(string error, string reason);

    private static string Describe(DateTimeOffset time) => time.ToString("u", CultureInfo.InvariantCulture);
}
