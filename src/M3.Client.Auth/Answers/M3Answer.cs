using System.Net;
using System.Net.Http.Json;
using System.Text.RegularExpressions;

namespace M3.Client.Auth;

/// <summary>Reads M3's refusals: a 401, and a 403 that says <c>insufficient_scope</c>. Any other answer is the caller's.</summary>
internal static partial class M3Answer
{
    /// <summary>Where a response that is not to be thrown keeps its error.</summary>
    public static readonly HttpRequestOptionsKey<(HttpResponseMessage Of, M3AuthException Error)> ErrorKey = new("M3.Client.Auth.Error");

    private const string InsufficientScope = "insufficient_scope";

    /// <summary>Cheap enough for every answer: whether a closer look is worth it.</summary>
    public static bool NeedsReading(HttpResponseMessage response) =>
        response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.TooManyRequests;

    /// <summary>Whether a 401 may be answered with one more try: only where the same request would go to the same place with the same body.</summary>
    public static bool MayRepeat(HttpRequestMessage request, Uri? target, HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.Unauthorized && ReachedUri(request, target, response) == target
        && request.Content is null or ByteArrayContent or ReadOnlyMemoryContent or JsonContent;

    /// <summary>Where the answer comes from. A handler that follows redirects says it in its answer, or in the message alone, or in both.</summary>
    public static Uri? ReachedUri(HttpRequestMessage request, Uri? target, HttpResponseMessage response) =>
        response.RequestMessage?.RequestUri is { } reached && reached != target ? reached : request.RequestUri;

    /// <summary>The typed error for a refusal, or null when the answer is none.</summary>
    public static M3AuthException? ReadRefusal(HttpResponseMessage response, M3AccessToken? sent, IEnumerable<string> requiredScopes)
    {
        HttpStatusCode status = response.StatusCode;
        if (status is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden))
            return null;

        BearerChallenge? challenge = response.Headers.NonValidated.TryGetValues("WWW-Authenticate", out var lines)
            ? BearerChallenge.Find(lines)
            : null;

        if (challenge?.Error == InsufficientScope)
        {
            return new MissingScopesException(ScopesAskedFor(challenge) ?? requiredScopes, sent?.Scopes, Describe(status, challenge))
            {
                StatusCode = status,
                Challenge = challenge,
            };
        }

        return status == HttpStatusCode.Unauthorized
            ? ErrorText.Read(challenge?.ErrorDescription, Describe(status, challenge), status, challenge)
            : null;
    }

    /// <summary>The error for a 401 from an address that the call was redirected to, where the token was not carried along.</summary>
    public static RejectedException AfterRedirect(HttpResponseMessage response, Uri? askedFor, Uri? reached) =>
        new($"{Describe(response.StatusCode, null)} from {Origin.Describe(reached)}: the call to "
            + $"{Origin.Describe(askedFor)} was redirected there, and the token is not carried along; use M3's final address")
        {
            StatusCode = response.StatusCode,
        };

    /// <summary>A refusal without the server's own words: the documented message, and the error code where it is RFC 6750's (section 3.1).</summary>
    public static string Summarize(M3AuthException error) => error.Challenge?.Error is "invalid_request" or "invalid_token" or InsufficientScope
        ? $"{error.DocumentedMessage}: {error.Challenge.Error}"
        : error.DocumentedMessage;

    // FastMCP 2 names them in the description only: "Required scope: read:mimic-data".
    private static IEnumerable<string>? ScopesAskedFor(BearerChallenge challenge)
    {
        if (challenge.Scopes.Count > 0)
            return challenge.Scopes;
        return challenge.ErrorDescription is { } description && RequiredScopes().Match(description) is { Success: true } match
            ? match.Groups[1].Value.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries)
            : null;
    }

    [GeneratedRegex("^Required scopes?: (.+)$", RegexOptions.CultureInvariant)]
    private static partial Regex RequiredScopes();

    private static string Describe(HttpStatusCode status, BearerChallenge? challenge)
    {
        string answer = $"M3 answered {(int)status}";
        if (challenge?.Error is { } error)
            answer += $" {Printable.Text(error)}";
        if (challenge?.ErrorDescription is { Length: > 0 } description)
            answer += $" ({Printable.Text(description, 300)})";
        return answer;
    }
}
