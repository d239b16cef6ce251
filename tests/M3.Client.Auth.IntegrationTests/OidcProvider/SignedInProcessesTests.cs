using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace M3.Client.Auth.IntegrationTests.OidcProvider;

/// <summary>Programs of one person that begin together, at an issuer that rotates refresh tokens and ends a sign-in when an old one is used.</summary>
[Platform(Exclude = "Win", Reason = "The sign-in is encrypted there.")]
public sealed class SignedInProcessesTests
{
    private const string Helper = "M3.Client.Auth.SignedInCaller";
    private const int Programs = 8;

    [Test]
    public async Task Eight_programs_with_an_expired_access_token_use_the_refresh_token_once()
    {
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        await using WebApplication server = await OidcProviderTests.StartServerAsync(issuer.IssuerUrl);
        using var kept = new KeptSignIn(issuer.IssuerUrl);
        string first = await issuer.SignInAsync();
        kept.Write(first);

        Round round = await RunAsync(kept, server.Urls.Single(), victim: null);

        Assert.That(round.Said, Is.All.EqualTo("200"), round.Everything);
        Assert.That(await issuer.CountAsync("refresh_token granted"), Is.EqualTo(1));
        Assert.That(await issuer.CountAsync("refresh_token invalid_grant"), Is.Zero);
        Assert.That(kept.RefreshToken, Is.Not.Null.And.Not.EqualTo(first));
        Assert.That(round.Everything, Does.Contain("Signed in as 'researcher'").And.Not.Contain("eyJ").And.Not.Contain(first).And.Not.Contain(kept.RefreshToken!));
        Assert.That(kept.FilesWith(["eyJ", first, kept.RefreshToken!]), Is.Empty);
    }

    [Test]
    public async Task A_sign_in_that_was_revoked_says_how_to_sign_in_again()
    {
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        await using WebApplication server = await OidcProviderTests.StartServerAsync(issuer.IssuerUrl);
        using var kept = new KeptSignIn(issuer.IssuerUrl);
        kept.Write("never-issued");

        Round round = await RunAsync(kept, server.Urls.Single(), victim: null);

        Assert.That(round.Said, Is.All.StartsWith($"TokenRequestFailed: Sign in again: m3-token login --issuer {issuer.IssuerUrl} --audience {TestIssuer.Audience} --client-id {OidcProvider.NativeClientId}"));
        Assert.That(await issuer.CountAsync("refresh_token invalid_grant"), Is.EqualTo(1), "the first tells the others by the file");
        Assert.That(kept.RefreshToken, Is.Null);
        Assert.That(round.Everything, Does.Not.Contain("never-issued"));
    }

    [Test]
    public async Task Where_files_cannot_be_locked_nothing_is_renewed()
    {
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        await using WebApplication server = await OidcProviderTests.StartServerAsync(issuer.IssuerUrl);
        using var kept = new KeptSignIn(issuer.IssuerUrl);
        kept.Write(await issuer.SignInAsync());

        await using Example program = Example.StartHelper(Helper, new Dictionary<string, string>(kept.Environment) { ["DOTNET_SYSTEM_IO_DISABLEFILELOCKING"] = "1" }, server.Urls.Single());
        await program.PipeAsync("\n");
        ExampleResult result = await program.FinishAsync();

        Assert.That(result.Error, Does.Contain("The sign-in cannot be locked: not renewed here."));
        Assert.That(await issuer.CountAsync("refresh_token granted"), Is.Zero);
    }

    // A renewal that nobody waits for may be under way when a script has done its work.
    [Test]
    public async Task A_program_that_ends_while_it_renews_keeps_what_the_issuer_answers()
    {
        const string accessToken = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjQxMDAwMDAwMDB9.c2lnbmF0dXJl";
        var asked = new TaskCompletionSource();
        var hasLeft = new TaskCompletionSource();
        await using RecordingServer issuer = await RecordingServer.StartAsync(async context =>
        {
            string address = $"http://{context.Request.Host}";
            if (context.Request.Path != "/token")
            {
                await context.Response.WriteAsync($$"""{"issuer":"{{address}}","token_endpoint":"{{address}}/token","jwks_uri":"{{address}}/jwks"}""");
                return;
            }

            asked.SetResult();
            await hasLeft.Task;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync($$"""{"access_token":"{{accessToken}}","token_type":"Bearer","refresh_token":"second"}""");
        });
        using var kept = new KeptSignIn(issuer.Address.GetLeftPart(UriPartial.Authority));
        kept.Write("first");

        await using Example program = Example.StartHelper(Helper, kept.Environment, issuer.Address.AbsoluteUri, "leave");
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await program.PipeAsync("\n");
        Task finishing = program.FinishAsync();
        // Long enough for a program that does not wait to be gone.
        await Task.WhenAny(finishing, Task.Delay(TimeSpan.FromMilliseconds(700)));
        hasLeft.SetResult();
        await finishing;

        Assert.That(kept.RefreshToken, Is.EqualTo("second"));
    }

    [Test]
    public async Task A_refresh_is_sent_once_where_any_other_request_would_be_repeated()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        issuer.Misbehave = async (context, _) =>
        {
            if (context.Request.Path == "/token")
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            else
                await context.Response.WriteAsJsonAsync(new Dictionary<string, string> { ["issuer"] = issuer.IssuerUrl, ["token_endpoint"] = issuer.IssuerUrl + "token" });
            return true;
        };
        using var kept = new KeptSignIn(issuer.IssuerUrl);
        kept.Write("a-refresh-token");

