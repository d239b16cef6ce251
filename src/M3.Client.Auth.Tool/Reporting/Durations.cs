using System.Globalization;

namespace M3.Client.Auth.Tool;

/// <summary>Times as people say them.</summary>
internal static class Durations
{
    public static string Describe(TimeSpan time) => Math.Abs(time.TotalSeconds) switch
    {
        < 120 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        < 7200 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} min"),
        < 172800 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalDays:0} days"),
    };
}
