namespace M3.Client.Auth.IntegrationTests.Packages;

/// <summary>The README's three ways, pasted as they stand into an empty folder, on the packed library.</summary>
public sealed class ReadmeProgramTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    [Test]
    public async Task The_script_prints_rows()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();

        ExampleResult result = await RunScriptAsync("pull.cs", [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", m3.CreateToken())]);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("first_careunit"));
        Assert.That(result.Error, Is.Empty);
    }

    [Test]
    public async Task The_script_says_what_is_wrong_with_the_token_and_what_to_do()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();

        ExampleResult result = await RunScriptAsync("pull.cs", m3.ClientEnvironment);

        Assert.That(result.ExitCode, Is.EqualTo(1), result.All);
        Assert.That(result.Error, Does.StartWith("Missing OAuth2 access token").And.Contain("Sign in once with m3-token login, or set M3_OAUTH2_TOKEN").And.Contain("/TROUBLESHOOTING.md#missing-oauth2-access-token"));
        Assert.That(m3.Received, Is.Empty);
    }

    [Test, Platform(Exclude = "Win", Reason = "No bash there.")]
    public async Task Who_signs_in_as_printed_needs_no_token_for_the_script()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync(new LocalM3Options { DeviceInterval = TimeSpan.FromSeconds(1) });
        string folder = PackageFeed.NewFolder("signed-in");
        Dictionary<string, string> environment = new(m3.ClientEnvironment)
        {
            ["M3_SIGN_IN_DIRECTORY"] = Path.Combine(folder, "sign-ins"),
            ["M3_OAUTH2_CLIENT_ID"] = m3.ClientId,
            ["M3_OAUTH2_CLIENT_SECRET"] = m3.ClientSecret,
        };
        string[] printed = ReadmeProgram.SignInCommands;
        Assert.That(printed[^1], Is.EqualTo("dotnet run pull.cs"));

        await using Example login = Example.StartProgram("bash", ["-c",
            $$"""m3-token() { "{{Example.Dotnet}}" exec "{{Example.ToolProgram}}" "$@" --yes; }; {{string.Join('\n', printed[..^1])}}"""], environment, folder);
        await Eventually.UntilAsync(() => m3.SignIns.WaitingUserCodes.Count > 0, Patience);
        m3.SignIns.Approve(m3.SignIns.WaitingUserCodes.Single());
        ExampleResult signedIn = await login.FinishAsync();
        Assert.That(signedIn.ExitCode, Is.Zero, signedIn.All);

        environment.Remove("M3_OAUTH2_CLIENT_ID");
        environment.Remove("M3_OAUTH2_CLIENT_SECRET");
        ExampleResult result = await RunScriptAsync("pull.cs", environment);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("first_careunit"));
    }

    [Test]
    public async Task The_script_says_which_setting_is_missing()
    {
        ExampleResult result = await RunScriptAsync("pull.cs", []);

        Assert.That(result.ExitCode, Is.EqualTo(2), result.All);
        Assert.That(result.Error, Does.Contain("M3_OAUTH2_ISSUER_URL is required when OAuth2 is enabled"));
    }

    [Test]
    public async Task The_client_that_was_there_before_prints_rows()
    {
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();

        ExampleResult result = await RunScriptAsync("wrapped.cs", [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", m3.CreateToken())]);

        Assert.That(result.ExitCode, Is.Zero, result.All);
        Assert.That(result.Output, Does.Contain("first_careunit"));
    }

    [Test]
    public async Task The_service_answers_with_rows_and_a_bad_token_with_the_remedy()
    {
        string folder = Path.Combine(PackageFeed.NewFolder("service"), "Icu");
        Directory.CreateDirectory(folder);
        foreach (string[] command in ReadmeProgram.ServiceCommands)
            await PackageFeed.RunAsync(command, folder);
        ReadmeProgram.Save("Program.cs", folder);
        await PackageFeed.RunAsync(["build"], folder);
        await using LocalM3Server m3 = await LocalM3Server.StartAsync();

        (int status, string body) = await CallServiceAsync(folder, [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", m3.CreateToken())]);
        Assert.That((status, body), Is.EqualTo((200, body)));
        Assert.That(body, Does.Contain("first_careunit"));

        (status, body) = await CallServiceAsync(folder, [.. m3.ClientEnvironment, new("M3_OAUTH2_TOKEN", "nonsense")]);
        Assert.That(status, Is.EqualTo(502));
        Assert.That(body, Does.Contain("Invalid token format").And.Contain("/TROUBLESHOOTING.md#invalid-token-format").And.Not.Contain("nonsense"));
    }

    private static async Task<(int Status, string Body)> CallServiceAsync(string folder, IEnumerable<KeyValuePair<string, string>> environment)
    {
        await using Example service = PackageFeed.Start(["run", "--no-build", "--no-launch-profile", "--urls", "http://127.0.0.1:0"], folder, environment);
        const string Listening = "Now listening on: ";
        string line = (await service.ReadUntilAsync(line => line.Contains(Listening, StringComparison.Ordinal)))[^1];
        string address = line[(line.IndexOf(Listening, StringComparison.Ordinal) + Listening.Length)..];

        using var client = new HttpClient();
        using HttpResponseMessage response = await client.GetAsync(new Uri($"{address}/icu-stays"));
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    private static async Task<ExampleResult> RunScriptAsync(string file, IEnumerable<KeyValuePair<string, string>> environment)
    {
        string folder = PackageFeed.NewFolder("script");
        ReadmeProgram.Save(file, folder);
        await using Example script = PackageFeed.Start(["run", file], folder, environment);
        return await script.FinishAsync(Patience);
    }
}
