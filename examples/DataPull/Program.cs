using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using DataPull;
using LocalM3;
using M3.Client.Auth;
using Microsoft.Extensions.Options;
using ModelContextProtocol;

if (args.Contains("--help"))
{
    Console.WriteLine(CommandLine.Help);
    return 0;
}

Console.OutputEncoding = Encoding.UTF8;
using var stop = new CancellationTokenSource();
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}

using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);

TablePull? pull = null;
try
{
    CommandLine what = CommandLine.Parse(args);
    (Uri? m3, M3AuthOptions options) = Settings.Read();
    await using LocalM3Server? local = m3 is null ? await LocalM3Server.StartAsync(cancellationToken: stop.Token) : null;
    if (local is not null)
        (m3, options) = (local.Endpoint, Settings.For(local));

    var screen = new Screen();
    pull = new TablePull(what, options, screen);
    await screen.RunAsync(() => pull.RunAsync(m3!, stop.Token));
    Screen.Note($"Done: {Rows(pull)} in {what.Out}");
    return 0;
}
catch (Exception) when (stop.IsCancellationRequested)
{
    return Fail(130, "Stopped.");
}
catch (FormatException e)
{
    return Fail(2, $"{e.Message} See --help.");
}
catch (UsageException e)
{
    return Fail(2, e.Message);
}
catch (OptionsValidationException e)
{
    return Fail(2, [.. e.Failures, "See --help for what to set."]);
}
catch (M3AuthException e)
{
    // Whatever is wrong with the token: M3's documented message, and what to do about it.
    return Fail(1, e.Message, e.Remedy);
}
catch (Exception e) when (e is HttpRequestException or IOException or McpException or JsonException or TimeoutException
    or OperationCanceledException)
{
    return Fail(1, $"M3 did not answer as it should: {e.Message}");
}

int Fail(int exitCode, params string[] lines)
{
    foreach (string line in lines)
        Console.Error.WriteLine(line);
    if (pull is { Rows: > 0 })
        Console.Error.WriteLine($"{Rows(pull)} are in the file; the same command goes on from there.");
    return exitCode;
}

static string Rows(TablePull pull) => string.Create(CultureInfo.InvariantCulture, $"{pull.Rows:N0} rows");
