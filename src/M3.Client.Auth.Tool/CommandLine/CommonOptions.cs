using System.CommandLine;

namespace M3.Client.Auth.Tool;

/// <summary>The options that every command has.</summary>
internal static class CommonOptions
{
    public static Option<string> Prefix { get; } = new("--prefix")
    {
        Description = "What the settings' names begin with",
        HelpName = "PREFIX",
        DefaultValueFactory = _ => "M3_OAUTH2_",
        CompletionSources = { "M3_OAUTH2_", "M4_OAUTH2_" },
        Recursive = true,
    };

    public static Option<bool> Json { get; } = new("--json") { Description = "JSON, for programs; errors of usage, too", Arity = ArgumentArity.Zero, Recursive = true };

    public static Option<bool> Plain { get; } = new("--plain") { Description = "Plain text even on a terminal", Arity = ArgumentArity.Zero, Recursive = true };

    public static void AddTo(RootCommand root)
    {
        root.Options.Add(Prefix);
        root.Options.Add(Json);
        root.Options.Add(Plain);
    }
}
