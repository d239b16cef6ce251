using System.CommandLine;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary><c>m3-token logout</c>: has the issuer forget a sign-in (RFC 7009), and forgets it here.</summary>
internal static class LogoutCommand
{
    private static readonly Argument<Uri?> Server = SignInOptions.Server();

    private static readonly Option<bool> All = new("--all") { Description = "Every sign-in that is kept", Arity = ArgumentArity.Zero };

    public static Command Create()
    {
        var command = new Command("logout", "Sign out: revoke the sign-in at the issuer, and forget it here") { Server, SignInOptions.Issuer, SignInOptions.Audience, SignInOptions.ClientId, All };
        command.ReportsAlone(SignOutAsync);
        return command;
    }

    private static async Task SignOutAsync(ParseResult parsed, Report report, CancellationToken cancellationToken)
    {
        var store = new SignInStore();
        IReadOnlyList<SignIn> ended = parsed.GetValue(All)
            ? KeptSignIns.Find(parsed, parsed.GetValue(Server), store, report)
            : [KeptSignIns.FindOne(parsed, parsed.GetValue(Server), store, report)];
        List<string> untold = [];
        List<string> kept = [];
        foreach (SignIn signIn in ended)
        {
            try
            {
                if (await EndAsync(signIn, store, parsed.GetRequiredValue(CommonOptions.Prefix), report, cancellationToken) is { } failure)
                    untold.Add(failure);
            }
            catch (SignInStoreException e)
            {
                kept.Add(e.Message);
            }
        }

        string whom = string.Join("; ", ended.Select(KeptSignIns.Describe));
        report.Set("signedOut", new JsonArray([.. ended.Select(signIn => (JsonNode)SignInTable.ToJson(signIn))]));
        if (kept.Count > 0)
            report.FailSignIn($"not all could be ended: {string.Join("; ", kept.Concat(untold))}", "Do what the message says, and sign out again.");
        else if (untold.Count > 0)
            report.FailSignIn($"signed out here only: {whom}. The issuer could not be told: {string.Join("; ", untold)}", "There the sign-in ends by itself, or where you manage your account.");
        else
            report.Succeed(ended.Count == 0 ? "Nobody was signed in" : $"Signed out: {whom}");
    }

    // The issuer first: whoever is interrupted there can sign out again. Here it is forgotten whatever the issuer says.
    private static async Task<string?> EndAsync(SignIn signIn, SignInStore store, string prefix, Report report, CancellationToken cancellationToken)
    {
        using var backchannel = new Backchannel(handler: null, TimeProvider.System);
        SignInClient client = IssuerClient.Create(signIn.IssuerUrl, signIn.ClientId, prefix, backchannel);
        using IDisposable held = await store.LockAsync(signIn, cancellationToken);
        string? failure = await RevokeAsync(client, store.Find(signIn.IssuerUrl, signIn.Audience, signIn.ClientId) ?? signIn, report, cancellationToken);
        store.Remove(signIn);
        return failure;
    }

    private static async Task<string?> RevokeAsync(SignInClient client, SignIn signIn, Report report, CancellationToken cancellationToken)
    {
        if ((signIn.RefreshToken ?? signIn.AccessToken) is not { } token)
            return null;
        try
        {
            if (!await SignInTokens.RevokeAsync(client, token, isRefreshToken: signIn.RefreshToken is not null, cancellationToken))
                report.Notes.Add($"{Printable.Quote(signIn.IssuerUrl)} cannot be asked to forget it: there it ends by itself, or where you manage your account.");
            return null;
        }
        catch (M3AuthException e)
        {
            return e.Message;
        }
    }
}
