using System.Text.Json;

namespace M3.Client.Auth;

/// <summary>
/// Seconds since 1970 (RFC 7519, section 2): any JSON number, so <c>1.8e9</c> and <c>1.5</c> too; whole seconds count, as in M3.
/// </summary>
internal readonly struct NumericDate(bool isPresent, DateTimeOffset? value)
{
    /// <summary>Whether the claim is there at all.</summary>
    public readonly bool IsPresent = isPresent;

    /// <summary>The date; null when the claim is missing or is no date, such as <c>1e999</c>, which would never come.</summary>
    public readonly DateTimeOffset? Value = value;

    public static NumericDate Read(JsonElement payload, string name)
    {
        if (!payload.TryGetProperty(name, out JsonElement claim))
            return default;
        if (claim.ValueKind != JsonValueKind.Number || !claim.TryGetDouble(out double seconds) || !double.IsFinite(seconds))
            return new(true, null);

        seconds = Math.Floor(seconds);
        return seconds >= DateTimeOffset.MinValue.ToUnixTimeSeconds() && seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? new(true, DateTimeOffset.FromUnixTimeSeconds((long)seconds))
            : new(true, null);
    }
}
