using System.Globalization;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace WrappedClient.Before;

/// <summary>M3's tools as C# methods.</summary>
public sealed class M3Client : IAsyncDisposable
{
    private readonly HttpClient _http;
    private readonly McpClient _mcp;

    private M3Client(HttpClient http, McpClient mcp) => (_http, _mcp) = (http, mcp);

    public static async Task<M3Client> ConnectAsync(Uri url, CancellationToken cancellationToken = default)
    {
        HttpClient http = new() { DefaultRequestHeaders = { { "Authorization", $"Bearer {Environment.GetEnvironmentVariable("M3_OAUTH2_TOKEN")}" } } };
        try
        {
            var transport = new HttpClientTransport(new HttpClientTransportOptions { Endpoint = url, TransportMode = HttpTransportMode.StreamableHttp }, http);
            return new M3Client(http, await McpClient.CreateAsync(transport, cancellationToken: cancellationToken));
        }
        catch
        {
            http.Dispose();
            throw;
        }
    }

    public async Task<IReadOnlyList<IcuStay>> GetIcuStaysAsync(int limit = 10, CancellationToken cancellationToken = default)
    {
        string text = await CallAsync("get_icu_stays", new() { ["limit"] = limit }, cancellationToken);
        return [.. TextTable.Parse(text).Select(row => new IcuStay(
            Number(row["subject_id"]), Number(row["hadm_id"]), Number(row["stay_id"]), row["first_careunit"],
            Time(row["intime"]), Time(row["outtime"]), double.Parse(row["los"], CultureInfo.InvariantCulture)))];
    }

    public async Task<IReadOnlyList<RaceCount>> GetRaceDistributionAsync(int limit = 10, CancellationToken cancellationToken = default)
    {
        string text = await CallAsync("get_race_distribution", new() { ["limit"] = limit }, cancellationToken);
        return [.. TextTable.Parse(text).Select(row => new RaceCount(row["race"], Number(row["count"])))];
    }

    public async ValueTask DisposeAsync()
    {
        await _mcp.DisposeAsync();
        _http.Dispose();
    }

    private async Task<string> CallAsync(string tool, Dictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        CallToolResult result = await _mcp.CallToolAsync(tool, arguments, cancellationToken: cancellationToken);
        string text = string.Join('\n', result.Content.OfType<TextContentBlock>().Select(block => block.Text));
        // M3 answers a failure with a text where the result would be.
        bool failed = text.StartsWith("Error", StringComparison.Ordinal) || text.StartsWith('❌');
        return failed ? throw new InvalidOperationException(text) : text;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static DateTime Time(string text) => DateTime.Parse(text, CultureInfo.InvariantCulture);
}
