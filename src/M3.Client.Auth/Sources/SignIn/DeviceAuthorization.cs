using System.Diagnostics;
using System.Runtime.Serialization;
using System.Text.Json.Serialization;

namespace M3.Client.Auth;

/// <summary>What an issuer answers who asks for a device code (RFC 8628, section 3.2). The codes are secrets, and not shown by <see cref="ToString"/>.</summary>
/// <param name="deviceCode">What the token is asked for with.</param>
/// <param name="userCode">What the person types.</param>
/// <param name="verificationUri">Where.</param>
/// <param name="verificationUriComplete">The same with the code in it; null: there is none.</param>
/// <param name="expiresAt">When the code is of no use any more, to be shown.</param>
/// <param name="lifetime">How long it is of use.</param>
/// <param name="receivedAt">Since when, by the monotonic clock.</param>
/// <param name="interval">How long to wait between two requests for the token.</param>
/// <param name="resource">The resource (RFC 8707) that was asked for, and is to be named again with the code; null: none.</param>
[DebuggerDisplay("{ToString(),nq}")]
internal sealed class DeviceAuthorization(string deviceCode, string userCode, Uri verificationUri, Uri? verificationUriComplete, DateTimeOffset expiresAt, TimeSpan lifetime, long receivedAt, TimeSpan interval, string? resource) : IFormattable
{
    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string DeviceCode { get; } = deviceCode;

    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string UserCode { get; } = userCode;

    public Uri VerificationUri { get; } = verificationUri;

    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public Uri? VerificationUriComplete { get; } = verificationUriComplete;

    public DateTimeOffset ExpiresAt { get; } = expiresAt;

    public TimeSpan Lifetime { get; } = lifetime;

    public long ReceivedAt { get; } = receivedAt;

    public TimeSpan Interval { get; } = interval;

    public string? Resource { get; } = resource;

    /// <summary>Where to sign in and until when; never a code.</summary>
    public override string ToString() => $"DeviceAuthorization {{ VerificationUri = {Backchannel.Describe(VerificationUri)}, ExpiresAt = {ExpiresAt:u} }}";

    // Loggers such as NLog take apart whatever cannot be formatted.
    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();
}
