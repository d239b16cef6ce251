// An MCP server over stdio, as M3 is one: its token is in its own environment. What it got there it tells, the token as a fingerprint.
// Its one argument is a file that it makes when it starts.
using System.Security.Cryptography;
using System.Text;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

await File.WriteAllTextAsync(args[0], "started");

var options = new McpServerOptions
{
    ServerInfo = new Implementation { Name = "StdioServer", Version = "0.1.0" },
    ToolCollection = [McpServerTool.Create(TellVariable, new McpServerToolCreateOptions { Name = "tell_variable" })],
};
await using var transport = new StdioServerTransport(options);
await using McpServer server = McpServer.Create(transport, options);
await server.RunAsync();

static string TellVariable(string name)
{
    string value = Environment.GetEnvironmentVariable(name) ?? "(not set)";
    return name.EndsWith("TOKEN", StringComparison.Ordinal) ? Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(value))) : value;
}
