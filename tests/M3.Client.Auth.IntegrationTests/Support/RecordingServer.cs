using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace M3.Client.Auth.IntegrationTests.Support;

/// <summary>A Kestrel server on loopback that writes down what arrives, and answers as it is told.</summary>
internal sealed class RecordingServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<HttpArrival> _arrivals = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RecordingServer(Func<HttpContext, Task> answer)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.WebHost.UseShutdownTimeout(TimeSpan.Zero);
        _app = builder.Build();
        _app.Run(context =>
        {
            _arrivals.Enqueue(new(context.Request.Method, context.Request.Path, context.Request.Headers.Authorization));
            _first.TrySetResult();
            return answer(context);
        });
    }

    public Uri Address => new(_app.Urls.Single());

    /// <summary>What arrived, in order.</summary>
    public IReadOnlyList<HttpArrival> Arrivals => [.. _arrivals];

    /// <summary>The <c>Authorization</c> headers that arrived, in order; null where there was none.</summary>
    public IEnumerable<string?> Authorizations => _arrivals.Select(arrival => arrival.Authorization);

    /// <summary>Completes when something has arrived; what never comes fails the test and holds up none.</summary>
    public Task FirstArrival => _first.Task.WaitAsync(TimeSpan.FromSeconds(30));

    public static Task<RecordingServer> StartAsync(int statusCode = StatusCodes.Status200OK) => StartAsync(context =>
    {
        context.Response.StatusCode = statusCode;
        return Task.CompletedTask;
    });

    public static async Task<RecordingServer> StartAsync(Func<HttpContext, Task> answer)
    {
        var server = new RecordingServer(answer);
        await server._app.StartAsync();
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}

/// <param name="Authorization">The header as it stood there, or null.</param>
internal sealed record HttpArrival(string Method, string Path, string? Authorization)
{
    /// <summary>Without the token: it may end up in a test's output.</summary>
    public override string ToString() => $"{Method} {Path} {(Authorization is null ? "no token" : "Bearer ***")}";
}
