using System.Runtime.InteropServices;
using M3.Client.Auth;
using M3.Client.Auth.Tool;
using Microsoft.Extensions.Options;

// A token may hold anything but must not move the cursor, and tables are drawn with lines.
Console.OutputEncoding = System.Text.Encoding.UTF8;

CommandLine command;
try
{
    command = CommandLine.Parse(args);
}
catch (FormatException e)
{
    Console.Error.WriteLine(e.Message);
    return ExitCode.Usage;
}

if (command.Command == Command.Help)
{
    Console.WriteLine(CommandLine.Help);
    return ExitCode.Ok;
}

using var stop = new CancellationTokenSource();
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}

using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

var report = new Report();
try
{
    await Inspection.RunAsync(command, report, stop.Token);
}
catch (M3AuthException e)
{
    report.Fail(e);
}
catch (OptionsValidationException e)
{
    report.FailSettings(e.Failures);
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.Error.WriteLine("Stopped.");
    return ExitCode.Interrupted;
}
catch (Exception e) when (e is HttpRequestException or IOException or UnauthorizedAccessException or TimeoutException or OperationCanceledException
    or ModelContextProtocol.McpException or InvalidOperationException)
{
    report.FailOtherwise(e);
}

Output.Write(report, command.Format);
return report.ExitCode;
