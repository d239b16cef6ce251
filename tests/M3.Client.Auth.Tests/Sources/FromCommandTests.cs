using System.Diagnostics;
using System.Globalization;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>Tokens that a program prints; the programs are real ones.</summary>
[Parallelizable(ParallelScope.All)]
[Platform(Exclude = "Win", Reason = "the programs are those of a Unix")]
public sealed class FromCommandTests
{
    private const string Secret = "s3cr3t-of-nobody";
    private const string Jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";

    [TestCase("%s")]
    [TestCase("Bearer %s\n")]
    [TestCase("\uFEFF%s\r\n\r\n")]
    [TestCase("""{"access_token":"%s"}""")]
    [TestCase("""{"accessToken":"%s","expiresOn":"2999-01-01 00:00:00.000000","tokenType":"Bearer"}""")]
    [TestCase("""{"token":"%s","expires_on":"soon"}""")]
    public async Task A_token_alone_or_in_a_JSON_object_is_used(string format)
    {
        using var fixture = new ClientFixture();
        ITokenSource source = TokenSources.FromCommand("printf", format, fixture.Token!);
        using HttpClient client = Client(fixture, source);

        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals, Has.Exactly(1).With.Property("Token").EqualTo(fixture.Token));
    }

    [Test]
    public async Task The_command_runs_again_before_the_token_expires_and_not_before_that()
    {
        using var fixture = new ClientFixture();
        using var file = new TokenFile(fixture.Token!);
        ITokenSource source = TokenSources.FromCommand("cat", file.Path);
        using var tokens = new M3TokenProvider(Options(fixture, source));
        Assert.That((await tokens.GetTokenAsync()).Value, Is.EqualTo(file.First));
        string second = fixture.Issuer.Token(fixture.Now.AddHours(1));
        file.Write(second);

        fixture.Clock.Advance(TimeSpan.FromMinutes(10));
        Assert.That((await tokens.GetTokenAsync()).Value, Is.EqualTo(file.First), "nobody asks before it is time");
        fixture.Clock.Advance(TimeSpan.FromMinutes(49.9));
        // Renewed in the background, while the first one still lasts.
        Assert.That(async () => (await tokens.GetTokenAsync()).Value, Is.EqualTo(second).After(20_000, 20));
    }

    [TestCase("sh -c 'exit 3'", "the command sh ended with code 3")]
    [TestCase("sh -c 'echo Please run az login >&2; exit 1'", "the command sh ended with code 1: Please run az login")]
    [TestCase("sh -c 'echo a; echo \"  b\" >&2; echo c >&2; exit 1'", "the command sh ended with code 1: b c")]
    [TestCase("true", "the command true printed nothing")]
    [TestCase("echo '\"a.b.c\"'", "the command echo printed its token in quotation marks (az prints it bare with -o tsv)")]
    [TestCase("echo warning: a.b.c", "the command echo printed several words, and not a token alone or a JSON object")]
    [TestCase("echo '{\"token\":\"a\"'", "the command echo printed no JSON object that can be understood in one way only (is it cut off, or a member there twice?)")]
    [TestCase("echo '{\"token\":\"a\",\"token\":\"b\"}'", "the command echo printed no JSON object that can be understood in one way only (is it cut off, or a member there twice?)")]
    [TestCase("echo '{\"token\":\"a\",\"accessToken\":\"b\"}'", "the command echo printed a JSON object with more than one of access_token, accessToken and token")]
    [TestCase("echo '{}'", "the command echo printed a JSON object with none of access_token, accessToken and token")]
    [TestCase("echo '{\"token\":1}'", "the command echo printed a JSON object whose token is no text")]
    [TestCase("no-such-program-anywhere x", "the command no-such-program-anywhere was not found in PATH, or is not executable: install it, or name it with its whole path")]
    [TestCase("/no/such/program", "the command /no/such/program cannot be run (error 2): is it there, a program, and executable?")]
    [TestCase("/etc/passwd", "the command /etc/passwd cannot be run (error 13): is it there, a program, and executable?")]
    public async Task What_goes_wrong_is_said_with_what_to_do(string line, string expected)
    {
        TokenRequestFailedException error = await FailAsync(line);

        Assert.That(error.Message, Does.EndWith(": " + expected));
        Assert.That(error.Remedy, Does.Contain("M3_OAUTH2_TOKEN_COMMAND"));
    }

    [TestCase("""{"token":"a","expires_on":1000}""")]
    [TestCase("""{"token":"a","expires_on":"1000.5"}""")]
    [TestCase("""{"token":"a","expiresOn":"2001-01-01 00:00:00.000000"}""")]
    [TestCase("""{"token":"a","expiration":"2001-01-01T00:00:00Z"}""")]
    [TestCase("""{"token":"a","expires_in":0}""")]
    [TestCase("""{"token":"a","expires_in":"-5"}""")]
    public void A_token_that_has_expired_by_its_commands_own_words_is_refused(string json) =>
        Assert.That(async () => await TokenSources.FromCommand("printf", "%s", json).ReadAsync(new TokenSourceContext(), default),
            Throws.TypeOf<TokenExpiredException>().With.Message.Contains("the command printf printed a token that expired at"));

    [TestCase("""{"token":"a","expires_on":1e300}""")]
    [TestCase("""{"token":"a","expires_on":99999999999}""")]
    [TestCase("""{"token":"a","expires_in":3600}""")]
    [TestCase("""{"token":"a","expires_in":null}""")]
    [TestCase("""{"token":"a","expires_on":4102444800,"expiresOn":"2001-01-01 00:00:00"}""")]
    public async Task Another_expiry_refuses_nothing(string json) =>
        Assert.That(await TokenSources.FromCommand("printf", "%s", json).ReadAsync(new TokenSourceContext(), default), Is.EqualTo("a"));

    [TestCase("sh -c 'echo token " + Jwt + " >&2; exit 1'")]
    [TestCase("sh -c 'echo password: hunter2 >&2; exit 1'")]
    [TestCase("sh -c 'echo 0123456789abcdefghijKLMNOPQRSTuvwxyz0123456789 >&2; exit 1'")]
    [TestCase("sh -c 'echo opaque-token-of-mine; echo got opaque-token-of-mine >&2; exit 1'")]
    [TestCase("sh -c 'printf $0 | base64 >&2; exit 1' " + Secret)]
    public async Task Standard_error_is_not_shown_where_a_token_or_a_secret_may_be_in_it(string line) =>
        Assert.That((await FailAsync(line)).ToString(), Does.Contain("ended with code 1, and its standard error is not shown, since a token or a secret may be in it")
            .And.Not.Contain(Jwt[^10..]).And.Not.Contain("hunter2").And.Not.Contain("KLMN").And.Not.Contain("opaque").And.Not.Contain("s3cr"));

    [Test]
    public async Task An_argument_is_shown_nowhere()
    {
        ITokenSource source = TokenSources.FromCommand("sh", "-c", "echo bad $0 and $1 >&2; exit 1", Secret, "--secret=" + Secret);

        Exception? error = await Assert.CatchAsync(async () => await source.ReadAsync(new TokenSourceContext(), default));

        Assert.That(error!.ToString(), Does.Contain("ended with code 1: bad (an argument) and (an argument)").And.Not.Contain(Secret));
        Assert.That(source.ToString() + source.DescribeSource(), Does.Not.Contain(Secret));
    }

    [Test]
    public async Task Of_a_long_standard_error_the_end_is_shown_and_no_half_of_a_token()
    {
        // Long enough that the token's beginning is not among what is kept.
        TokenRequestFailedException error = await FailAsync("sh -c 'echo eyJ >&2; i=0; while [ $i -lt 1000 ]; do printf abcdefgh >&2; i=$((i+1)); done; echo \" the end\" >&2; exit 1'");

        Assert.That(error.Message, Does.EndWith("ended with code 1: the end"));
    }

    [Test]
    public async Task What_the_program_reads_ends_at_once() =>
        Assert.That(await TokenSources.FromCommand("sh", "-c", "cat; echo a").ReadAsync(new TokenSourceContext(), default), Is.EqualTo("a"));

    [Test]
    public async Task More_than_a_mebibyte_is_refused_and_its_program_killed()
    {
        using var place = new TokenFile("");

        // Without an end, so that it is over only when it is killed.
        TokenRequestFailedException error = await FailAsync($"sh -c 'echo $$ > {place.Path}; while :; do printf %01024d 0; done'");

        Assert.That(error.Message, Does.EndWith("the command sh printed more than 1 MiB, and was killed"));
        AssertGone(await File.ReadAllTextAsync(place.Path));
    }

    [Test]
    public async Task A_mebibyte_is_read() =>
        Assert.That(await TokenSources.FromCommand("head", "-c", "1048576", "/dev/zero").ReadAsync(new TokenSourceContext(), default), Has.Length.EqualTo(1048576));

    [Test]
    public async Task A_program_that_does_not_end_is_killed_with_all_it_has_started()
    {
        using var fixture = new ClientFixture();
        using var place = new TokenFile("");
        var context = new TokenSourceContext { TimeProvider = fixture.Clock };

        Task<string?> read = Hang(place).ReadAsync(context, default).AsTask();
        string[] both = await StartedAsync(place);
        fixture.Clock.Advance(TimeSpan.FromSeconds(30));

        await Assert.ThatAsync(() => read, Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EndsWith("the command sh did not end within 30 s, and was killed: does it ask something, or wait for a network?").And.Property("IsTransient").True);
        Assert.That(both, Has.Length.EqualTo(2));
        AssertGone(both);
    }

    [Test]
    public async Task A_cancelled_read_kills_it_too()
    {
        using var place = new TokenFile("");
        using var cancellation = new CancellationTokenSource();

        Task<string?> read = Hang(place).ReadAsync(new TokenSourceContext(), cancellation.Token).AsTask();
        string[] both = await StartedAsync(place);
        await cancellation.CancelAsync();

        await Assert.ThatAsync(() => read, Throws.InstanceOf<OperationCanceledException>());
        AssertGone(both);
    }

    [Test]
    public async Task What_a_program_leaves_running_does_not_hold_its_token_up()
    {
        using var place = new TokenFile("");

        string? token = await TokenSources.FromCommand("sh", "-c", $"sleep 600 & echo $! > {place.Path}; echo a").ReadAsync(new TokenSourceContext(), default);

        Assert.That(token, Is.EqualTo("a"));
        using Process left = Process.GetProcessById(int.Parse(await File.ReadAllTextAsync(place.Path), CultureInfo.InvariantCulture));
        left.Kill();
    }

    [Test]
    public async Task A_batch_file_gets_no_argument_that_a_shell_would_read() =>
        Assert.That((await FailAsync("/tools/az.cmd 'a&b'")).Message, Does.Contain("is a batch file, which Windows runs by its shell"));

    [Test]
    public void A_command_needs_a_program_arguments_and_a_time()
    {
        Assert.That(() => TokenSources.FromCommand(" "), Throws.ArgumentException);
        Assert.That(() => TokenSources.FromCommand("az", (IEnumerable<string>)null!), Throws.ArgumentNullException);
        Assert.That(() => TokenSources.FromCommand("az", "a", null!), Throws.ArgumentException);
        Assert.That(() => TokenSources.FromCommand("az", [], TimeSpan.Zero), Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(() => TokenSources.FromCommand("az", [], TimeSpan.FromDays(2)), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static async Task<TokenRequestFailedException> FailAsync(string line)
    {
        string[] words = CommandLine.Split(line)!;
        return (await Assert.ThrowsAsync<TokenRequestFailedException>(async () => await TokenSources.FromCommand(words[0], words[1..]).ReadAsync(new TokenSourceContext(), default)))!;
    }

    // A program and another that it has started; both say who they are.
    private static ITokenSource Hang(TokenFile place) =>
        TokenSources.FromCommand("sh", "-c", $"sleep 600 & echo $$ $! > {place.Path}.new; mv {place.Path}.new {place.Path}; wait");

    private static async Task<string[]> StartedAsync(TokenFile place)
    {
        string text;
        while ((text = await File.ReadAllTextAsync(place.Path)).Length == 0)
            await Task.Yield();
        return text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    private static void AssertGone(params string[] ids)
    {
        foreach (string id in ids)
            Assert.That(() => IsRunning(id.Trim()), Is.False.After(20_000, 20), $"process {id} should be gone");
    }

    // One that nobody has fetched the end of has ended all the same.
    private static bool IsRunning(string id)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/stat").Split(')')[^1].TrimStart()[0] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static M3AuthOptions Options(ClientFixture fixture, ITokenSource source)
    {
        M3AuthOptions options = fixture.Options();
        options.TokenSource = source;
        return options;
    }

    private static HttpClient Client(ClientFixture fixture, ITokenSource source) => M3HttpClient.Create(ClientFixture.Address, Options(fixture, source), fixture.Server);
}
