using System.CommandLine;
using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary><c>m3-token status</c>: who is signed in, until when, and where it is kept.</summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        var command = new Command("status", "Show the kept sign-ins: who, for what, until when") { SignInOptions.Issuer, SignInOptions.Audience, SignInOptions.ClientId };
        command.ReportsAlone((parsed, report, _) =>
        {
            var store = new SignInStore();
            IReadOnlyList<SignIn> found = KeptSignIns.Find(parsed, server: null, store, report);
            report.Add(SignInTable.Of(found));
            report.Set("signIns", new JsonArray([.. found.Select(signIn => (JsonNode)SignInTable.ToJson(signIn))]));
            report.Set("directory", store.Directory);
            report.Succeed(found.Count == 0 ? "Nobody is signed in" : $"{found.Count} kept in {store.Directory}");
            return Task.CompletedTask;
        });
        return command;
    }
}
