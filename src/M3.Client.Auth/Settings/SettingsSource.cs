using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.EnvironmentVariables;

namespace M3.Client.Auth;

/// <summary>Where settings stand, and what each is called there: a flat name behind a prefix, or the option's own name in a section.</summary>
internal sealed class SettingsSource
{
    private readonly Func<string, string?> _find;
    private readonly Func<string, string> _nameOf;

    private SettingsSource(Func<string, string?> find, Func<string, string> nameOf, bool isSection)
    {
        _find = find;
        _nameOf = nameOf;
        IsSection = isSection;
    }

    /// <summary>Whether it is a section, where a duration may be written as .NET writes it.</summary>
    public bool IsSection { get; }

    /// <param name="find">A setting's value by its whole name.</param>
    /// <param name="prefix">What the names begin with.</param>
    public static SettingsSource Flat(Func<string, string?> find, string prefix) => new(name => find(prefix + name), name => prefix + name, isSection: false);

    /// <summary>This process's environment variables, as they are now.</summary>
    public static SettingsSource InEnvironment(string prefix)
    {
        var environment = new EnvironmentVariablesConfigurationProvider(prefix);
        environment.Load();
        // It keeps its names without the prefix.
        return Flat(name => environment.TryGet(name[prefix.Length..], out string? value) ? value : null, prefix);
    }

    public static SettingsSource In(IConfigurationSection section) => new(name => Read(section, SectionNames.Of(name)), name => $"{section.Path}:{SectionNames.Of(name)}", isSection: true);

    /// <summary>A setting's value, by M3's name for it without the prefix; null: it is not set here.</summary>
    public string? Find(string name) => _find(name);

    /// <summary>What the setting is called here.</summary>
    public string NameOf(string name) => _nameOf(name);

    // Scopes and origins may be a list.
    private static string? Read(IConfigurationSection section, string name) => section[name]
        ?? (section.GetSection(name).GetChildren().Select(child => child.Value).OfType<string>().ToArray() is { Length: > 0 } items ? string.Join(' ', items) : null);
}
