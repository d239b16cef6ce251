using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.AspNetCore;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace M3.Client.Auth.IntegrationTests.Budget;

/// <summary>MCP clients that say no <c>Mcp-Method</c>: version 1 of the SDK, and those that still speak over legacy SSE.</summary>
public sealed class OlderClientTests
{
    [Test]
    public async Task Five_permits_are_five_tool_calls_of_a_client_that_names_no_method_in_a_header()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = m3.OptionsWith(m3.CreateToken());
        options.RateLimitRequests = 5;
        using var http = new HttpClient(new AsVersion1(new M3AuthHandler(options) { InnerHandler = new SocketsHttpHandler() }));
        await using McpClient mcp = await Mcp.ConnectAsync(http, m3.Endpoint, "2025-06-18");

        for (int i = 0; i < 5; i++)
            Assert.That(await mcp.CallAsync("get_database_schema"), Does.Contain("hosp_patients"), $"call {i + 1}");

        await Assert.ThatAsync(() => mcp.CallAsync("get_database_schema"), Throws.TypeOf<RateLimitExceededException>());
        Assert.That(await mcp.ListToolsAsync(), Has.Count.EqualTo(6), "housekeeping goes on");
        Assert.That(m3.Received, Has.None.Property("McpMethod").Not.Null, "no header said a method");
    }

    [Test]
    public async Task Three_permits_are_three_tool_calls_over_legacy_SSE()
    {
        await using LegacyServer server = await LegacyServer.StartAsync();
        using HttpClient http = Client(server, limit: 3);
        await using McpClient mcp = await ConnectAsync(http, server, HttpTransportMode.Sse);

        await mcp.ListToolsAsync();
        for (int i = 0; i < 3; i++)
            Assert.That(await mcp.CallAsync("tick"), Is.EqualTo("tock"), $"call {i + 1}");

        await Assert.ThatAsync(() => mcp.CallAsync("tick"), Throws.TypeOf<RateLimitExceededException>());
        await mcp.PingAsync();
    }

    [Test]
    public async Task With_the_budget_used_up_a_call_can_still_be_cancelled([Values(HttpTransportMode.Sse, HttpTransportMode.StreamableHttp)] HttpTransportMode mode)
    {
        await using LegacyServer server = await LegacyServer.StartAsync();
        using HttpClient http = Client(server, limit: 1);
        await using McpClient mcp = await ConnectAsync(http, server, mode);
        using var cancellation = new CancellationTokenSource();
        Task call = mcp.CallToolAsync("hang", cancellationToken: cancellation.Token).AsTask();
        RequestId id = await server.Hanging.WaitAsync(TimeSpan.FromSeconds(30));
        await Assert.ThatAsync(() => mcp.CallAsync("tick"), Throws.TypeOf<RateLimitExceededException>());

        await mcp.SendNotificationAsync(NotificationMethods.CancelledNotification, new CancelledNotificationParams { RequestId = id });

        await server.Cancelled.WaitAsync(TimeSpan.FromSeconds(30));
        await cancellation.CancelAsync();
        await Assert.ThatAsync(() => call, Throws.InstanceOf<OperationCanceledException>());
    }

    private static HttpClient Client(LegacyServer server, int limit)
    {
        var options = new M3AuthOptions { RateLimitRequests = limit };
        options.AllowedOrigins.Add(server.Address);
        return new HttpClient(new AsVersion1(new M3AuthHandler(new Unchecked("made.up.token"), options) { InnerHandler = new SocketsHttpHandler() }));
    }

    private static Task<McpClient> ConnectAsync(HttpClient http, LegacyServer server, HttpTransportMode mode) => McpClient.CreateAsync(
        new HttpClientTransport(new() { Endpoint = new Uri(server.Address, mode == HttpTransportMode.Sse ? "/sse" : "/"), TransportMode = mode }, http),
        new McpClientOptions { ProtocolVersion = "2025-06-18" });

    /// <summary>Version 1 of the SDK sends what version 2 does, but no header that names the method.</summary>
    private sealed class AsVersion1(HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Remove("Mcp-Method");
            request.Headers.Remove("Mcp-Name");
            return base.SendAsync(request, cancellationToken);
        }
    }

    /// <summary>A small MCP server that still has the legacy endpoints.</summary>
    private sealed class LegacyServer : IAsyncDisposable
    {
        private readonly WebApplication _app;
        private readonly TaskCompletionSource<RequestId> _hanging = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);

        private LegacyServer()
        {
            WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
            builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
            builder.WebHost.UseShutdownTimeout(TimeSpan.Zero);
            builder.Services.AddRouting();
            builder.Services.AddMcpServer()
#pragma warning disable MCP9004 // Legacy SSE is what this server is for.
                .WithHttpTransport(http => (http.EnableLegacySse, http.SessionMode) = (true, HttpServerSessionMode.Stateful))
#pragma warning restore MCP9004
                .WithTools([
                    McpServerTool.Create(() => "tock", new() { Name = "tick" }),
                    McpServerTool.Create(async (RequestContext<CallToolRequestParams> context, CancellationToken cancellationToken) =>
                    {
                        await using CancellationTokenRegistration registration = cancellationToken.Register(_cancelled.SetResult);
                        _hanging.TrySetResult(context.JsonRpcRequest.Id);
                        await Task.Delay(Timeout.Infinite, cancellationToken);
                    }, new() { Name = "hang" }),
                ]);
            _app = builder.Build();
            _app.MapMcp();
        }

        public Uri Address => new(_app.Urls.Single());

        /// <summary>The call that hangs, once it does.</summary>
        public Task<RequestId> Hanging => _hanging.Task;

        /// <summary>Completes when it was cancelled.</summary>
        public Task Cancelled => _cancelled.Task;

        public static async Task<LegacyServer> StartAsync()
        {
            var server = new LegacyServer();
            await server._app.StartAsync();
            return server;
        }

        public async ValueTask DisposeAsync()
        {
            await _app.StopAsync();
            await _app.DisposeAsync();
        }
    }
}
