using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;

namespace M3.Client.Auth;

/// <summary>Says when the configuration of a running registration changes, since only its tokens follow.</summary>
internal sealed class SettingsWatch : IDisposable
{
    // A secret is among what is compared.
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    private readonly M3AuthOptions _options;
    private readonly Log _log;
    private readonly List<IDisposable> _subscriptions = [];
    private string _told = "";

    /// <param name="options">As they were read at first, with what they were read from.</param>
    /// <param name="log">Told.</param>
    public SettingsWatch(M3AuthOptions options, Log log)
    {
        _options = options;
        _log = log;
        // The section may be of another configuration.
        IConfiguration?[] watched = [options.Configuration, options.Section];
        foreach (IConfiguration configuration in watched.OfType<IConfiguration>().Distinct())
            _subscriptions.Add(ChangeToken.OnChange(configuration.GetReloadToken, Compare));
        // It may have changed between the start and the first call.
        if (_subscriptions.Count > 0)
            Compare();
    }

    /// <summary>What the configuration says now, by the settings' names there: enough to notice a change by, and nothing to read.</summary>
    public static IReadOnlyDictionary<string, string?> Read(M3AuthOptions options)
    {
        Dictionary<string, string?> values = new(StringComparer.Ordinal);
        foreach (SettingsSource source in Sources(options))
        {
            foreach (string name in SectionNames.All)
                values[source.NameOf(name)] = Fingerprint(source.Find(name));
        }

        return values;
    }

    public void Dispose()
    {
        foreach (IDisposable subscription in _subscriptions)
            subscription.Dispose();
    }

    private static string? Fingerprint(string? value) => value is null ? null : Convert.ToHexString(HMACSHA256.HashData(Key, Encoding.UTF8.GetBytes(value)));

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
