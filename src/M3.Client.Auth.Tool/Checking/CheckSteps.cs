namespace M3.Client.Auth.Tool;

/// <summary>M3's checks in their order: everything before the one that failed has passed, and nothing after it was looked at.</summary>
internal static class CheckSteps
{
    public const string Passed = "passed";
    public const string Failed = "failed";
    public const string Off = "off";
    private const string NotReached = "not reached";

    public static bool IsBehindSignature(M3AuthError error) => StepOf(error) > Step.Signature;

    public static string?[][] Rows(M3AuthOptions options, WatchedToken token, TokenParts? parts, M3AuthError? error, string verdict, JwksStatus keys)
    {
        Step? failed = error is { } found ? StepOf(found) : null;
        return
        [
            Row(Step.Present, "present", token.Place),
            Row(Step.Format, "format", "three parts"),
            Row(Step.Signature, "signature", $"{parts?.HeaderText("alg")}, key {parts?.HeaderText("kid")}, {keys.UsableKeys.Count} usable keys", options.ValidateSignature),
            Row(Step.Expiry, "exp", $"{parts?.ExpiresAt:u}, in {Durations.Describe(TimeSpan.FromSeconds(parts?.SecondsLeft ?? 0))}", options.ValidateLifetime),
            Row(Step.Begin, "nbf and iat", $"from {parts?.Date("nbf") ?? parts?.Date("iat"):u}"),
            Row(Step.Issuer, "iss", options.IssuerUrl, options.ValidateIssuer),
            Row(Step.Audience, "aud", options.Audience, options.ValidateAudience),
            Row(Step.Scopes, "scopes", options.RequiredScopes.Count == 0 ? "none needed"
                : $"needed: {string.Join(' ', options.RequiredScopes)}; granted: {string.Join(' ', parts?.Scopes ?? [])}"),
        ];

        string?[] Row(Step step, string name, string? detail, bool isOn = true) =>
            step == failed ? [name, Failed, verdict]
            : step > failed ? [name, NotReached, ""]
            : isOn ? [name, Passed, detail]
            : [name, Off, "by the settings"];
    }

    private static Step StepOf(M3AuthError error) => error switch
    {
        M3AuthError.InvalidTokenFormat => Step.Format,
        M3AuthError.InvalidTokenSignature or M3AuthError.JwksUnavailable => Step.Signature,
        M3AuthError.TokenExpired => Step.Expiry,
        M3AuthError.TokenNotYetValid => Step.Begin,
        M3AuthError.InvalidIssuer => Step.Issuer,
        M3AuthError.InvalidAudience => Step.Audience,
        M3AuthError.MissingScopes => Step.Scopes,
        _ => Step.Present,
    };

    private enum Step
    {
        Present,
        Format,
        Signature,
        Expiry,
        Begin,
        Issuer,
        Audience,
        Scopes,
    }
}
