using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace M3.Client.Auth;

/// <summary>
/// One catch for every authentication failure, whether it was found here before the call or answered by M3.
/// <see cref="Exception.Message"/> is M3's documented message, a colon and the detail. No message contains a token or a secret, and a
/// cause in which one may stand is left out of <see cref="Exception.InnerException"/>.
/// </summary>
/// <remarks>
/// It does not derive from <see cref="HttpRequestException"/>, so that no retry policy repeats what cannot succeed;
/// <see cref="IsTransient"/> says when trying again later can help. Cancellation stays <see cref="OperationCanceledException"/>.
/// </remarks>
public abstract class M3AuthException : Exception
{
    // What a remedy says where the name of a setting begins.
    private const string PrefixOfSettings = "{prefix}";

    private protected M3AuthException(M3AuthError error, string? message, string remedy, bool isTransient, Exception? innerException)
        : base(message is null ? Documented(error) : $"{Documented(error)}: {message}", innerException)
    {
        Error = error;
        Remedy = remedy;
        IsTransient = isTransient;
        HelpLink = HelpLinks.To(SectionOf(error));
    }

    /// <summary>Which failure this is.</summary>
    public M3AuthError Error { get; }

    /// <summary>The message as M3's OAuth2 guide documents it, without the detail.</summary>
    public string DocumentedMessage => Documented(Error);

    /// <summary>What to do about it, naming the registration's own settings, and the address that says more: the same as <see cref="Exception.HelpLink"/>.</summary>
    public string Remedy
    {
        get => $"{field.Replace(PrefixOfSettings, Prefix ?? SettingNames.DefaultPrefix, StringComparison.Ordinal)} See {HelpLinks.To(SectionOf(Error))}";
        internal set;
    }

    /// <summary>Whether the same call can succeed later without anybody changing anything.</summary>
    public bool IsTransient { get; internal init; }

    /// <summary>The status of M3's answer, or null when the failure was found before anything was sent.</summary>
    public HttpStatusCode? StatusCode { get; internal init; }

    /// <summary>What the names of the registration's settings begin with; null until the error leaves the registration.</summary>
    internal string? Prefix { get; set; }

    /// <summary>The Bearer challenge of M3's answer (RFC 6750, section 3), or null when there was none.</summary>
    public BearerChallenge? Challenge { get; internal init; }

    /// <summary>
    /// Recognises M3's refusal in the text of a tool's result, where M3 puts it: <c>Error: Missing OAuth2 access token</c> and the like,
    /// with and without <c>Error:</c> and <c>OAuth2 authentication failed:</c>. Results that merely mention such words are left alone.
    /// </summary>
    /// <param name="text">The text of a tool's result.</param>
    /// <param name="error">The error, not thrown; null when the text is none.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out M3AuthException? error)
    {
        error = ToolText.Read(text);
        return error is not null;
    }

    // The sections are named after the messages; two errors share one.
    private static string SectionOf(M3AuthError error) => error == M3AuthError.JwksUnavailable
        ? "jwks-unavailable"
        : Documented(error).ToLowerInvariant().Replace(' ', '-');

    private static string Documented(M3AuthError error) => error switch
    {
        M3AuthError.MissingToken => "Missing OAuth2 access token",
        M3AuthError.InvalidTokenFormat => "Invalid token format",
        M3AuthError.InvalidTokenSignature or M3AuthError.JwksUnavailable => "Invalid token signature",
        M3AuthError.TokenExpired => "Token has expired",
        M3AuthError.TokenNotYetValid => "Token is not yet valid",
        M3AuthError.InvalidIssuer => "Invalid token issuer",
        M3AuthError.InvalidAudience => "Invalid token audience",
        M3AuthError.MissingScopes => "Missing required scopes",
        M3AuthError.RateLimitExceeded => "Rate limit exceeded",
        M3AuthError.UntrustedOrigin => "Token withheld from untrusted origin",
        M3AuthError.TokenRequestFailed => "Token request failed",
        _ => "OAuth2 authentication failed",
    };
}
