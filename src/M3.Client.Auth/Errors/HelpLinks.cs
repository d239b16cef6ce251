using System.Reflection;

namespace M3.Client.Auth;

/// <summary>Absolute addresses of TROUBLESHOOTING.md's sections: whoever has the package alone has no such file.</summary>
internal static class HelpLinks
{
    public const string Settings = "settings";

    /// <summary>The page. Its beginning the build writes into the assembly: the project's RepositoryUrl.</summary>
    public static readonly string Page = typeof(HelpLinks).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RepositoryUrl").Value + "/blob/main/TROUBLESHOOTING.md";

    public static string To(string section) => $"{Page}#{section}";
}
