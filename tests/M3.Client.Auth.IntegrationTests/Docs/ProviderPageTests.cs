using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>docs/providers: the settings on each page accept the token on it, and each slip gives the message that is printed.</summary>
[Parallelizable(ParallelScope.All)]
public sealed partial class ProviderPageTests
{
    private static readonly string[] Pages = ["auth0", "cognito", "entra-id", "google", "keycloak", "okta"];

    [Test]
    public void Each_provider_has_a_page_with_the_same_sections()
    {
        MarkdownPage[] pages = [.. MarkdownPage.Docs().Where(page => page.Path.StartsWith("docs/providers/", StringComparison.Ordinal))];

        Assert.That(pages.Select(page => Path.GetFileNameWithoutExtension(page.Path)), Is.EqualTo(Pages));
        foreach (MarkdownPage page in pages)
            Assert.That(page.Anchors, Is.SupersetOf((string[])["settings", "a-machine", "a-person", "the-token", "the-usual-slips"]), page.Path);
    }

    [TestCaseSource(nameof(Tokens))]
    public async Task The_token_on_the_page_passes_with_the_settings_on_it(string name, string section, int index)
    {
        MarkdownPage page = Open(name);
        CodeBlock claims = page.In(section, "json").ElementAt(index);

        using PrintedIssuer issuer = IssuerOf(page);
        M3AccessToken token = await GetTokenAsync(issuer, claims.Text, SettingsOf(page, "Settings", claims.Sections[^1]));

        Assert.That(token.Issuer, Is.EqualTo(SettingsOf(page, "Settings")["M3_OAUTH2_ISSUER_URL"]));
    }

    [TestCaseSource(nameof(Slips))]
    public async Task Each_slip_gives_the_error_that_is_printed(string name, string slip)
    {
        MarkdownPage page = Open(name);
        using PrintedIssuer issuer = IssuerOf(page);
        string? json = page.In(slip, "json").SingleOrDefault()?.Text;
        bool isAnswer = json is not null && json.Contains("\"error\"", StringComparison.Ordinal);
        Dictionary<string, string?> settings = SettingsOf(page, "Settings", isAnswer ? "A machine" : slip, slip);
        if (isAnswer)
            issuer.TokenAnswer = (HttpStatusCode.BadRequest, json!);
        string claims = json is null || isAnswer ? page.In("The token", "json").First().Text : json;

        string message = "";
        try
        {
            await GetTokenAsync(issuer, claims, settings);
        }
        catch (M3AuthException e)
        {
            message = $"{e.GetType().Name}: {e.Message}";
        }

        Assert.That(message, Is.EqualTo(page.Single(slip, "text").Text.TrimEnd()));
    }

    [TestCase("auth0", "audience=m3-api", "scope=read:mimic-data")]
    [TestCase("keycloak", "audience=m3-api", "scope=read:mimic-data")]
    [TestCase("okta", "audience=api://default", "scope=read:mimic-data")]
    [TestCase("cognito", "audience=m3-api", "scope=m3-api/read:mimic-data")]
    public async Task A_machine_with_the_settings_on_the_page_asks_for_its_token_itself(string name, params string[] asked)
    {
        MarkdownPage page = Open(name);
        using PrintedIssuer issuer = IssuerOf(page);
        string claims = page.In("The token", "json").First().Text;
        string answer = JsonSerializer.Serialize(new { access_token = issuer.Sign(claims), token_type = "Bearer", expires_in = 60 });
        issuer.TokenAnswer = (HttpStatusCode.OK, answer);

        M3AccessToken token = await GetTokenAsync(issuer, claims, SettingsOf(page, "Settings", "A machine"));

        Assert.That(token.Subject, Is.Not.Null);
        foreach (string parameter in asked)
            Assert.That(issuer.Form!.Split('&'), Does.Contain(parameter));
    }

    private static MarkdownPage Open(string name) => MarkdownPage.Open($"docs/providers/{name}.md");

    private static IEnumerable<TestCaseData> Tokens() =>
        from name in Pages
        from token in Open(name).In("The token", "json").Select((_, index) => index)
        select new TestCaseData(name, "The token", token);

    private static IEnumerable<TestCaseData> Slips() =>
        from name in Pages
        from slip in Open(name).In("The usual slips", "text")
        select new TestCaseData(name, slip.Sections[^1]);

    private static PrintedIssuer IssuerOf(MarkdownPage page)
    {
        string issuer = SettingsOf(page, "Settings")["M3_OAUTH2_ISSUER_URL"]!;
        string keys = InCode().Match(page.Rows.Single(row => row[0] == "keys")[1]).Groups[1].Value;
        return new PrintedIssuer(issuer, keys.Replace("TENANT", new Uri(issuer).AbsolutePath.Split('/')[1], StringComparison.Ordinal));
    }

    // The exports of these sections themselves, the later ones over the earlier ones.
    private static Dictionary<string, string?> SettingsOf(MarkdownPage page, params string[] sections)
    {
        Dictionary<string, string?> settings = [];
        IEnumerable<CodeBlock> blocks = sections.SelectMany(section => page.Blocks.Where(block => block.Language == "sh" && block.Sections[^1] == section));
        foreach (Match export in blocks.SelectMany(block => Export().Matches(block.Text)))
            settings[export.Groups[1].Value] = export.Groups[2].Value;
        return settings;
    }

    private static async Task<M3AccessToken> GetTokenAsync(PrintedIssuer issuer, string claims, Dictionary<string, string?> settings)
    {
        M3AuthOptions options = M3AuthOptions.FromConfiguration(new ConfigurationBuilder().AddInMemoryCollection(settings).Build());
        options.BackchannelHttpHandler = issuer;
        using JsonDocument printed = JsonDocument.Parse(claims);
        options.TimeProvider = new FakeTimeProvider(DateTimeOffset.FromUnixTimeSeconds(printed.RootElement.GetProperty("iat").GetInt64() + 60));
        if (!settings.ContainsKey("M3_OAUTH2_TOKEN") && !settings.ContainsKey("M3_OAUTH2_CLIENT_ID"))
            options.TokenSource = TokenSources.FromValue(issuer.Sign(claims));
        using var tokens = new M3TokenProvider(options);
        return await tokens.GetTokenAsync();
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex InCode();

    [GeneratedRegex(@"^export (\w+)=(?!\$\()(.*)$", RegexOptions.Multiline)]
    private static partial Regex Export();
}
