using System.Text.Json.Nodes;

namespace M3.Client.Auth.Tool;

/// <summary>What the issuer was asked, and the keys it has.</summary>
internal static class KeysReport
{
    public static async Task<JwksStatus> FetchAsync(M3TokenProvider provider, CancellationToken cancellationToken)
    {
        try
        {
            return await provider.RefreshKeysAsync(cancellationToken);
        }
        catch (JwksUnavailableException)
        {
            // The status says what happened, too.
            return provider.GetKeyStatus();
        }
    }

    public static void Add(Report report, IssuerTraffic traffic, JwksStatus keys)
    {
        IssuerAnswer[] answers = traffic.Answers;
        report.Add(new Section("What the issuer was asked", ["request", "answer", "time"],
            [.. answers.Select(answer => new[] { $"{answer.Method} {answer.Url}", answer.Text, $"{answer.Milliseconds} ms" })]));
        report.Set("requests", new JsonArray([.. answers.Select(answer => (JsonNode)new JsonObject
        {
            ["method"] = answer.Method,
            ["url"] = answer.Url,
            ["status"] = answer.Status,
            ["failure"] = answer.Failure,
            ["milliseconds"] = answer.Milliseconds,
        })]));

        List<string?[]> rows = [.. keys.UsableKeys.Select(key => new[] { key, "usable" }), .. keys.IgnoredKeys.Select(key => new[] { key, "ignored" })];
        if (keys.LastError is { } error)
            rows.Add([error, "last failure"]);
        report.Add(new Section("The issuer's keys", ["key", "state"], rows));
        report.Set("keys", new JsonObject
        {
            ["state"] = keys.State.ToString(),
            ["usable"] = Json.Array(keys.UsableKeys),
            ["ignored"] = Json.Array(keys.IgnoredKeys),
            ["lastFailure"] = keys.LastError,
        });
    }
}
