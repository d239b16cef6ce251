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
    private readonly ILogger _logger;

    public Log(M3AuthOptions options, ILoggerFactory? loggerFactory)
    {
        _logger = loggerFactory is not null ? new NonThrowingLogger(loggerFactory.CreateLogger("M3.Client.Auth"))
            : options.Debug ? new NonThrowingLogger(new StandardErrorLogger(options.TimeProvider))
            : NullLogger.Instance;
        Debug = options.Debug && _logger.IsEnabled(LogLevel.Information);
    }

    /// <summary>Whether the detailed lines are wanted.</summary>
    public bool Debug { get; }

    public void NotRenewed(string reason, DateTimeOffset until) => NotRenewed(Printable.WithoutToken(reason), Describe(until));

    public void TokenFileIsOpen(string path) => OpenTokenFile(Printable.Text(path));

    public void WaitingForBudget(TimeSpan delay) => WaitingForBudget(Duration.Describe(delay));

    public void KeysFetched(Uri address, KeySet keys)
    {
        if (!Debug)
            return;
        KeysFetched(Backchannel.Describe(address), keys.Count, Printable.List(keys.KeyIds), keys.PassedOver.Count);
        foreach (string reason in keys.PassedOver)
            KeyPassedOver(reason);
    }

    public void TokenAccepted(M3AccessToken token, ITokenSource source, M3AuthOptions options)
    {
        if (Debug)
        {
            TokenAccepted(TokenSourceExtensions.NameOf(source), token.ToString(), Printable.Quote(token.KeyId), token.Algorithm, Checks(options),
                Printable.List(token.Scopes));
        }
    }

    public void TokenRefused(M3AuthException error, string source)
    {
        if (Debug)
            TokenRefused(source, error.Error.ToString(), Printable.WithoutToken(error.Message));
    }

    public void Sending(HttpRequestMessage request, M3AccessToken token, string budget)
    {
        if (Debug)
            Sending(request.Method.ToString(), Origin.Describe(request.RequestUri), Printable.Quote(token.Subject), Describe(token.ExpiresAt), budget);
    }

    public void Refused(M3AuthException error)
    {
        if (Debug)
            Refused(error.Error.ToString(), Printable.WithoutToken(error.Message));
    }

    [LoggerMessage(1, LogLevel.Warning, "OAuth2 for M3 is off ({Prefix}ENABLED is not 'true'), but {Prefix}TOKEN is set: requests go without it")]
    public partial void DisabledWithToken(string prefix);

    [LoggerMessage(2, LogLevel.Warning, "The check of the token's {Check} is off ({Setting}=false)")]
    public partial void CheckIsOff(string check, string setting);

    [LoggerMessage(3, LogLevel.Warning, "The token goes to {Origin} over plain HTTP, where anybody on the way can read it (RequireHttps is off)")]
    public partial void PlainHttp(string origin);

    [LoggerMessage(4, LogLevel.Warning, "The issuer's keys could not be refreshed: {Reason}. The known ones serve until {Until} at the latest")]
    public partial void KeysNotRefreshed(string reason, string until);

    [LoggerMessage(5, LogLevel.Information, "The issuer's keys could be refreshed again")]
    public partial void KeysBack();

    [LoggerMessage(7, LogLevel.Warning, "A request to {Origin} has an Authorization header of its own: it goes as it is, unchecked and not counted")]
    public partial void ForeignAuthorization(string origin);

    [LoggerMessage(6, LogLevel.Warning, "The token could not be renewed: {Reason}. The current one serves until {Until}")]
    private partial void NotRenewed(string reason, string until);

    [LoggerMessage(8, LogLevel.Warning, "The token file {Path} can be read by other users; give it mode 600", EventName = "TokenFileIsOpen")]
    private partial void OpenTokenFile(string path);

    [LoggerMessage(9, LogLevel.Information, "M3's rate limit is reached: waiting {Delay} for the next request")]
    private partial void WaitingForBudget(string delay);

    [LoggerMessage(20, LogLevel.Information, "Keys fetched from {Address}: {Usable} usable ({KeyIds}), {PassedOver} passed over")]
    private partial void KeysFetched(string address, int usable, string keyIds, int passedOver);

    [LoggerMessage(21, LogLevel.Information, "Key passed over: {Reason}")]
    private partial void KeyPassedOver(string reason);

    [LoggerMessage(22, LogLevel.Information, "Token from {Source} accepted: {Token}, kid {KeyId}, alg {Algorithm}; checked {Checks}; scopes {Scopes}")]
    private partial void TokenAccepted(string source, string token, string keyId, string? algorithm, string checks, string scopes);

    [LoggerMessage(23, LogLevel.Information, "Token from {Source} refused: {Error}: {Reason}")]
    private partial void TokenRefused(string source, string error, string reason);

    [LoggerMessage(24, LogLevel.Information, "{Method} {Origin} with the token of {Subject}, which expires {ExpiresAt}; budget: {Budget}")]
    private partial void Sending(string method, string origin, string subject, string expiresAt, string budget);

    [LoggerMessage(25, LogLevel.Information, "Request refused: {Error}: {Reason}")]
    private partial void Refused(string error, string reason);

    private static string Describe(DateTimeOffset time) => time.ToString("u", CultureInfo.InvariantCulture);

    private static string Checks(M3AuthOptions options) => string.Join(", ", new[]
    {
        options.ValidateSignature ? "signature" : null,
        options.ValidateLifetime ? "exp" : null,
        "nbf and iat",
        options.ValidateIssuer ? "iss" : null,
        options.ValidateAudience ? "aud" : null,
        "scopes",
    }.OfType<string>());
}
