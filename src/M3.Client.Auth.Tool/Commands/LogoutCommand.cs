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
            ? KeptSignIns.Find(parsed, parsed.GetValue(Server), store)
            : [KeptSignIns.FindOne(parsed, parsed.GetValue(Server), store)];
        foreach (SignIn signIn in ended)
            await EndAsync(signIn, store, parsed.GetRequiredValue(CommonOptions.Prefix), report, cancellationToken);

        report.Set("signedOut", new JsonArray([.. ended.Select(signIn => (JsonNode)SignInTable.ToJson(signIn))]));
        report.Succeed(ended.Count == 0 ? "Nobody was signed in" : $"Signed out: {string.Join("; ", ended.Select(KeptSignIns.Describe))}");
    }

    // Here it is forgotten in any case: who signs out wants that most of all.
    private static async Task EndAsync(SignIn signIn, SignInStore store, string prefix, Report report, CancellationToken cancellationToken)
    {
        using IDisposable held = await store.LockAsync(signIn, cancellationToken);
        string? refreshToken = (store.Find(signIn.IssuerUrl, signIn.Audience, signIn.ClientId) ?? signIn).RefreshToken;
        store.Remove(signIn);
        if (refreshToken is null)
            return;
        using var backchannel = new Backchannel(handler: null, TimeProvider.System);
        try
        {
            if (!await SignInTokens.RevokeAsync(IssuerClient.Create(signIn.IssuerUrl, signIn.ClientId, prefix, backchannel), refreshToken, isRefreshToken: true, cancellationToken))
                report.Notes.Add($"{Printable.Quote(signIn.IssuerUrl)} cannot be asked to forget it: there it ends by itself, or where you manage your account.");
        }
        catch (M3AuthException e)
        {
            report.Notes.Add($"It is forgotten here, but the issuer could not be told: {e.Message}. There it ends by itself, or where you manage your account.");
        }
    }
}
