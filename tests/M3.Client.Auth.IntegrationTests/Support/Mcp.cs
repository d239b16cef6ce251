using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>The official MCP client, as a user of this library sets it up.</summary>
internal static class Mcp
{
    public static Task<McpClient> ConnectAsync(HttpClient http, Uri endpoint, string? protocolVersion = null)
    {
        var transport = new HttpClientTransport(
            new HttpClientTransportOptions { Endpoint = endpoint, TransportMode = HttpTransportMode.StreamableHttp }, http);
        return McpClient.CreateAsync(transport, new McpClientOptions { ProtocolVersion = protocolVersion });
    }

    public static async Task<string> CallAsync(this McpClient mcp, string tool, params (string Name, object Value)[] arguments)
    {
        CallToolResult result = await mcp.CallToolAsync(tool, arguments.ToDictionary(argument => argument.Name, argument => (object?)argument.Value));
        return string.Join('\n', result.Content.OfType<TextContentBlock>().Select(block => block.Text));
    }

    /// <summary>Settings for a client of this server, with this token.</summary>
    public static M3AuthOptions OptionsWith(this LocalM3Server m3, string? token) => m3.OptionsWith(TokenSources.FromValue(token));

    public static M3AuthOptions OptionsWith(this LocalM3Server m3, ITokenSource source) =>
        new() { IssuerUrl = m3.IssuerUrl, Audience = m3.Audience, TokenSource = source };
}
