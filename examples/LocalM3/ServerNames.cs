namespace LocalM3;

/// <summary>What M3, and what its successor M4, calls things.</summary>
/// <param name="Server">Itself.</param>
/// <param name="SettingsPrefix">What its OAuth2 variables begin with.</param>
/// <param name="UrlVariable">The variable that tells a client where it is.</param>
/// <param name="QueryTool">The tool that runs a query.</param>
/// <param name="Refusal">What stands before the reason when a tool refuses a token.</param>
/// <param name="ScopeRefusal">The same before a missing scope, which M4 finds at another place of its code.</param>
internal sealed record ServerNames(
    string Server, string SettingsPrefix, string UrlVariable, string QueryTool, string Refusal, string ScopeRefusal)
{
    public static readonly ServerNames M3 = new(
        "M3", "M3_OAUTH2_", M3Url.Variable, "execute_mimic_query", "Error: OAuth2 authentication failed: ", "Error: OAuth2 authentication failed: ");

    public static readonly ServerNames M4 = new(
        "M4", "M4_OAUTH2_", "M4_URL", "execute_query", "Error: ", "Error: Token validation failed: ");
}
