using System.CommandLine;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary><c>m3-token login</c>: signs a person in once, for every program of theirs.</summary>
internal static class LoginCommand
{
    private static readonly Argument<Uri?> Server = SignInOptions.Server();

    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask whether to go on", Arity = ArgumentArity.Zero };

    public static Command Create()
    {
        var command = new Command("login", "Sign in once: programs find the sign-in from then on, and renew it")
        {
            Server, SignInOptions.Issuer, SignInOptions.Audience, SignInOptions.ClientId, SignInPlan.Scope, SignInPlan.ResourceIndicator, Yes,
        };
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
        // What cannot be kept is found out before anybody signs in.
        _ = store.List();

        SignInClient client = IssuerClient.Create(plan.IssuerUrl, plan.ClientId, prefix, backchannel);
        bool showsPicture = !Console.IsErrorRedirected && !parsed.GetValue(CommonOptions.Plain);
        TokenAnswer answer = await DeviceSignIn.RunAsync(client, plan, showsPicture, cancellationToken);
        string token = answer.ReadToken();
        report.Redaction.HideToken(token);
        report.Redaction.HideSecret(answer.RefreshToken);
        M3AccessToken valid = await ValidateAsync(plan, prefix, token, cancellationToken);

        SignIn signIn = new SignIn
        {
            IssuerUrl = plan.IssuerUrl,
            ClientId = plan.ClientId,
            Audience = plan.Audience,
            Scopes = plan.Scopes,
            Resource = plan.Resource,
            OnlyFor = plan.OnlyFor,
            Subject = valid.Subject,
            SignedInAt = TimeProvider.System.GetUtcNow(),
            RefreshToken = answer.RefreshToken,
        }.With(token);
        using (await store.LockAsync(signIn, cancellationToken))
            store.Save(signIn);
        Report(signIn, store, prefix, report);
    }

    private static async Task ConfirmAsync(SignInPlan plan, bool isConfirmed, CancellationToken cancellationToken)
    {
        Console.Error.WriteLine($"{plan.OnlyFor!.GetLeftPart(UriPartial.Authority)} says who issues its tokens:");
        Console.Error.WriteLine($"    issuer    {Printable.Text(plan.IssuerUrl, 500)}");
        Console.Error.WriteLine($"    resource  {Printable.Text(plan.Resource!, 500)}");
        Console.Error.WriteLine($"    audience  {Printable.Text(plan.Audience, 500)}");
        Console.Error.WriteLine($"    scopes    {Printable.Text(string.Join(' ', plan.Scopes), 500)}");
        Console.Error.WriteLine($"    client    {Printable.Text(plan.ClientId, 500)}");
        if (isConfirmed)
            return;
        if (Console.IsInputRedirected)
            throw new SignInException("nobody is here to say whether this issuer is the right one", "Run it in a terminal, or say so beforehand: --yes.");
        Console.Error.Write("Sign in there? Its token goes to this server only. [y/N] ");
        // Reading the console cannot be cancelled; waiting for it can.
        string? said = await Task.Run(Console.In.ReadLine, cancellationToken).WaitAsync(cancellationToken);
        if (said?.Trim() is not { } word || !(word.Equals("y", StringComparison.OrdinalIgnoreCase) || word.Equals("yes", StringComparison.OrdinalIgnoreCase)))
            throw new SignInException("not signed in", "Answer y to sign in.");
    }

    // What M3 would refuse is not kept.
    private static async Task<M3AccessToken> ValidateAsync(SignInPlan plan, string prefix, string token, CancellationToken cancellationToken)
    {
        M3AuthOptions options = M3AuthOptions.FromEnvironment(prefix);
        (options.Enabled, options.IssuerUrl, options.Audience, options.TokenSource) = (true, plan.IssuerUrl, plan.Audience, TokenSources.FromValue(token));
        options.RequiredScopes.Clear();
        options.RequiredScopes.UnionWith(plan.Scopes);
        using var provider = new M3TokenProvider(options);
        return await provider.GetTokenAsync(cancellationToken);
    }

    private static void Report(SignIn signIn, SignInStore store, string prefix, Report report)
    {
        report.Add(SignInTable.Of([signIn]));
        report.Set("signIn", SignInTable.ToJson(signIn));
        report.Set("directory", store.Directory);
        (string Name, string Value)[] settings = [("ISSUER_URL", signIn.IssuerUrl), ("AUDIENCE", signIn.Audience), ("REQUIRED_SCOPES", string.Join(',', signIn.Scopes))];
        report.Set("environment", new JsonObject(settings.Select(setting => KeyValuePair.Create(prefix + setting.Name, (JsonNode?)setting.Value))));
        report.Add(new Section("Programs find it when these are set", ["", ""], [.. settings.Select(setting => new[] { $"export {prefix}{setting.Name}={SignIn.Argument(setting.Value)}", "" })]));
        if (signIn.RefreshToken is null)
            report.Notes.Add("The issuer gave no refresh token, so that the sign-in ends with its access token. Its client may need the scope offline_access.");
        report.Succeed($"Signed in as {Printable.Quote(signIn.Subject)}, kept in {store.Directory}");
    }
}
