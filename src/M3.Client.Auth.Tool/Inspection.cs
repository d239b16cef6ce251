using System.Diagnostics;
using System.Text.Json;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace M3.Client.Auth.Tool;

/// <summary>Does what was asked for, and reports every step, as far as it comes.</summary>
internal static class Inspection
{
    public const string Passed = "passed";
    public const string Failed = "failed";
    public const string Off = "off";
    private const string NotReached = "not reached";

    private const string None = "(none)";

    private static readonly string[] ScopeClaims = ["scope", "scp"];
    private static readonly string[] NameAndValue = ["name", "value"];

    /// <exception cref="M3AuthException">The first thing that fails.</exception>
    public static async Task RunAsync(CommandLine command, Report report, CancellationToken cancellationToken)
    {
        M3AuthOptions options = M3AuthOptions.FromEnvironment(command.Prefix);
        report.Add("settings", "Settings in force", ["name", "value", "from"], Settings.Rows(options, command.Prefix));
        if (!options.Enabled)
        {
            report.FailSettings([$"OAuth2 is off: {command.Prefix}ENABLED is not 'true', so requests go to M3 without a token"]);
            return;
        }

        using var traffic = new IssuerTraffic();
        options.BackchannelHttpHandler = traffic;
        if (command.Command == Command.Keys)
            await ShowKeysAsync(options, traffic, report, cancellationToken);
        else if (command.Command == Command.Check)
            await CheckAsync(command, options, traffic, report, cancellationToken);
        else
            await CallAsync(command, options, report, cancellationToken);
    }

    private static async Task CheckAsync(CommandLine command, M3AuthOptions options, IssuerTraffic traffic, Report report, CancellationToken cancellationToken)
    {
        RawToken raw = await RawToken.FindAsync(command, options, cancellationToken);
        using var provider = new M3TokenProvider(options);
        M3AuthException? error = null;
        try
        {
            await provider.GetTokenAsync(cancellationToken);
        }
        catch (M3AuthException e)
        {
            error = e;
        }

        TokenParts? parts = TokenParts.TryRead(raw.Text);
        if (parts is not null)
        {
            bool isVerified = options.ValidateSignature && (error is null || StepOf(error.Error) > Step.Signature);
            report.Add("header", "Header", NameAndValue, TokenParts.Rows(parts.Header));
            report.Add("claims", isVerified ? "Claims" : "Claims (their signature is not verified: do not believe them)", NameAndValue, TokenParts.Rows(parts.Claims));
        }

        JwksStatus keys = provider.GetKeyStatus();
        // The token may have failed before anybody asked for keys.
        if (options.ValidateSignature && keys is { State: JwksState.Empty, LastError: null })
            keys = await FetchKeysAsync(provider, cancellationToken);
        AddKeys(report, traffic, keys);
        report.Add("checks", "Checks, in M3's order", ["check", "result", "detail"], Checks(options, raw, parts, error, keys));
        report.Add("budget", "Time and budget", NameAndValue, Budget(options, parts));

        if (error is not null)
            report.Fail(error);
        else
            report.Succeed($"by M3's rules this token is good, and has {TimeLeft(parts)} left");
    }

    private static async Task ShowKeysAsync(M3AuthOptions options, IssuerTraffic traffic, Report report, CancellationToken cancellationToken)
    {
        using var provider = new M3TokenProvider(options);
        JwksStatus keys = await FetchKeysAsync(provider, cancellationToken);
        AddKeys(report, traffic, keys);
        if (keys.State == JwksState.Empty)
            report.Fail(new JwksUnavailableException(keys.LastError));
        else
            report.Succeed($"{keys.UsableKeys.Count} usable, {keys.IgnoredKeys.Count} ignored");
    }

    private static async Task<JwksStatus> FetchKeysAsync(M3TokenProvider provider, CancellationToken cancellationToken)
    {
        try
        {
            return await provider.RefreshKeysAsync(cancellationToken);
        }
        catch (JwksUnavailableException)
        {
            // The status says what happened, too.
            return provider.GetKeyStatus();
        }
    }