        await using Example program = Example.StartHelper(Helper, kept.Environment, issuer.IssuerUrl);
        await program.PipeAsync("\n");
        ExampleResult result = await program.FinishAsync();

        Assert.That(result.Error, Does.Contain("answered 503").And.Not.Contain("a-refresh-token"));
        Assert.That(issuer.Arrivals.Count(arrival => arrival.Path == "/token"), Is.EqualTo(1));
        Assert.That(kept.RefreshToken, Is.EqualTo("a-refresh-token"), "it may still be good");
    }

    [Test]
    public async Task A_person_signs_in_by_a_device_code()
    {
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        await using WebApplication server = await OidcProviderTests.StartServerAsync(issuer.IssuerUrl);
        M3AuthOptions options = issuer.OptionsFor("RS256");
        options.TokenSource = TokenSources.DeviceCode(OidcProvider.NativeClientId, async (prompt, _) => await issuer.AnswerDeviceAsync(prompt.UserCode, yes: true), OidcProvider.Resource);
        using HttpClient client = M3HttpClient.Create(new Uri(server.Urls.Single()), options);

        using HttpResponseMessage response = await client.GetAsync("");

        Assert.That(response.IsSuccessStatusCode);
    }

    [Test]
    public async Task A_person_may_decline()
    {
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        M3AuthOptions options = issuer.OptionsFor("RS256");
        options.TokenSource = TokenSources.DeviceCode(OidcProvider.NativeClientId, async (prompt, _) => await issuer.AnswerDeviceAsync(prompt.UserCode, yes: false), OidcProvider.Resource);
        using var tokens = new M3TokenProvider(options);

        Assert.That(async () => await tokens.GetTokenAsync(), Throws.TypeOf<TokenRequestFailedException>().With.Message.Contains("the sign-in was declined"));
    }

    /// <summary>Not by default, since it takes minutes: <c>dotnet test --filter FullyQualifiedName~Fifty_rounds</c> runs it and prints its counts.</summary>
    [Test, Explicit]
    public async Task Fifty_rounds_with_one_killed_in_each()
    {
        const int rounds = 50;
        await using OidcProvider issuer = await OidcProvider.StartAsync();
        await using WebApplication server = await OidcProviderTests.StartServerAsync(issuer.IssuerUrl);
        using var kept = new KeptSignIn(issuer.IssuerUrl);
        var random = new Random(15);
        HashSet<string> tokens = ["eyJ", await issuer.SignInAsync()];
        kept.Write(tokens.Last());
        int calls = 0, failed = 0, lost = 0, most = 0;
        List<string> leaks = [];
        HashSet<string> failures = [];
        for (int i = 0; i < rounds; i++)
        {
            int before = await issuer.CountAsync("refresh_token granted");
            Round round = await RunAsync(kept, server.Urls.Single(), random.Next(Programs), TimeSpan.FromMilliseconds(random.Next(900)));
            calls += round.Said.Count;
            failures.UnionWith(round.Said.Where(said => said != "200"));
            failed += round.Said.Count(said => said != "200");
            most = Math.Max(most, await issuer.CountAsync("refresh_token granted") - before);
            if (kept.RefreshToken is null)
            {
                lost++;
                kept.Write(await issuer.SignInAsync());
            }

            tokens.Add(kept.RefreshToken!);
            leaks.AddRange(tokens.Where(round.Everything.Contains).Select(_ => $"round {i}: the output"));
            leaks.AddRange(kept.FilesWith(tokens));
            kept.Expire();
        }

        int granted = await issuer.CountAsync("refresh_token granted");
        int refused = await issuer.CountAsync("refresh_token invalid_grant");
        TestContext.Out.WriteLine($"{rounds} rounds of {Programs} programs, one killed in each: {calls} calls of the others, {failed} failed; refresh requests: {granted} granted "
            + $"(at most {most} in a round), {refused} refused; sign-ins lost: {lost}; tokens in output or other files: {leaks.Count}. {string.Join("; ", failures)}");
        Assert.That(leaks, Is.Empty);
    }

    private static async Task<Round> RunAsync(KeptSignIn kept, string address, int? victim, TimeSpan killAfter = default)
    {
        Example[] programs = [.. Enumerable.Range(0, Programs).Select(_ => Example.StartHelper(Helper, kept.Environment, address))];
        try
        {
            foreach (Example program in programs)
                await program.ReadUntilAsync(line => line == "ready");
            await Task.WhenAll(programs.Select(program => program.PipeAsync("\n")));
            if (victim is { } number)
            {
                // The one time that something is left to chance: when it dies.
                await Task.Delay(killAfter);
                programs[number].Kill();
            }

            ExampleResult[] results = await Task.WhenAll(programs.Select(program => program.FinishAsync()));
            return new Round([.. results.Where((_, i) => i != victim).Select(result => result.Output.Trim())],
                string.Join('\n', results.Select(result => $"{result.Output}{result.Error}")));
        }
        finally
        {
            foreach (Example program in programs)
                await program.DisposeAsync();
        }
    }

    private sealed record Round(IReadOnlyList<string> Said, string Everything);
}
