using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using M3.Client.Auth.IntegrationTests.Packages;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using OpenTelemetry.Metrics;

namespace M3.Client.Auth.IntegrationTests.Readme;

/// <summary>The README is true.</summary>
public sealed partial class ReadmeTests
{
    [Test]
    public void Every_snippet_stands_to_the_letter_in_code_that_is_compiled()
    {
        // Whole programs are run as they are, by Packages.ReadmeProgramTests.
        string[] snippets = [.. CSharpBlock().Matches(Read("../../../README.md")).Select(match => match.Groups[1].Value)
            .Where(code => !ReadmeProgram.Is(code)).Select(Unindent)];
        string compiled = string.Join('\n', Directory.EnumerateFiles(Folder(), "*.cs").Where(file => !file.EndsWith("Tests.cs", StringComparison.Ordinal)).Select(file => Unindent(File.ReadAllText(file))));

        Assert.That(snippets, Has.Length.GreaterThanOrEqualTo(4));
        foreach (string snippet in snippets)
            Assert.That(compiled, Does.Contain(snippet));
    }

    [Test]
    public void Every_setting_and_every_error_has_its_row()
    {
        string readme = Read("../../../README.md");

        foreach (string option in typeof(M3AuthOptions).GetProperties().Select(property => property.Name))
            Assert.That(readme, Does.Contain($"| `{option}` |"));
        foreach (M3AuthError error in Enum.GetValues<M3AuthError>())
            Assert.That(readme, Does.Contain($"| `{error}Exception` |"));
    }

    [Test]
    public async Task The_first_source_of_a_chain_that_has_a_token_gives_it_and_a_child_gets_it_in_its_environment()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        M3AuthOptions options = Options(m3);

        Assert.That((await ReadmeSnippets.ChildAsync(options)).EnvironmentVariables!["M3_OAUTH2_TOKEN"], Is.Not.Empty);
        ReadmeSnippets.Sources(options, new Vault());
        Assert.That(() => ReadmeSnippets.ChildAsync(options), Throws.InstanceOf<TokenRequestFailedException>().With.Message.Contain("/run/secrets/m3-token"));
    }

    [Test]
    public async Task What_watches_a_client_hears_of_it()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        List<Metric> metrics = [];
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddHttpClient("m3", client => client.BaseAddress = m3.Endpoint).AddM3Auth(options =>
            (options.IssuerUrl, options.Audience, options.TokenSource) = (m3.IssuerUrl, m3.Audience, TokenSources.FromValue(m3.CreateToken())));
        ReadmeSnippets.Watch(services);
        services.ConfigureOpenTelemetryMeterProvider(provider => provider.AddInMemoryExporter(metrics));
        await using ServiceProvider provider = services.BuildServiceProvider();
        MeterProvider meters = provider.GetRequiredService<MeterProvider>();

        using HttpResponseMessage response = await provider.GetRequiredService<IHttpClientFactory>().CreateClient("m3").GetAsync("");
        HealthReport report = await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        meters.ForceFlush();

        Assert.That(report.Entries["m3"].Status, Is.EqualTo(HealthStatus.Healthy));
        Assert.That(metrics.Select(metric => metric.Name), Has.Some.EqualTo("m3.client.auth.request.attached"));
    }

    private static M3AuthOptions Options(LocalM3Server m3) => new()
    {
        IssuerUrl = m3.IssuerUrl,
        Audience = m3.Audience,
        TokenSource = TokenSources.FromValue(m3.CreateToken()),
    };

    private static string Read(string path) => File.ReadAllText(Path.Combine(Folder(), path));

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;

    private static string Unindent(string code) => string.Join('\n', code.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock();

    private sealed class Vault : ReadmeSnippets.IVault
    {
        public Task<string> GetSecretAsync(string name, CancellationToken cancellationToken) => Task.FromResult("");
    }
}
