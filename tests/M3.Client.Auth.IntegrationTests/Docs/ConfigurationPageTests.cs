using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>docs/configuration.md says of each setting what the code does.</summary>
[NonParallelizable] // One sets a variable.
public sealed class ConfigurationPageTests
{
    private const string Prefix = "M3_OAUTH2_";

    private static readonly MarkdownPage Page = MarkdownPage.Open("docs/configuration.md");

    private static readonly Dictionary<string, string?> Good = new()
    {
        [Prefix + "ISSUER_URL"] = "https://issuer.example",
        [Prefix + "AUDIENCE"] = "m3-api",
    };

    private static readonly PropertyInfo[] Options = typeof(M3AuthOptions).GetProperties();

    private static IEnumerable<string[]> Settings => Page.Rows.Where(row => row.Length == 4 && row[1].StartsWith('`') && !row[0].Contains('('));

    private static IEnumerable<string[]> WrongValues => Page.Rows.Where(row => row.Length == 2 && row[0].StartsWith('`'));

    [Test]
    public void Every_option_has_its_row_and_no_other()
    {
        Assert.That(Settings.Select(row => InCode(row[1])), Is.EquivalentTo(Options.Select(option => option.Name)));
    }

    [Test]
    public void Every_setting_that_is_read_has_its_row_and_no_other()
    {
        var configuration = new Recording();
        M3AuthOptions.FromConfiguration(configuration);

        Assert.That(Settings.Where(row => row[0].Length > 0).Select(row => InCode(row[0])), Is.EquivalentTo(configuration.Asked.Distinct()));
    }

    [Test]
    public void Every_default_is_the_one_that_new_options_have()
    {
        var options = new M3AuthOptions();

        foreach (string[] row in Settings)
        {
            string expected = row[2] == "required" ? "not set" : InCode(row[2]);
            Assert.That(Describe(OptionOf(row).GetValue(options)), Is.EqualTo(expected), row[1]);
        }
    }

    [Test]
    public void Every_setting_sets_the_option_of_its_row_and_nothing_else()
    {
        foreach (string[] row in Settings.Where(row => row[0].Length > 0))
        {
            PropertyInfo option = OptionOf(row);
            var defaults = new M3AuthOptions();
            M3AuthOptions options = Read(new() { [InCode(row[0])] = Another(option) });

            IEnumerable<PropertyInfo> changed = Options.Where(each => Describe(each.GetValue(options)) != Describe(each.GetValue(defaults)));
            Assert.That(changed, Is.EqualTo([option]), row[0]);
        }
    }

    [Test]
    public void The_required_settings_are_those_without_which_nothing_is_built() =>
        Assert.That(Settings.Where(row => row[2] == "required").Select(row => InCode(row[0])), Is.EquivalentTo(Good.Keys));

    [TestCaseSource(nameof(WrongValues))]
    public void A_wrong_value_says_what_the_page_says(string set, string says)
    {
        string[] pair = InCode(set).Split('=', 2);
        Dictionary<string, string?> settings = new(Good) { [pair[0]] = pair[1] };

        Assert.That(() => new M3TokenProvider(Read(settings)), Throws.TypeOf<OptionsValidationException>().With.Message.EqualTo(InCode(says)));
    }

    [Test]
    public void The_delegate_has_the_last_word_over_the_configuration()
    {
        var services = new ServiceCollection();
        Dictionary<string, string?> settings = new(Good) { [Prefix + "RATE_LIMIT_REQUESTS"] = "7", [Prefix + "RATE_LIMIT_WINDOW"] = "60" };
        services.AddSingleton<IConfiguration>(Configuration(settings));
        services.AddHttpClient("m3").AddM3Auth(options => options.RateLimitRequests = 8);
        using ServiceProvider provider = services.BuildServiceProvider();

        M3AuthOptions read = provider.GetRequiredService<IOptionsMonitor<M3AuthOptions>>().Get("m3");

        Assert.That((read.RateLimitRequests, read.RateLimitWindow), Is.EqualTo((8, TimeSpan.FromMinutes(1))));
    }

