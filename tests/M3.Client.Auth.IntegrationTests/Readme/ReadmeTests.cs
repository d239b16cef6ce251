using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace M3.Client.Auth.IntegrationTests.Readme;

/// <summary>The README is true.</summary>
[NonParallelizable] // One sets variables and standard error.
public sealed partial class ReadmeTests
{
    [Test]
    public void Every_snippet_stands_to_the_letter_in_code_that_is_compiled()
    {
        string[] snippets = [.. CSharpBlock().Matches(Read("../../../README.md")).Select(match => Unindent(match.Groups[1].Value))];
        string compiled = string.Join('\n', Directory.EnumerateFiles(Folder(), "*.cs").Where(file => !file.EndsWith("Tests.cs", StringComparison.Ordinal)).Select(file => Unindent(File.ReadAllText(file))));

        Assert.That(snippets, Has.Length.GreaterThanOrEqualTo(6));
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
    public async Task The_wrapped_client_answers_with_rows()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();

        string text = await ReadmeSnippets.WrapAsync(m3.Endpoint, Options(m3));

        Assert.That(text, Does.Contain("first_careunit"));
    }

    [Test]
    public async Task The_service_starts_when_its_settings_are_there()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration["M3_OAUTH2_ISSUER_URL"] = "https://issuer.example";
        builder.Configuration["M3_OAUTH2_AUDIENCE"] = "m3-api";
        ReadmeSnippets.Service(builder);

        using IHost host = builder.Build();
        await host.StartAsync();

        Assert.That(host.Services.GetRequiredKeyedService<IM3TokenProvider>("m3"), Is.Not.Null);
        await host.StopAsync();
    }

    [Test]
    public async Task The_script_says_what_is_missing_and_what_to_do()
    {
        (string? issuer, string? audience) = (Environment.GetEnvironmentVariable("M3_OAUTH2_ISSUER_URL"), Environment.GetEnvironmentVariable("M3_OAUTH2_AUDIENCE"));
        TextWriter error = Console.Error;
        using var said = new StringWriter();
        try
        {
            Environment.SetEnvironmentVariable("M3_OAUTH2_ISSUER_URL", "https://issuer.example");
            Environment.SetEnvironmentVariable("M3_OAUTH2_AUDIENCE", "m3-api");
            Console.SetError(said);
            using var question = new StringContent("{}");
            await ReadmeSnippets.ScriptAsync(question);
        }
        finally
        {
            Console.SetError(error);
            Environment.SetEnvironmentVariable("M3_OAUTH2_ISSUER_URL", issuer);
            Environment.SetEnvironmentVariable("M3_OAUTH2_AUDIENCE", audience);
        }

        Assert.That(said.ToString(), Does.Contain("Missing OAuth2 access token").And.Contain("Set M3_OAUTH2_TOKEN"));
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
