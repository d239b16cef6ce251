using System.Net.Http.Json;
using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>Tool calls as bare HTTP, so that a test decides when an answer is read, ended or left.</summary>
internal static class Callers
{
    /// <summary>So many callers make so many calls between them, numbered from 0, each its next when its last has ended.</summary>
    public static Task RunAsync(int callers, int calls, Func<int, Task> call)
    {
        int last = -1;
        return Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(async () =>
        {
            for (int id = Interlocked.Increment(ref last); id < calls; id = Interlocked.Increment(ref last))
                await call(id);
        })));
    }

    /// <summary>Sends a call, and returns with the headers of its answer.</summary>
    public static Task<HttpResponseMessage> SendToolCallAsync(this HttpClient http, int id, CancellationToken cancellationToken = default)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "")
        {
            Content = JsonContent.Create(new { jsonrpc = "2.0", id, method = "tools/call", @params = new { name = "get_database_schema" } }),
        };
        request.Headers.Add("Mcp-Method", "tools/call");
        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    /// <summary>The text of a tool's answer; null where the answer goes another way (202) or there is none. A stream is left open behind it.</summary>
    public static async Task<string?> ReadTextAsync(this HttpResponseMessage response, CancellationToken cancellationToken = default)
    {
        switch (response.Content.Headers.ContentType?.MediaType)
        {
            case "application/json":
                return TextOf(await response.Content.ReadAsStringAsync(cancellationToken));
            case "text/event-stream":
                using (var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken), leaveOpen: true))
                {
                    const string Data = "data: {";
                    while (await reader.ReadLineAsync(cancellationToken) is { } line)
                    {
                        if (line.StartsWith(Data, StringComparison.Ordinal))
                            return TextOf(line[(Data.Length - 1)..]);
                    }

                    return null;
                }

            default:
                return null;
        }
    }

    /// <summary>Makes a call, reads its answer and ends it.</summary>
    public static async Task<string?> CallToolAsync(this HttpClient http, int id, CancellationToken cancellationToken = default)
    {
        using HttpResponseMessage response = await http.SendToolCallAsync(id, cancellationToken);
        return await response.ReadTextAsync(cancellationToken);
    }

    private static string? TextOf(string message)
    {
        using JsonDocument document = JsonDocument.Parse(message);
        return document.RootElement.GetProperty("result").GetProperty("content")[0].GetProperty("text").GetString();
    }
}
