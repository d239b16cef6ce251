using System.CommandLine;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary><c>m3-token login</c>: signs a person in once, for every program of theirs.</summary>
internal static class LoginCommand
{
    private static readonly Argument<Uri?> Server = SignInOptions.Server();

    private static readonly Option<bool> Browser = new("--browser") { Description = "Sign in in this machine's browser; the default where one is likely to open", Arity = ArgumentArity.Zero };

    private static readonly Option<bool> Device = new("--device") { Description = "Sign in with a code, in any browser, on a telephone too; the default elsewhere", Arity = ArgumentArity.Zero };

    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask whether to go on", Arity = ArgumentArity.Zero };

    public static Command Create()
    {
        var command = new Command("login", "Sign in once: programs find the sign-in from then on, and renew it")
        {
            Server, SignInOptions.Issuer, SignInOptions.Audience, SignInOptions.ClientId, SignInPlan.Scope, SignInPlan.ResourceIndicator,
            Browser, Device, BrowserSignIn.Port, Yes,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(Browser) && result.GetValue(Device))
                result.AddError("--browser and --device are two ways to sign in: choose one");
            else if (result.GetValue(BrowserSignIn.Port) is not null && result.GetValue(Device))
                result.AddError("--port is for --browser: a code needs none");
        });
        command.ReportsAlone(SignInAsync);
        return command;
    }

    private static async Task SignInAsync(ParseResult parsed, Report report, CancellationToken cancellationToken)
    {
        string prefix = parsed.GetRequiredValue(CommonOptions.Prefix);
        var store = new SignInStore();
        using var backchannel = new Backchannel(handler: null, TimeProvider.System);
        SignInPlan plan = await SignInPlan.MakeAsync(parsed, parsed.GetValue(Server), backchannel, cancellationToken);
        if (plan.OnlyFor is not null)
            await ConfirmAsync(plan, parsed.GetValue(Yes), cancellationToken);
        // What cannot be checked or kept is found out before anybody signs in.
        var signIn = new SignIn
        {
            IssuerUrl = plan.IssuerUrl,
            ClientId = plan.ClientId,
            Audience = plan.Audience,
            Scopes = plan.Scopes,
            Resource = plan.Resource,
            OnlyFor = plan.OnlyFor,
            SignedInAt = TimeProvider.System.GetUtcNow(),
        };
        M3AuthOptions checks = IssuerClient.OptionsFor(prefix, plan.IssuerUrl, plan.Audience, plan.Scopes);
        checks.Resource = plan.Resource;
        new M3TokenProvider(checks).Dispose();
        (await store.LockAsync(signIn, cancellationToken)).Dispose();
        SignInClient client = IssuerClient.Create(plan.IssuerUrl, plan.ClientId, prefix, backchannel);
        await AskAsync(parsed, client, plan, KeepAsync, cancellationToken);
        Report(signIn, store, prefix, report);

        async Task KeepAsync(TokenAnswer answer)
        {
            report.Redaction.HideSecret(answer.RefreshToken);
            bool isKept = false;
            try
            {
                string token = answer.ReadToken();
                report.Redaction.HideToken(token);
                M3AccessToken valid = await ValidateAsync(checks, token, cancellationToken);
                signIn = (signIn with { Subject = valid.Subject, RefreshToken = answer.RefreshToken }).With(token);
                using (await store.LockAsync(signIn, cancellationToken))
                    store.Save(signIn);
                isKept = true;
            }
            finally
            {
                if (!isKept && answer.RefreshToken is { } unused)
                    await TryRevokeAsync(client, unused);
            }
        }
    }

    // Nobody has it, and it would live on at the issuer.
    private static async Task TryRevokeAsync(SignInClient client, string refreshToken)
    {
        try
        {
            await SignInTokens.RevokeAsync(client, refreshToken, isRefreshToken: true, CancellationToken.None);
        }
        catch (M3AuthException)
        {
            // What went wrong first is what is told.
        }
    }

    // Without a word of the person's, the browser: where one is likely to open, and the issuer takes it.
    private static async Task AskAsync(ParseResult parsed, SignInClient client, SignInPlan plan, Func<TokenAnswer, Task> keep, CancellationToken cancellationToken)
    {
        int? port = parsed.GetValue(BrowserSignIn.Port);
        bool isBrowserAskedFor = parsed.GetValue(Browser) || port is not null;
        if (isBrowserAskedFor || (SystemBrowser.IsLikely && !parsed.GetValue(Device)))
        {
            AuthorizationEndpoint? endpoint = await SignInTokens.TryFindAuthorizationAsync(client, cancellationToken);
            if (endpoint is { TakesS256: true } || (isBrowserAskedFor && endpoint is not null))
            {
                await BrowserSignIn.RunAsync(client, endpoint, plan, port, keep, cancellationToken);
                return;
            }

            if (isBrowserAskedFor)
                throw new SignInException("the issuer names no page to sign in at (authorization_endpoint)", "Sign in with a code: --device.");
        }

        bool showsPicture = !Console.IsErrorRedirected && !parsed.GetValue(CommonOptions.Plain);
        await keep(await DeviceSignIn.RunAsync(client, plan, showsPicture, cancellationToken));
    }

    private static async Task ConfirmAsync(SignInPlan plan, bool isConfirmed, CancellationToken cancellationToken)
    {
        Console.Error.WriteLine($"{plan.OnlyFor!.GetLeftPart(UriPartial.Authority)} says who issues its tokens:");
        Console.Error.WriteLine($"    issuer    {Printable.Text(plan.IssuerUrl, 500)}");
        if (plan.Resource is not null)
            Console.Error.WriteLine($"    resource  {Printable.Text(plan.Resource, 500)}");
        Console.Error.WriteLine($"    audience  {Printable.Text(plan.Audience, 500)}");
        Console.Error.WriteLine($"    scopes    {Printable.Text(string.Join(' ', plan.Scopes), int.MaxValue)}");
        Console.Error.WriteLine($"    client    {Printable.Text(plan.ClientId, 500)}");
        if (plan.Unused is not null)
            Console.Error.WriteLine($"The audience in your settings, {Printable.Quote(plan.Unused)}, is not asked for: --audience does so, for a server that may have such tokens.");
        if (isConfirmed)
            return;
        if (!Question.CanBeAsked)
            throw new SignInException("nobody is here to say whether this issuer is the right one", "Run it in a terminal, or say so beforehand: --yes.");
        if (!await Question.ConfirmAsync("Sign in there? Its token goes to this server only.", cancellationToken))
            throw new SignInException("not signed in", "Answer y to sign in.");
    }

    // What M3 would refuse is not kept.
    private static async Task<M3AccessToken> ValidateAsync(M3AuthOptions checks, string token, CancellationToken cancellationToken)
    {
        checks.TokenSource = TokenSources.FromValue(token);
        using var provider = new M3TokenProvider(checks);
        try
        {
            return await provider.GetTokenAsync(cancellationToken);
        }
        catch (M3AuthException e) when (e is InvalidAudienceException or MissingScopesException)
        {
            e.Remedy = "Nothing is kept. Say what M3 expects with --audience and --scope; where the issuer has tokens for several APIs, name M3's with --resource URI, or ask whoever runs it.";
            throw;
        }
    }

    private static void Report(SignIn signIn, SignInStore store, string prefix, Report report)
    {
        report.Add(SignInTable.Of([signIn]));
        report.Set("signIn", SignInTable.ToJson(signIn));
        report.Set("directory", store.Directory);
        (string Name, string Value)[] settings =
        [
            ("ISSUER_URL", signIn.IssuerUrl), ("AUDIENCE", signIn.Audience), ("REQUIRED_SCOPES", string.Join(',', signIn.Scopes)), ("CLIENT_ID", signIn.ClientId),
        ];
        report.Set("environment", new JsonObject(settings.Select(setting => KeyValuePair.Create(prefix + setting.Name, (JsonNode?)setting.Value))));
        report.Add(new Section("Programs find it when these are set", [], [.. settings.Select(setting => (string?[])[Assignment(prefix + setting.Name, setting.Value)])]));
        if (signIn.RefreshToken is null)
            report.Notes.Add("The issuer gave no refresh token, so that the sign-in ends with its access token. Its client may need the scope offline_access.");
        report.Succeed($"Signed in as {Printable.Quote(signIn.Subject)}, kept in {store.Directory}");
    }

    // As the shell wants it that is usual here; PowerShell takes what stands without quotation marks for a command.
    private static string Assignment(string name, string value) => OperatingSystem.IsWindows()
        ? $"$env:{name}='{Printable.Text(value, int.MaxValue).Replace("'", "''", StringComparison.Ordinal)}'"
        : $"export {name}={SignIn.Argument(value)}";
}
