using System.Globalization;

namespace M3.Client.Auth;

/// <summary>What becomes of a budget when Redis has lost its data, and with them who holds which permits.</summary>
public enum DataLoss
{
    /// <summary>
    /// For <see cref="RedisSharedStateOptions.RecoveryTime"/> nothing is granted, and each process writes its own permits anew. Those of processes that have ended
    /// since are lost: so many calls M3 may refuse.
    /// </summary>
    Rewrite,

    /// <summary>Nothing is granted for a whole window: M3 refuses nothing.</summary>
    WaitWindow,
}

/// <summary>How <see cref="RedisSharedState"/> uses Redis. The defaults are exact, and do.</summary>
public sealed class RedisSharedStateOptions
{
    /// <summary>Default <c>m3</c>. What the keys begin with, in braces, so that all of them are in one slot of a cluster. Who shares a budget has the same.</summary>
    public string KeyPrefix { get; set; } = "m3";

    /// <summary>
    /// Default 0: each call asks Redis for its permit. With more, a process takes so many permits beyond the one that a call needs, and its next calls ask nobody; those
    /// that it does not use within a few seconds it gives back.
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

    /// <exception cref="ArgumentException">A value is none that can be worked with; the message names it.</exception>
    internal RedisSharedStateOptions Validate()
    {
        if (string.IsNullOrWhiteSpace(KeyPrefix) || KeyPrefix.AsSpan().ContainsAny('{', '}'))
            throw new ArgumentException($"{nameof(KeyPrefix)} must be a name without braces, but is {Printable.Quote(KeyPrefix)}.");
        if (ReserveAhead is < 0 or > 10_000)
            throw new ArgumentException($"{nameof(ReserveAhead)} must be from 0 to 10,000, but is {ReserveAhead}.");
        Require(Timeout, nameof(Timeout), TimeSpan.FromMilliseconds(50), TimeSpan.FromMinutes(1));
        Require(LongestHold, nameof(LongestHold), TimeSpan.FromSeconds(10), TimeSpan.FromHours(1));
        Require(RecoveryTime, nameof(RecoveryTime), TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
        return this;
    }

    private static string Seconds(TimeSpan value) => string.Create(CultureInfo.InvariantCulture, $"{value.TotalSeconds:0.###} s");

    private static void Require(TimeSpan value, string name, TimeSpan least, TimeSpan most)
    {
        if (value < least || value > most)
            throw new ArgumentException($"{name} must be from {Seconds(least)} to {Seconds(most)}, but is {Seconds(value)}.");
    }
}
