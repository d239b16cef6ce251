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

    private static async Task ShowAsync(CommandInput input, Report report, CancellationToken cancellationToken)
    {
        using var provider = new M3TokenProvider(input.Options);
        JwksStatus keys = await KeysReport.FetchAsync(provider, cancellationToken);
        KeysReport.Add(report, input.Traffic, keys);
        if (keys.State == JwksState.Empty)
            report.Fail(new JwksUnavailableException(keys.LastError));
        else
            report.Succeed($"{keys.UsableKeys.Count} usable, {keys.IgnoredKeys.Count} ignored");
    }
}