    private static async Task CallAsync(CommandLine command, M3AuthOptions options, Report report, CancellationToken cancellationToken)
    {
        RawToken raw = await RawToken.FindAsync(command, options, cancellationToken);
        var watch = Stopwatch.StartNew();
        using HttpClient http = M3HttpClient.Create(command.Url!, options);
        var transport = new HttpClientTransport(
            new HttpClientTransportOptions { Endpoint = command.Url!, TransportMode = HttpTransportMode.StreamableHttp }, http);
        await using McpClient mcp = await McpClient.CreateAsync(transport, cancellationToken: cancellationToken);
        CallToolResult result = await mcp.CallToolAsync(command.Tool, cancellationToken: cancellationToken);
        string text = string.Join('\n', result.Content.OfType<TextContentBlock>().Select(block => block.Text));

        report.Add("call", "Call", NameAndValue,
        [
            ["M3", command.Url!.GetLeftPart(UriPartial.Path)],
            ["tool", command.Tool],
            ["token from", raw.Place],
            ["took", $"{watch.ElapsedMilliseconds} ms"],
        ]);
        report.Add("answer", "What M3 answered", ["text"], text.Split('\n').Select(line => new[] { line }));

        if (M3AuthException.TryParse(text, out M3AuthException? refusal))
            throw refusal;
        if (result.IsError == true)
            throw new ModelContextProtocol.McpException(text);
        report.Succeed("M3 accepted the token and answered");
    }

    private static void AddKeys(Report report, IssuerTraffic traffic, JwksStatus keys)
    {
        report.Add("discovery", "What the issuer was asked", ["request", "answer", "time"], traffic.Rows);
        List<string?[]> rows = [.. keys.UsableKeys.Select(key => new[] { key, "usable" }), .. keys.IgnoredKeys.Select(key => new[] { key, "ignored" })];
        if (keys.LastError is { } error)
            rows.Add([error, "last failure"]);
        if (rows.Count > 0)
            report.Add("keys", "The issuer's keys", ["key", "state"], rows);
    }

    // Everything before the step that failed has passed, and nothing after it was looked at.
    private static IEnumerable<string?[]> Checks(M3AuthOptions options, RawToken raw, TokenParts? parts, M3AuthException? error, JwksStatus keys)
    {
        Step? failed = error is null ? null : StepOf(error.Error);
        yield return Row(Step.Present, "present", raw.Place);
        yield return Row(Step.Format, "format", "three parts");
        yield return Row(Step.Signature, "signature", $"{Claim(parts?.Header, "alg")}, key {Claim(parts?.Header, "kid")}, {keys.UsableKeys.Count} usable keys", options.ValidateSignature);
        yield return Row(Step.Expiry, "exp", $"{parts?.Date("exp"):u}, in {TimeLeft(parts)}", options.ValidateLifetime);
        yield return Row(Step.Begin, "nbf and iat", $"from {parts?.Date("nbf") ?? parts?.Date("iat"):u}");
        yield return Row(Step.Issuer, "iss", options.IssuerUrl, options.ValidateIssuer);
        yield return Row(Step.Audience, "aud", options.Audience, options.ValidateAudience);
        yield return Row(Step.Scopes, "scopes", options.RequiredScopes.Count == 0 ? "none needed" : $"needed: {string.Join(' ', options.RequiredScopes)}; granted: {Granted(parts)}");

        string?[] Row(Step step, string name, string? detail, bool isOn = true) =>
            step == failed ? [name, Failed, error!.Message]
            : step > failed ? [name, NotReached, ""]
            : isOn ? [name, Passed, detail]
            : [name, Off, "by the settings"];
    }

    private static IEnumerable<string?[]> Budget(M3AuthOptions options, TokenParts? parts)
    {
        if (parts is not null)
            yield return ["time left", parts.Date("exp") is null ? "no exp" : TimeLeft(parts)];
        yield return ["scopes needed", options.RequiredScopes.Count == 0 ? None : string.Join(' ', options.RequiredScopes)];
        if (parts is not null)
            yield return ["scopes granted", Granted(parts)];
        yield return ["rate limit", options.RateLimitEnabled
            ? $"{options.RateLimitRequests} requests per {Shown.Time(options.RateLimitWindow)} for {Claim(parts?.Claims, "sub")}; each process counts its own, and this check used none"
            : "off"];
    }

    private static string TimeLeft(TokenParts? parts) => parts?.Date("exp") is { } expires ? Shown.Time(expires - DateTimeOffset.UtcNow) : "ever";

    private static string Granted(TokenParts? parts)
    {
        string[] granted = [.. ScopeClaims.Select(name => Claim(parts?.Claims, name)).Where(claim => claim != None)];
        return granted.Length == 0 ? None : string.Join(' ', granted);
    }

    private static string Claim(JsonElement? json, string name) =>
        json is { } element && element.TryGetProperty(name, out JsonElement claim) ? claim.ToString() : None;

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
