using System.CommandLine;

namespace M3.Client.Auth.Tool;

/// <summary><c>m3-token keys</c>: the issuer's keys, without a token.</summary>
internal static class KeysCommand
{
    public static Command Create()
    {
        var command = new Command("keys", "Show the issuer's keys, where they were found, and those that are ignored");
        command.Reports(ShowAsync);
        return command;
    }

    private static async Task ShowAsync(ParseResult parsed, Report report, CancellationToken cancellationToken)
    {
        if (SettingsReport.ReadInto(report, parsed) is not { } options)
            return;
        using var traffic = new IssuerTraffic();
        options.BackchannelHttpHandler = traffic;
        using var provider = new M3TokenProvider(options);
        JwksStatus keys = await KeysReport.FetchAsync(provider, cancellationToken);
        KeysReport.Add(report, traffic, keys);
        if (keys.State == JwksState.Empty)
            report.Fail(new JwksUnavailableException(keys.LastError));
        else
            report.Succeed($"{keys.UsableKeys.Count} usable, {keys.IgnoredKeys.Count} ignored");
    }
}
