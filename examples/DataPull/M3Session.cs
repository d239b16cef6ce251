using System.Net;
using M3.Client.Auth;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace DataPull;

/// <summary>
/// A session with M3 that outlives what passes by itself: a dropped connection, a restart, a rate limit that somebody else has used
/// up. What is wrong from the first call on is told at once instead.
/// </summary>
/// <param name="http">Sends, with a token.</param>
/// <param name="m3">Where M3 is.</param>
/// <param name="rateLimitWindow">How long M3's rate limit lasts at most.</param>
/// <param name="waits">Told before each wait, with what went wrong; null: M3's rate limit.</param>
internal sealed class M3Session(HttpClient http, Uri m3, TimeSpan rateLimitWindow, Action<TimeSpan, string?> waits) : IAsyncDisposable
{
    // Two minutes in all: a restart, a failover, a nap of the network.
    private static readonly int[] SecondsBefore = [1, 2, 5, 15, 30, 60];

    private McpClient? _mcp;
    private bool _hasWorked;

    /// <summary>M3's text, whatever it took to get it.</summary>
    /// <exception cref="M3AuthException">M3 refuses the token, or it cannot be had; or its rate limit has not let up for a whole window.</exception>
    public async Task<CallToolResult> CallAsync(string tool, IReadOnlyDictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        int failures = 0;
        TimeSpan limited = TimeSpan.Zero;
        while (true)
        {
            TimeSpan delay;
            try
            {
                _mcp ??= await ConnectAsync(cancellationToken);
                CallToolResult result = await _mcp.CallToolAsync(tool, arguments, cancellationToken: cancellationToken);
                // M3 itself answers everything with a text, refusals too.
                if (M3AuthException.TryParse(TextOf(result), out M3AuthException? refusal))
                    throw refusal;
                _hasWorked = true;
                return result;
            }
            catch (RateLimitExceededException e) when (limited <= rateLimitWindow)
            {
                // M3 does not say how long. Its window slides, so that some call is free again before it is over.
                delay = e.RetryAfter ?? TimeSpan.FromSeconds(Math.Min(60, rateLimitWindow.TotalSeconds));
                limited += delay;
                waits(delay, null);
            }
            catch (Exception e) when (_hasWorked && failures < SecondsBefore.Length && MayPass(e) && !cancellationToken.IsCancellationRequested)
            {
                await DisconnectAsync();
                delay = TimeSpan.FromSeconds(SecondsBefore[failures++]);
                waits(delay, Describe(e));
            }

            await Task.Delay(delay, cancellationToken);
        }
    }

    public static string TextOf(CallToolResult result) => string.Join('\n', result.Content.OfType<TextContentBlock>().Select(block => block.Text));

    /// <summary>A session beside this one, for whoever calls at the same time.</summary>
    public M3Session Another() => new(http, m3, rateLimitWindow, waits) { _hasWorked = _hasWorked };

    public ValueTask DisposeAsync() => new(DisconnectAsync());

    private Task<McpClient> ConnectAsync(CancellationToken cancellationToken)
    {
        var options = new HttpClientTransportOptions { Endpoint = m3, TransportMode = HttpTransportMode.StreamableHttp };
        return McpClient.CreateAsync(new HttpClientTransport(options, http), cancellationToken: cancellationToken);
    }

    private async Task DisconnectAsync()
    {
        if (_mcp is not { } mcp)
            return;
        _mcp = null;
        try
        {
            await mcp.DisposeAsync();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            // It says goodbye to a server that is not there.
        }
    }

    // 404 is a session that M3 has forgotten (MCP, "Session Management").
    private static bool MayPass(Exception e) => e switch
    {
        HttpRequestException { StatusCode: { } status } => status is HttpStatusCode.NotFound or HttpStatusCode.RequestTimeout
            or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError,
        TokenRequestFailedException { IsTransient: var isTransient } => isTransient,
        HttpRequestException or IOException or TimeoutException or OperationCanceledException or JwksUnavailableException => true,
        _ => false,
    };

    private static string Describe(Exception e) => e is HttpRequestException { StatusCode: { } status } ? $"{(int)status}" : e is M3AuthException ? e.Message : e.GetType().Name;
}
