using System.Diagnostics;
using System.Runtime.Serialization;
using System.Text.Json.Serialization;

namespace M3.Client.Auth;

/// <summary>
/// What to show a person who is to sign in on another device (RFC 8628, section 3.3). Whoever else learns the code could be given the
/// person's sign-in, or give the person theirs: show it to nobody else; <see cref="ToString"/> does not show it.
/// </summary>
[DebuggerDisplay("{ToString(),nq}")]
public sealed class DeviceCodePrompt : IFormattable
{
    /// <summary>Makes a prompt, for a test of what shows it.</summary>
    /// <param name="userCode">What the person types.</param>
    /// <param name="verificationUri">Where.</param>
    /// <param name="verificationUriComplete">The same with the code in it, for a QR code; null: there is none.</param>
    /// <param name="expiresAt">Until when.</param>
    public DeviceCodePrompt(string userCode, Uri verificationUri, Uri? verificationUriComplete, DateTimeOffset expiresAt)
    {
        ArgumentException.ThrowIfNullOrEmpty(userCode);
        ArgumentNullException.ThrowIfNull(verificationUri);
        (UserCode, VerificationUri, VerificationUriComplete, ExpiresAt) = (userCode, verificationUri, verificationUriComplete, expiresAt);
    }

    /// <summary>What the person types at <see cref="VerificationUri"/>: one line, safe to print.</summary>
    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string UserCode { get; }

    /// <summary>Where the person signs in, in any browser.</summary>
    public Uri VerificationUri { get; }

    /// <summary>The same with the code in it, for a link or a QR code; null where the issuer has none.</summary>
    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public Uri? VerificationUriComplete { get; }

    /// <summary>When the code is of no use any more.</summary>
    public DateTimeOffset ExpiresAt { get; }

    /// <summary>Where to sign in and until when; never the code.</summary>
    public override string ToString() => $"DeviceCodePrompt {{ VerificationUri = {Backchannel.Describe(VerificationUri)}, ExpiresAt = {ExpiresAt:u} }}";

    // Loggers such as NLog take apart whatever cannot be formatted.
    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();
}
