using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.Client;

namespace M3.Client.Auth.IntegrationTests.Readme;

/// <summary>The README's snippets, to the letter: <see cref="ReadmeTests"/> compares them and runs them.</summary>
internal static class ReadmeSnippets
{
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

    public static void Watch(IServiceCollection services)
    {
        services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter("M3.Client.Auth")).WithTracing(traces => traces.AddSource("M3.Client.Auth"));
        services.AddHealthChecks().AddM3Auth("m3");
    }

    internal interface IVault
    {
        Task<string> GetSecretAsync(string name, CancellationToken cancellationToken);
    }
}
