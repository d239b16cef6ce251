using System.Globalization;

namespace M3.Client.Auth;

/// <summary>A length of time as a reader says it: <c>42 s</c>, <c>3 min</c>, <c>2.5 h</c>.</summary>
internal static class Duration
{
    public static string Describe(TimeSpan time) => Math.Abs(time.TotalSeconds) switch
    {
        < 120 => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalSeconds):0} s"),
        < 7200 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMinutes:0} min"),
        < 172800 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.#} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{time.TotalDays:0} days"),
    };
}
