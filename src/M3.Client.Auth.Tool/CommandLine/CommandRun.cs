using System.CommandLine;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tool;

/// <summary>Runs a command that reports: whatever fails becomes the report's verdict, and the report is written once, at the end.</summary>
internal static class CommandRun
{
    /// <param name="command">The command.</param>
    /// <param name="work">What it does with its command line and the settings; it reports every step, as far as it comes. Cancelled by Ctrl+C.</param>
    public static void Reports(this Command command, Func<CommandInput, Report, CancellationToken, Task> work) =>
        command.ReportsAlone(async (parsed, report, cancellationToken) =>
        {
            // Where OAuth2 is off the report says so, and there is nothing to do.
            if (SettingsReport.ReadInto(report, parsed) is { } options)
            {
                using var traffic = new IssuerTraffic();
                options.BackchannelHttpHandler = traffic;
                await work(new CommandInput(parsed, options, traffic), report, cancellationToken);
            }
        });

    /// <summary>The same, of a command that does not report the settings.</summary>
    public static void ReportsAlone(this Command command, Func<ParseResult, Report, CancellationToken, Task> work) =>
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, work, cancellationToken));

    private static async Task<int> RunAsync(ParseResult parsed, Func<ParseResult, Report, CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        var report = new Report();
        try
        {
            await work(parsed, report, cancellationToken);
        }
        catch (SignInException e)
        {
            report.FailSignIn(e.Message, e.Remedy);
        }
        catch (SignInStoreException e)
        {
            report.FailSignIn(e.Message, "Do what the message says, or sign in again: m3-token login.");
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

        if (report is { IsForProgram: true, Failure: null })
            return report.ExitCode;
        if (parsed.GetValue(CommonOptions.Json))
            JsonOutput.Write(report);
        else if (report is { IsForProgram: true, Failure: { } failure })
            Console.Error.WriteLine($"{report.Redaction.ForTerminal(failure.Message)}\n{report.Redaction.ForTerminal(failure.Remedy)}");
        else if (parsed.GetValue(CommonOptions.Plain) || Console.IsOutputRedirected)
            TextOutput.Write(report);
        else
            TableOutput.Write(report);
        return report.ExitCode;
    }
}

/// <summary>What a command works with.</summary>
/// <param name="Parsed">Its command line.</param>
/// <param name="Options">The settings in force.</param>
/// <param name="Traffic">What these settings ask the issuer, written down.</param>
internal sealed record CommandInput(ParseResult Parsed, M3AuthOptions Options, IssuerTraffic Traffic);
