using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tests.Settings;

/// <summary>The setting that names a command, and how its words are told apart.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class TokenCommandTests
{
    [TestCase("az account get-access-token", "az", "account", "get-access-token")]
    [TestCase("  az \t login \n", "az", "login")]
    [TestCase("az 'a b' \"c d\"", "az", "a b", "c d")]
    [TestCase("az a' b'c\" d\"e", "az", "a bc de")]
    [TestCase("az '' \"\"", "az", "", "")]
    [TestCase("az 'say \"hi\"' \"it's\"", "az", "say \"hi\"", "it's")]
    [TestCase(@"C:\Tools\az.exe a\b", @"C:\Tools\az.exe", @"a\b")]
    [TestCase("""
        "C:\Program Files\az.exe" x
        """, @"C:\Program Files\az.exe", "x")]
    [TestCase("""
        az "a\"b" "c\\" 'd\'
        """, "az", "a\"b", @"c\", @"d\")]
    [TestCase("az $HOME * ; rm | cat > x && `y` $(z) %PATH%", "az", "$HOME", "*", ";", "rm", "|", "cat", ">", "x", "&&", "`y`", "$(z)", "%PATH%")]
    [TestCase("")]
    [TestCase("  ")]
    public void A_command_line_is_split_by_white_space_and_quotation_marks_alone(string line, params string[] words) =>
        Assert.That(CommandLine.Split(line), Is.EqualTo(words));

    [TestCase("az 'a")]
    [TestCase("az \"a")]
    [TestCase("az a\"")]
    [TestCase("""
        "C:\Tools\"
        """)]
    public void A_quotation_mark_that_is_not_closed_is_told_without_the_value(string line)
    {
        OptionsValidationException? error = Assert.Throws<OptionsValidationException>(() => new M3TokenProvider(Read(line)).Dispose());

        Assert.That(error!.Failures, Is.EqualTo(["T_TOKEN_COMMAND has a quotation mark that is not closed (its value is not shown)"]));
    }

    [TestCase("''")]
    [TestCase("' ' secret")]
    public void A_command_begins_with_a_program(string line)
    {
        OptionsValidationException? error = Assert.Throws<OptionsValidationException>(() => new M3TokenProvider(Read(line)).Dispose());

        Assert.That(error!.Failures, Is.EqualTo(["T_TOKEN_COMMAND must begin with the name of a program (its value is not shown)"]));
    }

    [Test]
    public async Task The_command_comes_behind_the_configuration_and_before_client_credentials()
    {
        using var fixture = new ClientFixture();
        using var file = new TokenFile(fixture.NewToken());
        string configured = fixture.NewToken();
        IConfigurationRoot configuration = Configuration(("TOKEN_COMMAND", $"cat '{file.Path}'"), ("TOKEN", configured), ("CLIENT_ID", "pull"), ("CLIENT_SECRET", "s"));

        Assert.That(await GetAsync(fixture, configuration), Is.EqualTo(configured));
        configuration["T_TOKEN"] = null;

        Assert.That(await GetAsync(fixture, configuration), Is.EqualTo(file.First));
    }

    private static async Task<string> GetAsync(ClientFixture fixture, IConfiguration configuration)
    {
        M3AuthOptions options = M3AuthOptions.FromConfiguration(configuration, "T_");
        (options.TimeProvider, options.BackchannelHttpHandler) = (fixture.Clock, fixture.Issuer.Backchannel);
        using var tokens = new M3TokenProvider(options);
        return (await tokens.GetTokenAsync()).Value;
    }

    private static M3AuthOptions Read(string line) => M3AuthOptions.FromConfiguration(Configuration(("TOKEN_COMMAND", line)), "T_");

    private static IConfigurationRoot Configuration(params (string Name, string Value)[] settings) => new ConfigurationBuilder().AddInMemoryCollection(
        [new("T_ISSUER_URL", FakeIssuer.Url), new("T_AUDIENCE", ClientFixture.Audience), .. settings.Select(setting => KeyValuePair.Create("T_" + setting.Name, (string?)setting.Value))]).Build();
}
