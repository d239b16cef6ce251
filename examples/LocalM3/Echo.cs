namespace LocalM3;

/// <summary>What may be said back of what somebody typed: it can be a token, pasted into the wrong place.</summary>
public static class Echo
{
    // An option's name or a slip in a value is short; tokens and secrets are not.
    private const int MostShown = 20;

    /// <summary>The value in quotation marks; where it may be a secret, only its length.</summary>
    public static string Quote(string? value) => string.IsNullOrEmpty(value) ? "''"
        : value.Length < MostShown || IsHarmlessUrl(value) ? $"'{value}'"
        : $"{value.Length} characters (not shown: they may be a token)";

    /// <summary>What to say of an argument that is not understood.</summary>
    public static string Unknown(string argument) => argument.StartsWith("--", StringComparison.Ordinal) && argument.Length < MostShown
        ? $"Unknown option '{argument}'."
        : "An argument that is no option.";

    private static bool IsHarmlessUrl(string value) => Uri.TryCreate(value, UriKind.Absolute, out Uri? url)
        && url is { UserInfo: "", Query: "", Fragment: "" } && value.Length < 100 && !value.Contains("eyJ", StringComparison.Ordinal);
}
