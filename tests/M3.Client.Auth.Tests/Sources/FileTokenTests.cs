using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Sources;

/// <summary>A token in a file, which somebody else writes.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class FileTokenTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Test]
    public async Task A_file_written_anew_or_replaced_counts_a_second_later()
    {
        using var fixture = new ClientFixture();
        using var file = new TokenFile(fixture.Token + "\n");
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile(file.Path));
        (await client.GetAsync("")).Dispose();

        string second = fixture.NewToken();
        file.Write(second);
        fixture.Clock.Advance(Second);
        (await client.GetAsync("")).Dispose();
        string third = fixture.NewToken();
        file.Replace("Bearer " + third + "\r\n");
        fixture.Clock.Advance(Second);
        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals.Select(arrival => arrival.Token), Is.EqualTo([fixture.Token, second, third]));
    }

    [Test]
    public async Task While_it_is_empty_or_gone_the_token_read_before_serves_until_it_expires([Values] bool gone)
    {
        using var fixture = new ClientFixture();
        using var file = new TokenFile(fixture.Token!);
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile(file.Path));
        (await client.GetAsync("")).Dispose();

        if (gone)
            file.Delete();
        else
            file.Write("");
        for (int i = 0; i < 10; i++)
        {
            fixture.Clock.Advance(Second);
            (await client.GetAsync("")).Dispose();
        }

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(11).And.All.Property("Token").EqualTo(fixture.Token));
        Assert.That(fixture.Log.Warnings.Count(), Is.EqualTo(1), "told once, not at every look");
        Assert.That(fixture.Log.Warnings.Single(), Does.StartWith("The token could not be renewed: Token request failed: the file " + file.Path));

        fixture.Clock.Advance(TimeSpan.FromMinutes(30));
        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>().With.Property("IsTransient").True);
    }

    [Test]
    public async Task When_it_is_back_it_counts_a_second_later_too()
    {
        using var fixture = new ClientFixture();
        using var file = new TokenFile(fixture.Token!);
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile(file.Path));
        (await client.GetAsync("")).Dispose();

        // Whoever writes in place empties the file first, and a call may come just then.
        file.Write("");
        fixture.Clock.Advance(Second);
        (await client.GetAsync("")).Dispose();
        string next = fixture.NewToken();
        file.Write(next);
        fixture.Clock.Advance(Second);
        (await client.GetAsync("")).Dispose();

        Assert.That(fixture.Server.Arrivals[^1].Token, Is.EqualTo(next));
    }

    [Test]
    public async Task A_file_that_was_never_there_is_named()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile("/nowhere/token"));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EqualTo("Token request failed: the file /nowhere/token cannot be read (DirectoryNotFoundException)"));
    }

    [Test]
    public async Task A_file_that_is_empty_from_the_beginning_has_no_token()
    {
        using var fixture = new ClientFixture();
        using var file = new TokenFile("  \n");
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile(file.Path));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<MissingTokenException>().With.Message.EndsWith("looked in the file " + file.Path));
    }

    [Test]
    public async Task A_token_in_place_of_a_path_is_not_shown()
    {
        using var fixture = new ClientFixture();
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile(fixture.Token!));

        Exception error = (await Assert.CatchAsync<TokenRequestFailedException>(() => client.GetAsync("")))!;

        Assert.That(error.ToString(), Does.Contain("the file (a token, not shown) cannot be read").And.Not.Contain(fixture.Token![..20]));
    }

    [Test]
    public async Task A_file_that_others_can_read_is_warned_of_once()
    {
        Assume.That(OperatingSystem.IsWindows(), Is.False);
        using var fixture = new ClientFixture();
        using var file = new TokenFile(fixture.Token!);
        file.SetMode(UnixFileMode.UserRead | UnixFileMode.OtherRead);
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile(file.Path));
        for (int i = 0; i < 3; i++)
        {
            (await client.GetAsync("")).Dispose();
            fixture.Clock.Advance(Second);
        }

        Assert.That(fixture.Log.Warnings.Count(), Is.EqualTo(1));
        Assert.That(fixture.Log.Warnings.Single(), Does.StartWith($"The token file {file.Path} can be read by other users; give it mode 600"));
    }

    [Test]
    public async Task A_file_of_any_length_is_read_no_further_than_a_token_can_be()
    {
        using var fixture = new ClientFixture();
        using var file = new TokenFile(new string('A', 10_000_000));
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile(file.Path));

        await Assert.ThatAsync(() => client.GetAsync(""), Throws.TypeOf<InvalidTokenFormatException>());
    }

    // A pipe that nobody writes to, as a mount that hangs, blocks whoever opens it.
    [Test]
    [Platform("Linux,MacOsX")]
    public async Task A_pipe_that_nobody_writes_to_holds_no_caller_past_its_cancellation()
    {
        using var fixture = new ClientFixture();
        using var pipe = new Pipe();
        using HttpClient client = TokenSourceTests.Client(fixture, TokenSources.FromFile(pipe.Path));
        using var cancellation = new CancellationTokenSource();

        Task<HttpResponseMessage> call = Task.Run(() => client.GetAsync("", cancellation.Token));
        Task<HttpResponseMessage> other = Task.Run(() => client.GetAsync(""));
        await cancellation.CancelAsync();
        await Assert.ThatAsync(() => call.WaitAsync(KeyCacheFixture.Patience), Throws.InstanceOf<OperationCanceledException>());

        // The one who stays has the token as soon as it is written.
        await pipe.WriteAsync(fixture.Token!);
        (await other.WaitAsync(KeyCacheFixture.Patience)).Dispose();
        Assert.That(fixture.Server.Arrivals.Single().Token, Is.EqualTo(fixture.Token));
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public async Task A_file_that_does_not_answer_within_five_seconds_is_an_error_that_may_pass()
    {
        var clock = new WaitingClock(ClientFixture.Noon);
        using var fixture = new ClientFixture { Clock = clock };
        using var pipe = new Pipe();
        using var provider = new M3TokenProvider(OptionsOf(fixture, pipe));

        await AssertGivenUpAsync(() => provider.GetTokenAsync().AsTask(), clock, pipe);
    }

    [Test]
    [Platform("Linux,MacOsX")]
    public async Task A_file_with_a_client_secret_is_waited_for_no_longer()
    {
        var clock = new WaitingClock(ClientFixture.Noon);
        using var fixture = new ClientFixture { Clock = clock };
        using var pipe = new Pipe();
        M3AuthOptions options = fixture.Options();
        (options.TokenSource, options.ClientId, options.ClientSecretFile) = (null, "pull", pipe.Path);
        options.Prefix = "NOWHERE_";
        using var provider = new M3TokenProvider(options);

        await AssertGivenUpAsync(() => provider.GetTokenAsync().AsTask(), clock, pipe);
    }

    private static async Task AssertGivenUpAsync(Func<Task<M3AccessToken>> read, WaitingClock clock, Pipe pipe)
    {
        Task<M3AccessToken> call = Task.Run(read);
        while (await clock.Waits.ReadAsync().AsTask().WaitAsync(KeyCacheFixture.Patience) != ClientFixture.Noon.AddSeconds(5))
        {
            // Somebody else's timer.
        }

        clock.Advance(TimeSpan.FromSeconds(5));

        await Assert.ThatAsync(() => call.WaitAsync(KeyCacheFixture.Patience), Throws.TypeOf<TokenRequestFailedException>()
            .With.Message.EqualTo($"Token request failed: the file {pipe.Path} did not answer within 5 s: is it a pipe that nobody writes to, or a mount that hangs?")
            .And.Property("IsTransient").True);
        await pipe.WriteAsync("late");
    }

    private static M3AuthOptions OptionsOf(ClientFixture fixture, Pipe pipe)
    {
        M3AuthOptions options = fixture.Options();
        options.TokenSource = TokenSources.FromFile(pipe.Path);
        return options;
    }

    private sealed class Pipe : IDisposable
    {
        private readonly string _directory = Directory.CreateTempSubdirectory("m3-client-auth").FullName;

        public Pipe()
        {
            using var making = System.Diagnostics.Process.Start("mkfifo", ["-m", "600", Path]);
            making.WaitForExit();
            Assert.That(making.ExitCode, Is.Zero);
        }

        public string Path => System.IO.Path.Combine(_directory, "token");

        public Task WriteAsync(string text) => Task.Run(() => File.WriteAllText(Path, text)).WaitAsync(KeyCacheFixture.Patience);

        public void Dispose() => Directory.Delete(_directory, recursive: true);
    }
}
