namespace M3.Client.Auth.IntegrationTests.Examples;

/// <summary>What a pull says of its options and settings, and of wrong ones.</summary>
public sealed class PullUsageTests : PullFixture
{
    private static readonly string[] Admissions = ["--table", "hosp_admissions", "--order-by", "hadm_id", "--out", "pull.csv"];

    [Test]
    public async Task Help_says_how_to_use_it()
    {
        ExampleResult result = await PullAsync([], "--help");

        Assert.That(result.ExitCode, Is.Zero);
        foreach (string expected in (string[])["dotnet run --project examples/DataPull [-- OPTIONS]", "--table", "--order-by", "--out", "--format", "--rows", "--page", "--workers", "--part", "--join", "--redis", "M3_REDIS", "M3_URL", "M3_OAUTH2_TOKEN", "130 stopped"])
            Assert.That(result.Output, Does.Contain(expected));
    }

    [TestCase("Unknown option '--fast'.", "--fast")]
    [TestCase("An argument that is no option.", "eyJhbGciOi")]
    [TestCase("Required argument missing for option: '--table'.", "--table")]
    [TestCase("Option '--page' expects a single argument but 2 were provided.", "--page", "1", "--page", "2")]
    [TestCase("--table takes the name of a table, not ''.", "--table", "")]
    [TestCase("--table takes the name of a table, not 'a; DROP TABLE b'.", "--table", "a; DROP TABLE b")]
    [TestCase("--table needs --order-by, too", "--table", "hosp_patients")]
    [TestCase("--order-by takes a column's name, or several with commas between, not '1)'.", "--order-by", "1)")]
    [TestCase("--out takes a file's name, not ''.", "--out", "")]
    [TestCase("--format takes csv or parquet, not 'xlsx'.", "--format", "xlsx")]
    [TestCase("--rows takes a whole number from 1, not '0'.", "--rows", "0")]
    [TestCase("--page takes a whole number from 1 to 50, not '51'.", "--page", "51")]
    [TestCase("--workers takes a whole number from 1 to 64, not '65'.", "--workers", "65")]
    [TestCase("--part takes a part such as 2/4, of at most 64, not '5/4'.", "--part", "5/4")]
    [TestCase("--part takes a part such as 2/4, of at most 64, not '0/4'.", "--part", "0/4")]
    [TestCase("--part takes a part such as 2/4, of at most 64, not '2'.", "--part", "2")]
    [TestCase("--redis takes where a Redis is, such as redis.example.org:6379, not ''.", "--redis", "")]
    [TestCase("--workers, --part and --join do not go together", "--workers", "4", "--part", "1/4")]
    [TestCase("--workers, --part and --join do not go together", "--part", "1/4", "--join")]
    public async Task A_wrong_argument_is_exit_code_2(string expected, params string[] arguments) =>
        AssertFails(await PullAsync([], arguments), 2, expected, "See --help.");

    [TestCase("Table with name nothing does not exist", "--table", "nothing", "--order-by", "id")]
    [TestCase("--order-by gender is not unique in hosp_patients: 300 rows, 2 different values", "--table", "hosp_patients", "--order-by", "gender")]
    [TestCase("Suspicious identifier detected: KEY", "--table", "hosp_patients", "--order-by", "key")]
    public async Task A_question_that_M3_cannot_answer_is_exit_code_2(string expected, params string[] arguments)
    {
        AssertFails(await PullAsync(Environment(), arguments), 2, expected);
        Assert.That(Directory.EnumerateFiles(Folder), Is.Empty);
    }

    [TestCase("M3_URL", "m3.example.org", 2, "M3_URL must be an absolute http or https URL, but is 'm3.example.org'")]
    [TestCase("M3_OAUTH2_ISSUER_URL", " ", 2, "M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled")]
    [TestCase("M3_OAUTH2_RATE_LIMIT_REQUESTS", "many", 2, "M3_OAUTH2_RATE_LIMIT_REQUESTS")]
    [TestCase("M3_OAUTH2_TOKEN", " ", 1, "Missing OAuth2 access token")]
    [TestCase("M3_URL", "http://127.0.0.1:9/sse", 1, "M3 did not answer as it should")]
    public async Task A_setting_that_is_no_good_is_told_without_a_stack_trace(string name, string value, int exitCode, string expected)
    {
        Dictionary<string, string> environment = new(Environment()) { [name] = value };

        AssertFails(await PullAsync(environment, Admissions), exitCode, expected);
        Assert.That(Directory.EnumerateFiles(Folder), Is.Empty);
    }
}
