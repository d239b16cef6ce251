using System.CommandLine;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary><c>m3-token check</c>: whether the token is good by M3's rules, and if not, which check fails first and what to do.</summary>
internal static class CheckCommand
{
    public static Command Create()
    {
        var command = new Command("check", "Check the token (the default)");
        Define(command);
        return command;
    }

    /// <summary>Makes it what happens when no command is named.</summary>
    public static void MakeDefaultOf(RootCommand root) => Define(root);

    private static void Define(Command command)
    {
        StandardInput.AddTo(command);
        command.Reports(CheckAsync);
    }

    private static async Task CheckAsync(CommandInput input, Report report, CancellationToken cancellationToken)
    {
        (ParseResult parsed, M3AuthOptions options, IssuerTraffic traffic) = input;
        WatchedToken watched = await WatchedToken.CreateAsync(parsed, options, report, cancellationToken);

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

        TokenParts? parts = TokenParts.TryRead(watched.Text);
        if (error is null)
            report.Succeed($"by M3's rules this token is good, and has {TimeLeft(parts)} left");
        else
            await ObviousReasons.FailAsync(report, parsed, error, options, watched, parts, cancellationToken);

        JwksStatus keys = provider.GetKeyStatus();
        // The token may have failed before anybody asked for keys.
        if (options.ValidateSignature && keys is { State: JwksState.Empty, LastError: null })
            keys = await KeysReport.FetchAsync(provider, cancellationToken);

        report.Add(new Section("Checks, in M3's order", ["check", "result", "detail"], CheckSteps.Rows(options, watched, parts, error?.Error, report.Verdict, keys)), "checks");
        report.Set("tokenFrom", watched.Text is null ? null : watched.Place);
        TokenParts.Add(report, parts, isVerified: options.ValidateSignature && (error is null || CheckSteps.IsBehindSignature(error.Error)));
        KeysReport.Add(report, traffic, keys);
        AddBudget(report, options, parts);
    }

    private static void AddBudget(Report report, M3AuthOptions options, TokenParts? parts)
    {
        string subject = parts?.ClaimText("sub") ?? TokenParts.None;
        report.Add(new Section("Time and budget", ["name", "value"],
        [
            ["time left", parts is null ? TokenParts.None : parts.ExpiresAt is null ? "no exp" : TimeLeft(parts)],
            ["scopes needed", Listed(options.RequiredScopes)],
            ["scopes granted", Listed(parts?.Scopes ?? [])],
            ["rate limit", options.RateLimitEnabled
                ? $"{options.RateLimitRequests} requests per {Durations.Describe(options.RateLimitWindow)} for {subject}; each process counts its own, and this check used none"
                : "off"],
        ]));
        report.Set("requiredScopes", Json.Array(options.RequiredScopes));
        report.Set("rateLimit", new JsonObject
        {
            ["enabled"] = options.RateLimitEnabled,
            ["requests"] = options.RateLimitRequests,
            ["windowSeconds"] = options.RateLimitWindow.TotalSeconds,
            ["subject"] = parts?.ClaimText("sub"),
        });
    }

    private static string Listed(IEnumerable<string> names) => string.Join(' ', names) is { Length: > 0 } all ? all : TokenParts.None;

    private static string TimeLeft(TokenParts? parts) => parts?.SecondsLeft is { } seconds ? Durations.Describe(TimeSpan.FromSeconds(seconds)) : "ever";
}
