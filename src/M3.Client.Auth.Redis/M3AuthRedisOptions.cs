using System.Globalization;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace M3.Client.Auth;

/// <summary>What becomes of a budget when Redis has lost its data, and with them who holds which permits.</summary>
public enum DataLoss
{
    /// <summary>
    /// For <see cref="M3AuthRedisOptions.RecoveryTime"/> nothing is granted, and each process writes its own permits anew. Those of processes that have ended
    /// since are lost: so many calls M3 may refuse.
    /// </summary>
    Rewrite,

    /// <summary>Nothing is granted for a whole window: M3 refuses nothing.</summary>
    WaitWindow,
}

/// <summary>Where Redis is, and how <see cref="RedisSharedState"/> uses it. The defaults are exact, and do.</summary>
public sealed class M3AuthRedisOptions
{
    /// <summary>
    /// Where Redis is, as StackExchange.Redis has it: <c>redis.example.org:6380,ssl=true,password=...</c>; several hosts for a cluster, <c>serviceName=</c> for a
    /// Sentinel. Default null: the application's own <see cref="IConnectionMultiplexer"/> service. Secret where it has a password.
    /// </summary>
    public string? Configuration { get; set; }

    /// <summary>Default <c>m3</c>. What the keys begin with, in braces, so that all of them are in one slot of a cluster. Who shares has the same.</summary>
    public string KeyPrefix { get; set; } = "m3";

    /// <summary>
    /// Seals the tokens and the issuer's keys that are shared. Default null: the application's Data Protection, where it has one; without any only permits are shared.
    /// All machines have the same key ring and application name, and the ring lies anywhere but in this Redis: who can write there could add a key of their own.
    /// </summary>
    public IDataProtectionProvider? DataProtection { get; set; }

    /// <summary>
    /// Default 0: each call asks Redis for its permit. With more, a process takes so many permits beyond the one that a call needs, as long as nobody waits for them, and its
    /// next calls ask nobody; those that it does not use within a few seconds it gives back.
    /// </summary>
    public int ReserveAhead { get; set; }

    /// <summary>Default 2 s. No call waits longer than this for Redis; then it is taken for away until it answers again.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Default 2 min. A permit that is not heard of for so long is taken for answered: its process has died, and a window later it is free. A process that
    /// lives tells of its own in time.
    /// </summary>
    public TimeSpan LongestHold { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>Default <see cref="DataLoss.Rewrite"/>.</summary>
    public DataLoss OnDataLoss { get; set; }

    /// <summary>Default 5 s. How long processes have to write their permits anew where Redis has lost its data, and at the very first start.</summary>
    public TimeSpan RecoveryTime { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Sets <see cref="DataProtection"/> for a program without services: its keys lie in a folder, and are made there when there are none.</summary>
    /// <param name="folder">The folder, the same one for all. Whoever can read it can open what is shared, and whoever can write to it can seal.</param>
    /// <param name="applicationName">The same for all: <c>SetApplicationName</c> where a service is among them.</param>
    public void UseKeysIn(string folder, string applicationName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentException.ThrowIfNullOrWhiteSpace(applicationName);
        var services = new ServiceCollection();
        services.AddDataProtection().SetApplicationName(applicationName).PersistKeysToFileSystem(new DirectoryInfo(folder));
        // It has nothing to let go, and lasts as long as what it seals.
        DataProtection = services.BuildServiceProvider().GetRequiredService<IDataProtectionProvider>();
    }

    /// <summary>A copy that nobody changes any more.</summary>
    /// <exception cref="OptionsValidationException">A value is none that can be worked with; each failure names it.</exception>
    internal M3AuthRedisOptions ValidatedCopy()
    {
        List<string> failures = [];
        if (Configuration is not null)
            ValidateConfiguration(Configuration, failures);
        if (string.IsNullOrWhiteSpace(KeyPrefix) || KeyPrefix.AsSpan().ContainsAny('{', '}'))
            failures.Add($"{nameof(KeyPrefix)} must be a name without braces, but is {Printable.Quote(KeyPrefix)}");
        if (ReserveAhead is < 0 or > 10_000)
            failures.Add(string.Create(CultureInfo.InvariantCulture, $"{nameof(ReserveAhead)} must be from 0 to 10000, but is {ReserveAhead}"));
        if (!Enum.IsDefined(OnDataLoss))
            failures.Add(string.Create(CultureInfo.InvariantCulture, $"{nameof(OnDataLoss)} must be {nameof(DataLoss.Rewrite)} or {nameof(DataLoss.WaitWindow)}, but is {(int)OnDataLoss}"));
        Require(Timeout, nameof(Timeout), TimeSpan.FromMilliseconds(50), TimeSpan.FromMinutes(1), failures);
        Require(LongestHold, nameof(LongestHold), TimeSpan.FromSeconds(10), TimeSpan.FromHours(1), failures);
        Require(RecoveryTime, nameof(RecoveryTime), TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10), failures);
        return failures.Count == 0 ? (M3AuthRedisOptions)MemberwiseClone() : throw new OptionsValidationException("", typeof(M3AuthRedisOptions), failures);
    }

    /// <summary>How a connection of our own is made.</summary>
    internal ConfigurationOptions ToConfigurationOptions()
    {
        var parsed = ConfigurationOptions.Parse(Configuration!);
        // What cannot be asked now is refused now: a call that waits for a connection would find its window gone.
        (parsed.AbortOnConnectFail, parsed.BacklogPolicy) = (false, BacklogPolicy.FailFast);
        parsed.ReconnectRetryPolicy = new LinearRetry(500);
        parsed.AsyncTimeout = parsed.SyncTimeout = (int)Timeout.TotalMilliseconds;
        parsed.ConnectTimeout = Math.Min(parsed.ConnectTimeout, 2000);
        return parsed;
    }

    // The text may hold a password, and so may what its reader says of it.
    private static void ValidateConfiguration(string configuration, List<string> failures)
    {
        try
        {
            if (ConfigurationOptions.Parse(configuration).EndPoints.Count == 0)
                failures.Add($"{nameof(Configuration)} names no host: it is like 'redis.example.org:6380,ssl=true,password=...'");
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            failures.Add($"{nameof(Configuration)} cannot be read as StackExchange.Redis's: it is like 'redis.example.org:6380,ssl=true,password=...'");
        }
    }

    private static string Seconds(TimeSpan value) => string.Create(CultureInfo.InvariantCulture, $"{value.TotalSeconds:0.###} s");

    private static void Require(TimeSpan value, string name, TimeSpan least, TimeSpan most, List<string> failures)
    {
        if (value < least || value > most)
            failures.Add($"{name} must be from {Seconds(least)} to {Seconds(most)}, but is {Seconds(value)}");
    }
}
