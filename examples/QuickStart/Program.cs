using System.CommandLine;
using System.Text;
using System.Text.Json;
using LocalM3;
using M3.Client.Auth;
using Microsoft.Extensions.Options;
using ModelContextProtocol;
using QuickStart;

var command = new RootCommand(
    """
    QuickStart: calls M3's tools with a token that is checked before anything is sent.
    Start it with: dotnet run --project examples/QuickStart
    """);

const string Notes =
    """
    With nothing set up it starts LocalM3, a stand-in for M3 with made-up rows, gets a token there, and
    also shows what happens without a token, with an expired one, and with one that lacks a scope.

    To call another M3, set these variables:

      M3_URL                     where it is, for example https://m3.example.org/sse
      M3_OAUTH2_ISSUER_URL       who issues its tokens
      M3_OAUTH2_AUDIENCE         whom they are for
      M3_OAUTH2_TOKEN            your token (or M3_OAUTH2_CLIENT_ID and M3_OAUTH2_CLIENT_SECRET)
      M3_OAUTH2_REQUIRED_SCOPES  the scopes that it needs (default: read:mimic-data)
      M3_OAUTH2_DEBUG            true: each step goes to standard error, never the token

    Exit code: 0 all went as it should, 1 something did not, 2 a wrong argument, 130 stopped.
    """;

return await command.RunAsync(Notes, args, async (_, cancellationToken) =>
{
    Console.OutputEncoding = Encoding.UTF8;
    try
    {
        if (M3Url.FromEnvironment() is { } m3)
            await Tour.OfAsync(m3, cancellationToken);
        else
            await Tour.OfLocalM3Async(cancellationToken);
        return 0;
    }
    catch (Exception) when (cancellationToken.IsCancellationRequested)
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
});

static int Fail(int exitCode, params string[] lines)
{
    foreach (string line in lines)
        Console.Error.WriteLine(line);
    return exitCode;
}
