using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth.Tool;

/// <summary>The settings in force, and where each came from.</summary>
internal static class SettingsReport
{
    private const string Hidden = "(set, not shown)";

    private const string SetTitle = "Set in the environment";

    private static readonly string[] NameAndValue = ["name", "value"];
    private static readonly string[] Secrets = ["TOKEN", "TOKEN_COMMAND", "CLIENT_SECRET"];

    /// <summary>Reads the settings and reports them. Null: OAuth2 is off, and the report says so.</summary>
    /// <exception cref="OptionsValidationException">They cannot be understood; what is set is reported all the same.</exception>
    public static M3AuthOptions? ReadInto(Report report, ParseResult parsed)
    {
        string prefix = parsed.GetRequiredValue(CommonOptions.Prefix);
        // A token that was put where another setting belongs is still a token.
        report.Redaction.HideToken(Variable(prefix, "TOKEN"));
        report.Redaction.HideSecret(Variable(prefix, "CLIENT_SECRET"));
        M3AuthOptions options;
        try
        {
            options = M3AuthOptions.FromEnvironment(prefix);
        }
        catch (OptionsValidationException)
        {
            AddAsTheyAre(report, prefix);
            throw;
        }

        Setting[] settings = [.. Describe(options)];
        report.Add(new Section(SetTitle, NameAndValue, [.. settings.Where(setting => IsSet(prefix, setting.Name)).Select(setting => Row(prefix, setting))]));
        // Behind everything else.
        report.AddLast(new Section("Left at their defaults", ["name", "value", "remark"], [.. settings.Where(setting => !IsSet(prefix, setting.Name))
            .Select(setting => (string?[])[.. Row(prefix, setting), Variable(prefix, setting.Name) is null ? "" : "the variable is empty"])]));
        report.Set("settings", new JsonObject(settings.Select(setting => KeyValuePair.Create(prefix + setting.Name, (JsonNode?)new JsonObject
        {
            ["value"] = Secrets.Contains(setting.Name) && IsSet(prefix, setting.Name) ? Hidden : setting.Value,
            ["from"] = IsSet(prefix, setting.Name) ? "environment" : "default",
        }))));

        if (!options.Enabled)
        {
            report.FailSettings([$"OAuth2 is off: {prefix}ENABLED is '{Variable(prefix, "ENABLED")}', so requests go to M3 without a token"],
                $"Set {prefix}ENABLED=true, or leave it out, to have OAuth2 on.");
            return null;
        }

        return options;
    }

    // Which of them is wrong, the error says.
    private static void AddAsTheyAre(Report report, string prefix)
    {
        string?[][] rows = [.. Describe(new M3AuthOptions()).Select(setting => setting.Name).Where(name => IsSet(prefix, name))
            .Select(name => new[] { prefix + name, Secrets.Contains(name) ? Hidden : Variable(prefix, name) })];
        report.Add(new Section(SetTitle, NameAndValue, rows));
        report.Set("settings", new JsonObject(rows.Select(row => KeyValuePair.Create(row[0]!, (JsonNode?)new JsonObject { ["value"] = row[1], ["from"] = "environment" }))));
    }

    private static string?[] Row(string prefix, Setting setting) =>
        [prefix + setting.Name, Secrets.Contains(setting.Name) && IsSet(prefix, setting.Name) ? Hidden : setting.Text ?? setting.Value?.ToString()];

    private static string? Variable(string prefix, string name) => Environment.GetEnvironmentVariable(prefix + name);

    // An empty variable counts as not set, except for this one.
    private static bool IsSet(string prefix, string name) =>
        Variable(prefix, name) is { } value && (!string.IsNullOrWhiteSpace(value) || name == "REQUIRED_SCOPES");

    private static IEnumerable<Setting> Describe(M3AuthOptions options)
    {
        yield return new("ENABLED", options.Enabled);
        yield return new("ISSUER_URL", options.IssuerUrl);
        yield return new("AUDIENCE", options.Audience);
        yield return new("REQUIRED_SCOPES", Json.Array(options.RequiredScopes), options.RequiredScopes.Count == 0 ? "(none)" : string.Join(' ', options.RequiredScopes));
        yield return new("JWKS_URL", options.JwksUrl?.OriginalString, options.JwksUrl?.OriginalString ?? "(discovered)");
        yield return Seconds("JWKS_CACHE_TTL", options.JwksCacheTtl);
        yield return new("TOKEN", null);
        yield return new("TOKEN_FILE", options.TokenFile);
        yield return new("TOKEN_COMMAND", null);
        yield return new("CLIENT_ID", options.ClientId);
        yield return new("CLIENT_SECRET", null);
        yield return new("CLIENT_SECRET_FILE", options.ClientSecretFile);
        yield return new("CLIENT_KEY_FILE", options.ClientKeyFile);
        yield return new("CLIENT_KEY_ID", options.ClientKeyId);
        yield return new("CLIENT_ASSERTION_FILE", options.ClientAssertionFile);
        yield return new("CLIENT_ASSERTION_AUDIENCE", options.ClientAssertionAudience);
        yield return new("RESOURCE", options.Resource);
        yield return new("SIGNED_IN", options.SignedIn, options.SignedIn is null ? "(for scripts)" : null);
        yield return new("RATE_LIMIT_ENABLED", options.RateLimitEnabled);
        yield return new("RATE_LIMIT_REQUESTS", options.RateLimitRequests);
        yield return Seconds("RATE_LIMIT_WINDOW", options.RateLimitWindow);
        yield return new("ALLOWED_ORIGINS", Json.Array(options.AllowedOrigins.Select(origin => origin.OriginalString)),
            options.AllowedOrigins.Count == 0 ? "(the first one used)" : string.Join(' ', options.AllowedOrigins));
        yield return new("REQUIRE_HTTPS", options.RequireHttps);
        yield return new("VALIDATE_SIGNATURE", options.ValidateSignature);
        yield return new("VALIDATE_EXP", options.ValidateLifetime);
        yield return new("VALIDATE_AUD", options.ValidateAudience);
        yield return new("VALIDATE_ISS", options.ValidateIssuer);
        yield return new("DEBUG", options.Debug);
    }

    private static Setting Seconds(string name, TimeSpan time) =>
        new(name, time.TotalSeconds, string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"));

    /// <param name="Name">Behind the prefix.</param>
    /// <param name="Value">Typed; null: not set, or not to be shown.</param>
    /// <param name="Text">For people, where that is another text than the value.</param>
    private sealed record Setting(string Name, JsonNode? Value, string? Text = null);
}
