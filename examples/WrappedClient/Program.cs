using System.CommandLine;
using System.Text;
using LocalM3;
using Microsoft.Extensions.Options;
using ModelContextProtocol;
using WrappedClient;

var command = new RootCommand(
    """
    WrappedClient: a class that wraps M3's tools in C# methods, before and after M3.Client.Auth. Two lines differ:
    compare examples/WrappedClient/Before/M3Client.cs with After/M3Client.cs.
    Start it with: dotnet run --project examples/WrappedClient
    """);

const string Notes =
    """
    With nothing set up it starts LocalM3, a stand-in for M3 with made-up rows, and shows what a caller sees of a
    good token and of bad ones, before and after.

    To call another M3, set M3_URL, M3_OAUTH2_ISSUER_URL, M3_OAUTH2_AUDIENCE and M3_OAUTH2_TOKEN.

    Exit code: 0 all went as it should, 1 something did not, 2 a wrong argument or setting, 130 stopped.
    """;

return await command.RunAsync(Notes, args, async (_, cancellationToken) =>
{
    Console.OutputEncoding = Encoding.UTF8;
    try
    {
        if (M3Url.FromEnvironment() is not { } m3)
        {
            await Comparison.RunAsync(cancellationToken);
            return 0;
        }

        await using var client = await WrappedClient.After.M3Client.ConnectAsync(m3, cancellationToken);
        foreach (IcuStay stay in await client.GetIcuStaysAsync(3, cancellationToken))
            Console.WriteLine(stay);
        return 0;
    }
    catch (Exception) when (cancellationToken.IsCancellationRequested)
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
});

static int Fail(int exitCode, string message)
{
    Console.Error.WriteLine(message);
    return exitCode;
}
