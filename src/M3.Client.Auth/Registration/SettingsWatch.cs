using Microsoft.Extensions.Primitives;

namespace M3.Client.Auth;

/// <summary>Says when the configuration of a running registration changes, since only its tokens follow.</summary>
internal sealed class SettingsWatch : IDisposable
{
    private readonly M3AuthOptions _options;
    private readonly Log _log;
    private readonly IDisposable? _subscription;
    private string _told = "";

    /// <param name="options">As they were read at first, with what they were read from.</param>
    /// <param name="log">Told.</param>
    public SettingsWatch(M3AuthOptions options, Log log)
    {
        _options = options;
        _log = log;
        if ((options.Configuration ?? options.Section) is not { } configuration)
            return;
        _subscription = ChangeToken.OnChange(configuration.GetReloadToken, Compare);
        // It may have changed between the start and the first call.
        Compare();
    }

    /// <summary>What the configuration says now, by the settings' names there.</summary>
    public static IReadOnlyDictionary<string, string?> Read(M3AuthOptions options)
    {
        Dictionary<string, string?> values = new(StringComparer.Ordinal);
        foreach (SettingsSource source in Sources(options))
        {
            foreach (string name in SectionNames.All)
                values[source.NameOf(name)] = source.Find(name);
        }

        return values;
    }

    public void Dispose() => _subscription?.Dispose();

    private static IEnumerable<SettingsSource> Sources(M3AuthOptions options)
    {
        if (options.Configuration is { } configuration)
            yield return SettingsSource.Flat(name => configuration[name], options.Prefix);
        if (options.Section is { } section)
            yield return SettingsSource.In(section);
    }

    private void Compare()
    {
        IReadOnlyDictionary<string, string?> now = Read(_options);
        string changed = string.Join(", ", _options.AtStart!.Where(setting => now[setting.Key] != setting.Value).Select(setting => setting.Key));
        // A file that is written once may be noticed twice.
        if (Interlocked.Exchange(ref _told, changed) != changed && changed.Length > 0)
            _log.SettingsChanged(changed);
    }
}
