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
    string growing = what.Format.GrowingFile(what.File);
    Course? course = null;
    try
    {
        PullFile.CheckPath(what.Out);
        if (what.IsJoin)
        {
            Screen.Note($"Done: {Rows(Joining.Run(what, cancellationToken))} in {what.Out}");
            return 0;
        }

        Uri? m3 = M3Url.FromEnvironment();
        await using LocalM3Server? local = m3 is null ? await LocalM3Server.StartAsync(cancellationToken: cancellationToken) : null;
        M3AuthOptions options = local is null ? M3AuthOptions.FromEnvironment() : Settings.For(local);
        await using RedisSharedState? shared = await Settings.ShareAsync(what.Redis);
        options.SharedState = shared;

        var screen = new Screen();
        course = new Course(what, options, screen);
        var pull = new TablePull(what, options, course, new Warnings(screen));
        await screen.RunAsync(() => pull.RunAsync(m3 ?? local!.Endpoint, cancellationToken));
        Screen.Note(what.Part.IsWhole
            ? $"Done: {Rows(course.Rows)} in {what.Out}"
            : $"Done: {what.Part}, {Rows(course.Rows)} in {growing}. When all parts lie in one folder, --join makes {what.Out} of them.");
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
        if (course is { Rows: > 0 })
            Console.Error.WriteLine($"{Rows(course.Rows)} are in {(what.Workers > 1 ? $"the parts of {what.Out}" : growing)}; the same command goes on from there.");
        return exitCode;
    }
}

static string Rows(long rows) => string.Create(CultureInfo.InvariantCulture, $"{rows:N0} rows");
