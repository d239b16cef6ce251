using System.Security.Cryptography;

namespace LocalM3;

/// <summary>A device that asked to be signed in, and waits for a person (RFC 8628).</summary>
/// <param name="scopes">What it asked for.</param>
/// <param name="audiences">For whom its token will be.</param>
/// <param name="expires">When its codes do.</param>
/// <param name="interval">How long it must wait between two polls.</param>
internal sealed class DeviceSignIn(IReadOnlyList<string> scopes, IReadOnlyList<string> audiences, DateTimeOffset expires, TimeSpan interval)
{
    // RFC 8628, section 6.1: no vowels, so no words, and nothing that looks like something else.
    private const string Letters = "BCDFGHJKLMNPQRSTVWXZ";

    public string DeviceCode { get; } = SignIns.RandomText();

    public string UserCode { get; } = $"{RandomNumberGenerator.GetString(Letters, 4)}-{RandomNumberGenerator.GetString(Letters, 4)}";

    public IReadOnlyList<string> Scopes => scopes;

    public IReadOnlyList<string> Audiences => audiences;

    public DateTimeOffset Expires => expires;

    /// <summary>Grows by 5 seconds with each <c>slow_down</c>.</summary>
    public TimeSpan Interval { get; set; } = interval;

    public long? PolledAt { get; set; }

    /// <summary>Who allowed it; null: nobody yet.</summary>
    public string? Person { get; set; }

    public bool IsDenied { get; set; }
}
