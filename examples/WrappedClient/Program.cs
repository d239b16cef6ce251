using System.Runtime.InteropServices;
using System.Text;
using LocalM3;
using Microsoft.Extensions.Options;
using ModelContextProtocol;
using WrappedClient;

const string Help =
    """
    WrappedClient: a class that wraps M3's tools in C# methods, before and after M3.Client.Auth. Two lines differ:
    compare examples/WrappedClient/Before/M3Client.cs with After/M3Client.cs.

    Usage: dotnet run --project examples/WrappedClient [-- --help]

    With nothing set up it starts LocalM3, a stand-in for M3 with made-up rows, and shows what a caller sees of a
    good token and of bad ones, before and after.

    To call another M3, set M3_URL, M3_OAUTH2_ISSUER_URL, M3_OAUTH2_AUDIENCE and M3_OAUTH2_TOKEN.

    Exit code: 0 all went as it should, 1 something did not, 2 a wrong argument or setting, 130 Ctrl+C.
    """;

if (args is ["--help"])
{
    Console.WriteLine(Help);
    return 0;
}

if (args is [var unknown, ..])
    return Fail(2, $"{Echo.Unknown(unknown)} See --help.");

Console.OutputEncoding = Encoding.UTF8;
using var stop = new CancellationTokenSource();
using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
{
    signal.Cancel = true;
    stop.Cancel();
});

try
{
    string? url = Environment.GetEnvironmentVariable("M3_URL");
    if (string.IsNullOrWhiteSpace(url))
    {
        await Comparison.RunAsync(stop.Token);
        return 0;
    }

    if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? m3) || m3.Scheme is not ("http" or "https"))
        return Fail(2, $"M3_URL must be an absolute http or https URL, but is {Echo.Quote(url)}.");
    await using var client = await WrappedClient.After.M3Client.ConnectAsync(m3, stop.Token);
    foreach (IcuStay stay in await client.GetIcuStaysAsync(3, stop.Token))
        Console.WriteLine(stay);
    return 0;
}
catch (Exception) when (stop.IsCancellationRequested)
{
    return Fail(130, "Stopped.");
}
catch (M3AuthException e)
{
    return Fail(1, $"{e.Message}\n{e.Remedy}");
}
catch (OptionsValidationException e)
{
    return Fail(2, string.Join('\n', e.Failures));
}
catch (Exception e) when (e is HttpRequestException or McpException or InvalidOperationException or ArgumentException or IOException)
{
    return Fail(1, $"M3 did not answer as it should: {e.Message}");
}

static int Fail(int exitCode, string message)
{
    Console.Error.WriteLine(message);
    return exitCode;
}
