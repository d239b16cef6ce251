#:project ../../src/M3.Client.Auth/M3.Client.Auth.csproj
#:project ../LocalM3/LocalM3.csproj
#:package CsvHelper
#:package ModelContextProtocol
#:property PublishAot=false

// dotnet run examples/DataPull/pull.cs > stays.csv
// A whole table, 50 rows a call, inside M3's rate limit. From LocalM3, or from M3_URL with the M3_OAUTH2_... settings.
// The project beside it, examples/DataPull, does the same and can be stopped and resumed.

using System.Globalization;
using System.Text.Json;
using CsvHelper;
using LocalM3;
using M3.Client.Auth;
using Microsoft.Extensions.Options;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

const string Table = "icu_icustays", Key = "stay_id";
const int Page = 50;

try
{
    Uri? m3 = M3Url.FromEnvironment();
    await using LocalM3Server? local = m3 is null ? await LocalM3Server.StartAsync() : null;
    m3 ??= local!.Endpoint;
    M3AuthOptions options = local is null ? M3AuthOptions.FromEnvironment() : new()
    {
        IssuerUrl = local.IssuerUrl,
        Audience = local.Audience,
        ClientId = local.ClientId,
        ClientSecret = local.ClientSecret,
    };
    options.RateLimitMode = RateLimitMode.Wait;
    options.RateLimitProgress = new Progress<TimeSpan>(delay => Console.Error.WriteLine($"waits {delay:hh\\:mm\\:ss} for M3's rate limit"));

    using HttpClient http = M3HttpClient.Create(m3, options);
    var transport = new HttpClientTransport(new() { Endpoint = m3, TransportMode = HttpTransportMode.StreamableHttp }, http);
    await using McpClient mcp = await McpClient.CreateAsync(transport);

    using var csv = new CsvWriter(Console.Out, CultureInfo.InvariantCulture);
    JsonElement[] rows;
    for (int offset = 0; ; offset += rows.Length)
    {
        // One JSON object a row: in the table that M3 draws, no value's end could be told for certain.
        string answer = await AskAsync(mcp, $"SELECT to_json(t) AS line FROM {Table} AS t ORDER BY {Key} LIMIT {Page} OFFSET {offset}");
        rows = [.. answer.Split('\n').Where(line => line.Contains('{')).Select(line => JsonElement.Parse(line))];
        if (offset == 0 && rows is [var first, ..])
            Write(csv, first.EnumerateObject().Select(value => value.Name));
        foreach (JsonElement row in rows)
            Write(csv, row.EnumerateObject().Select(value => value.Value.ToString()));
        Console.Error.WriteLine($"{offset + rows.Length} rows");
        if (rows.Length < Page)
            return 0;
    }
}
catch (M3AuthException e)
{
    Console.Error.WriteLine($"{e.Message}\n{e.Remedy}");
    return 1;
}
catch (OptionsValidationException e)
{
    Console.Error.WriteLine(string.Join('\n', e.Failures));
    return 2;
}

static async Task<string> AskAsync(McpClient mcp, string sql)
{
    CallToolResult result = await mcp.CallToolAsync("execute_mimic_query", new Dictionary<string, object?> { ["sql_query"] = sql });
    string text = result.Content.OfType<TextContentBlock>().Single().Text;
    if (M3AuthException.TryParse(text, out M3AuthException? refusal))
        throw refusal;
    return text.StartsWith('❌') ? throw new InvalidOperationException(text) : text;
}

static void Write(CsvWriter csv, IEnumerable<string> fields)
{
    foreach (string field in fields)
        csv.WriteField(field);
    csv.NextRecord();
}
