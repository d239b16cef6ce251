using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.Protocol;

namespace M3.Client.Auth.IntegrationTests.Errors;

/// <summary>An MCP server whose every tool call answers one text: for refusals that LocalM3 has no reason to send.</summary>
internal sealed class TextServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TextServer(string text)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0").UseShutdownTimeout(TimeSpan.Zero);
        builder.Services.AddRouting();
        builder.Services.AddMcpServer()
            .WithHttpTransport()
            .WithListToolsHandler((_, _) => ValueTask.FromResult(new ListToolsResult()))
            .WithCallToolHandler((_, _) => ValueTask.FromResult(new CallToolResult { Content = [new TextContentBlock { Text = text }] }));
        _app = builder.Build();
        _app.MapMcp("/sse");
    }

    public Uri Endpoint => new(new Uri(_app.Urls.Single()), "/sse");

    public static async Task<TextServer> StartAsync(string text)
    {
        var server = new TextServer(text);
        await server._app.StartAsync();
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