    [Test]
    public async Task Each_client_reads_the_settings_of_its_own_prefix()
    {
        var services = new ServiceCollection();
        await SnippetCompiler.RunAsync(Page.Single("Where settings are read from"), services);
        Dictionary<string, string?> settings = new() { ["M3_OAUTH2_AUDIENCE"] = "m3-api", ["ARCHIVE_OAUTH2_AUDIENCE"] = "archive-api" };
        services.AddSingleton<IConfiguration>(Configuration(settings));
        services.PostConfigureAll<M3AuthOptions>(options => options.IssuerUrl = "https://issuer.example");
        using ServiceProvider provider = services.BuildServiceProvider();

        IOptionsMonitor<M3AuthOptions> options = provider.GetRequiredService<IOptionsMonitor<M3AuthOptions>>();

        Assert.That((options.Get("m3").Audience, options.Get("archive").Audience), Is.EqualTo(("m3-api", "archive-api")));
    }

    [Test]
    public async Task The_token_is_read_from_the_places_of_the_list_in_their_order()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();
        string file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, m3.CreateToken(subject: "2 file"));
            Dictionary<string, string?> settings = new()
            {
                [Prefix + "ISSUER_URL"] = m3.IssuerUrl,
                [Prefix + "AUDIENCE"] = m3.Audience,
                [Prefix + "TOKEN_FILE"] = file,
                [Prefix + "TOKEN"] = m3.CreateToken(subject: "3 configuration"),
                [Prefix + "TOKEN_COMMAND"] = $"printf %s {m3.CreateToken(subject: "4 command")}",
                [Prefix + "CLIENT_ID"] = m3.ClientId,
                [Prefix + "CLIENT_SECRET"] = m3.ClientSecret,
            };

            Environment.SetEnvironmentVariable(Prefix + "TOKEN", m3.CreateToken(subject: "1 environment"));
            Assert.That(await SubjectAsync(settings), Is.EqualTo("1 environment"));
            Environment.SetEnvironmentVariable(Prefix + "TOKEN", null);
            Assert.That(await SubjectAsync(settings), Is.EqualTo("2 file"));
            settings.Remove(Prefix + "TOKEN_FILE");
            Assert.That(await SubjectAsync(settings), Is.EqualTo("3 configuration"));
            settings.Remove(Prefix + "TOKEN");
            Assert.That(await SubjectAsync(settings), Is.EqualTo("4 command"));
            settings.Remove(Prefix + "TOKEN_COMMAND");
            Assert.That(await SubjectAsync(settings), Is.EqualTo(m3.ClientId));
        }
        finally
        {
            Environment.SetEnvironmentVariable(Prefix + "TOKEN", null);
            File.Delete(file);
        }
    }

    private static async Task<string?> SubjectAsync(Dictionary<string, string?> settings)
    {
        using var tokens = new M3TokenProvider(Read(settings));
        return (await tokens.GetTokenAsync()).Subject;
    }

    private static M3AuthOptions Read(Dictionary<string, string?> settings) => M3AuthOptions.FromConfiguration(Configuration(settings));

    private static IConfiguration Configuration(Dictionary<string, string?> settings) =>
        new ConfigurationBuilder().AddInMemoryCollection(settings).Build();

    private static PropertyInfo OptionOf(string[] row) => typeof(M3AuthOptions).GetProperty(InCode(row[1]))!;

    private static string InCode(string cell) => cell.Trim('`');

    // As the table writes it.
    private static string Describe(object? value) => value switch
    {
        null => "not set",
        bool flag => flag ? "true" : "false",
        TimeSpan time => time.TotalSeconds.ToString(CultureInfo.InvariantCulture),
        ICollection<Uri> { Count: 0 } => "empty",
        string text => text,
        IEnumerable<string> names => string.Join(' ', names),
        IEnumerable<Uri> urls => string.Join(' ', urls),
        TimeProvider clock => clock == TimeProvider.System ? "System" : "another",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    // A good value that is not the default.
    private static string Another(PropertyInfo option) => option.PropertyType switch
    {
        { } type when type == typeof(bool) => option.GetValue(new M3AuthOptions()) is true ? "false" : "true",
        { } type when type == typeof(bool?) => "true",
        { } type when type == typeof(int) || type == typeof(TimeSpan) => "7",
        { } type when type == typeof(RateLimitMode) => nameof(RateLimitMode.Wait),
        _ => "https://elsewhere.example",
    };

    /// <summary>Has nothing, and keeps what it was asked for.</summary>
    private sealed class Recording : IConfiguration
    {
        public List<string> Asked { get; } = [];

        public string? this[string key]
        {
            get
            {
                Asked.Add(key);
                return null;
            }
            set => throw new NotSupportedException();
        }

        public IEnumerable<IConfigurationSection> GetChildren() => [];

        public IChangeToken GetReloadToken() => throw new NotSupportedException();

        public IConfigurationSection GetSection(string key) => throw new NotSupportedException();
    }
}
