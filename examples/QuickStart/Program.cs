using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using LocalM3;
using M3.Client.Auth;
using Microsoft.Extensions.Options;
using ModelContextProtocol;
using QuickStart;

const string Help =
    """
    QuickStart: calls M3's tools with a token that is checked before anything is sent.

    Usage: dotnet run --project examples/QuickStart [-- --help]

    With nothing set up it starts LocalM3, a stand-in for M3 with made-up rows, gets a token there, and
    also shows what happens without a token, with an expired one, and with one that lacks a scope.

    To call another M3, set these variables:

      M3_URL                     where it is, for example https://m3.example.org/sse
      M3_OAUTH2_ISSUER_URL       who issues its tokens
      M3_OAUTH2_AUDIENCE         whom they are for
      M3_OAUTH2_TOKEN            your token (or M3_OAUTH2_CLIENT_ID and M3_OAUTH2_CLIENT_SECRET)
      M3_OAUTH2_REQUIRED_SCOPES  the scopes that it needs (default: read:mimic-data)
      M3_OAUTH2_DEBUG            true: each step goes to standard error, never the token

    Exit code: 0 all went as it should, 1 something did not, 2 a wrong argument, 130 Ctrl+C.
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
        await Tour.OfLocalM3Async(stop.Token);
    else if (Uri.TryCreate(url, UriKind.Absolute, out Uri? m3) && m3.Scheme is "http" or "https")
        await Tour.OfAsync(m3, stop.Token);
    else
        return Fail(1, $"M3_URL must be an absolute http or https URL, but is {Echo.Quote(url)}.");
    return 0;
}
catch (Exception) when (stop.IsCancellationRequested)
{
    return Fail(130, "Stopped.");
}
catch (M3AuthException e)
{
    // Whatever is wrong with the token: M3's documented message, and what to do about it.
    return Fail(1, e.Message, e.Remedy);
}
catch (OptionsValidationException e)
{
    return Fail(1, [.. e.Failures, "See --help for what to set."]);
}
catch (Exception e) when (e is HttpRequestException or IOException or McpException or JsonException or TimeoutException
    or OperationCanceledException)
{
    return Fail(1, $"M3 did not answer as it should: {e.Message}");
}

static int Fail(int exitCode, params string[] lines)
{
    foreach (string line in lines)
        Console.Error.WriteLine(line);
    return exitCode;
}
