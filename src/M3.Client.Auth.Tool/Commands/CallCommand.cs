using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Text.Json.Nodes;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace M3.Client.Auth.Tool;

/// <summary><c>m3-token call</c>: one call to M3, through the library as any program would make it.</summary>
internal static class CallCommand
{
    private static readonly Argument<Uri> Address = new("URL") { Description = "M3's address, for example http://localhost:3000/sse", CustomParser = ReadAddress };

    private static readonly Option<string> ToolName = new("--tool")
    {
        Description = "The tool that is called",
        HelpName = "NAME",
        DefaultValueFactory = _ => "get_database_schema",
        // Those of M3 that need no arguments.
        CompletionSources = { "get_database_schema", "get_icu_stays", "get_lab_results", "get_race_distribution" },
    };

    public static Command Create()
    {
        var command = new Command("call", "Make one call to M3, and show what it answered") { Address, ToolName };
        StandardInput.AddTo(command);
        command.Reports(CallAsync);
        return command;
    }

    private static async Task CallAsync(CommandInput input, Report report, CancellationToken cancellationToken)
    {
        (ParseResult parsed, M3AuthOptions options, _) = input;
        WatchedToken watched = await WatchedToken.CreateAsync(parsed, options, report, cancellationToken);
        try
        {
            await CallAsync(parsed.GetRequiredValue(Address), parsed.GetRequiredValue(ToolName), options, watched, report, cancellationToken);
        }
        catch (M3AuthException e)
        {
            await ObviousReasons.FailAsync(report, parsed, e, options, watched, TokenParts.TryRead(watched.Text), cancellationToken);
        }
        catch (ModelContextProtocol.McpException e)
        {
            report.FailOtherwise(e);
        }
    }

    private static async Task CallAsync(Uri address, string tool, M3AuthOptions options, WatchedToken watched, Report report, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        using HttpClient http = M3HttpClient.Create(address, options);
        var transport = new HttpClientTransport(new HttpClientTransportOptions { Endpoint = address, TransportMode = HttpTransportMode.StreamableHttp }, http);
        await using McpClient mcp = await McpClient.CreateAsync(transport, cancellationToken: cancellationToken);
        CallToolResult result = await mcp.CallToolAsync(tool, cancellationToken: cancellationToken);
        string text = string.Join('\n', result.Content.OfType<TextContentBlock>().Select(block => block.Text));

        string url = address.GetLeftPart(UriPartial.Path);
        report.Add(new Section("Call", ["name", "value"], [["M3", url], ["tool", tool], ["token from", watched.Place], ["took", $"{watch.ElapsedMilliseconds} ms"]]));
        report.Set("call", new JsonObject { ["url"] = url, ["tool"] = tool, ["tokenFrom"] = watched.Place, ["milliseconds"] = watch.ElapsedMilliseconds });
        report.Add(new Section("What M3 answered", ["text"], [.. text.Split('\n').Select(line => new[] { line })]));
        report.Set("answer", text);

        if (M3AuthException.TryParse(text, out M3AuthException? refusal))
            throw refusal;
        if (result.IsError == true)
            throw new ModelContextProtocol.McpException(text);
        report.Succeed("M3 accepted the token and answered");
    }

    // The text itself may be a token.
    private static Uri? ReadAddress(ArgumentResult result)
    {
        string text = result.Tokens.Single().Value;
        if (Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https")
            return url;
        result.AddError(text.StartsWith("--", StringComparison.Ordinal)
            ? UsageErrors.Unknown(text)
            : "call needs an absolute http or https URL, for example: m3-token call http://localhost:3000/sse");
        return null;
    }
}
