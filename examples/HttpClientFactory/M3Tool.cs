using M3.Client.Auth;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using WrappedClient;

namespace HttpClientFactory;

/// <summary>Calls one of M3's tools over MCP, and reads the table that it answers with.</summary>
internal static class M3Tool
{
    /// <exception cref="M3AuthException">The token is no good: found before anything was sent, or answered by M3.</exception>
    /// <exception cref="McpException">M3 answered another failure.</exception>
    public static async Task<IReadOnlyList<IReadOnlyDictionary<string, string>>> CallAsync(HttpClient http, string tool, int limit, CancellationToken cancellationToken)
    {
        var transport = new HttpClientTransport(
            new HttpClientTransportOptions { Endpoint = http.BaseAddress!, TransportMode = HttpTransportMode.StreamableHttp }, http);
        await using McpClient mcp = await McpClient.CreateAsync(transport, cancellationToken: cancellationToken);
        CallToolResult result = await mcp.CallToolAsync(tool, new Dictionary<string, object?> { ["limit"] = limit }, cancellationToken: cancellationToken);
        string text = string.Join('\n', result.Content.OfType<TextContentBlock>().Select(block => block.Text));

        if (M3AuthException.TryParse(text, out M3AuthException? refusal))
            throw refusal;
        if (result.IsError == true || text.StartsWith("Error", StringComparison.Ordinal) || text.StartsWith('❌'))
            throw new McpException(text);
        return TextTable.Parse(text);
    }
}
