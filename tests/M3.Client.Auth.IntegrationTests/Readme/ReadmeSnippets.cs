using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace M3.Client.Auth.IntegrationTests.Readme;

/// <summary>The README's snippets, to the letter: <see cref="ReadmeTests"/> compares them and runs them.</summary>
internal static class ReadmeSnippets
{
    public static async Task ScriptAsync(HttpContent question)
    {
        using HttpClient client = M3HttpClient.Create(new Uri("https://m3.example.org/sse"));
        try
        {
            using HttpResponseMessage response = await client.PostAsync("", question);
            Console.WriteLine(await response.Content.ReadAsStringAsync());
        }
        catch (M3AuthException e)
        {
            // Token has expired: at 2026-11-23 12:00:00Z, 5 min ago
            // Get a new token from your provider and put it where the old one was; ...
            Console.Error.WriteLine(e.Message);
            Console.Error.WriteLine(e.Remedy);
        }
    }

    public static void Service(HostApplicationBuilder builder)
    {
        builder.Services.AddHttpClient("m3", client => client.BaseAddress = new Uri("https://m3.example.org/sse"))
            .AddM3Auth(options => options.RateLimitMode = RateLimitMode.Wait);
    }

    public static async Task<string> WrapAsync(Uri m3, M3AuthOptions options)
    {
        var transport = new HttpClientTransport(
            new HttpClientTransportOptions { Endpoint = m3, TransportMode = HttpTransportMode.StreamableHttp },
            M3HttpClient.Create(m3, options),
            ownsHttpClient: true);
        await using McpClient mcp = await McpClient.CreateAsync(transport);
        CallToolResult result = await mcp.CallToolAsync("get_icu_stays", new Dictionary<string, object?> { ["limit"] = 5 });

        string text = string.Concat(result.Content.OfType<TextContentBlock>().Select(block => block.Text));
        if (M3AuthException.TryParse(text, out M3AuthException? error))
            throw error;

        return text;
    }

    public static void Sources(M3AuthOptions options, IVault vault)
    {
        options.TokenSource = TokenSources.FirstOf(
            TokenSources.FromFile("/run/secrets/m3-token"),
            TokenSources.From(async cancellationToken => await vault.GetSecretAsync("m3-token", cancellationToken)));
    }

    public static async Task<StdioClientTransportOptions> ChildAsync(M3AuthOptions options)
    {
        using var tokens = new M3TokenProvider(options);
        var child = new StdioClientTransportOptions { Command = "m3", EnvironmentVariables = await tokens.GetEnvironmentAsync() };

        return child;
    }

    internal interface IVault
    {
        Task<string> GetSecretAsync(string name, CancellationToken cancellationToken);
    }
}
