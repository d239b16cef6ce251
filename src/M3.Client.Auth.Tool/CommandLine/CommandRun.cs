using System.CommandLine;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tool;

/// <summary>Runs a command that reports: whatever fails becomes the report's verdict, and the report is written once, at the end.</summary>
internal static class CommandRun
{
    /// <param name="command">The command.</param>
    /// <param name="work">What it does with its command line; it reports every step, as far as it comes. Cancelled by Ctrl+C.</param>
    public static void Reports(this Command command, Func<ParseResult, Report, CancellationToken, Task> work) =>
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, work, cancellationToken));

    private static async Task<int> RunAsync(ParseResult parsed, Func<ParseResult, Report, CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        var report = new Report();
        try
        {
            await work(parsed, report, cancellationToken);
        }
        catch (M3AuthException e)
        {
            report.Fail(e);
        }
        catch (OptionsValidationException e)
        {
            report.FailSettings(e.Failures);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Console.Error.WriteLine("Stopped.");
            return ExitCode.Interrupted;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or UnauthorizedAccessException or TimeoutException or OperationCanceledException
            or InvalidOperationException)
        {
            report.FailOtherwise(e);
        }

        if (parsed.GetValue(CommonOptions.Json))
            JsonOutput.Write(report);
        else if (parsed.GetValue(CommonOptions.Plain) || Console.IsOutputRedirected)
            TextOutput.Write(report);
        else
            TableOutput.Write(report);
        return report.ExitCode;
    }
}
