using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DataPull;
using LocalM3;
using M3.Client.Auth;
using Microsoft.Extensions.Options;
using ModelContextProtocol;

return await CommandLine.Create().RunAsync(CommandLine.Notes, args, RunAsync);

static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
{
    Console.OutputEncoding = Encoding.UTF8;
    CommandLine what = CommandLine.Read(parsed);
    TablePull? pull = null;
    try
    {
        PullFile.CheckPath(what.Out);
        Uri? m3 = M3Url.FromEnvironment();
        await using LocalM3Server? local = m3 is null ? await LocalM3Server.StartAsync(cancellationToken: cancellationToken) : null;
        M3AuthOptions options = local is null ? M3AuthOptions.FromEnvironment() : Settings.For(local);

        var screen = new Screen();
        pull = new TablePull(what, options, screen);
        await screen.RunAsync(() => pull.RunAsync(m3 ?? local!.Endpoint, cancellationToken));
        Screen.Note($"Done: {Rows(pull)} in {what.Out}");
        return 0;
    }
    catch (Exception) when (cancellationToken.IsCancellationRequested)
    {
        return Fail(130, "Stopped.");
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
            Console.Error.WriteLine($"{Rows(pull)} are in {what.Format.GrowingFile(what.Out)}; the same command goes on from there.");
        return exitCode;
    }
}

static string Rows(TablePull pull) => string.Create(CultureInfo.InvariantCulture, $"{pull.Rows:N0} rows");
