using System.Diagnostics;
using System.Runtime.Serialization;
using System.Text.Json.Serialization;

namespace M3.Client.Auth;

/// <summary>A person's sign-in as it is kept for this user of the machine. Its tokens are secrets, and not shown by <see cref="ToString"/>.</summary>
[DebuggerDisplay("{ToString(),nq}")]
internal sealed record SignIn : IFormattable
{
    /// <summary>The issuer, character by character as in its tokens' <c>iss</c>.</summary>
    public required string IssuerUrl { get; init; }

    public required string ClientId { get; init; }

    public required string Audience { get; init; }

    /// <summary>What was asked for.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>The resource indicator (RFC 8707), sent with each refresh, too.</summary>
    public string? Resource { get; init; }

    /// <summary>The origin whose metadata the sign-in was discovered from: its token goes nowhere else. Null: the user named the issuer.</summary>
    public Uri? OnlyFor { get; init; }

    public string? Subject { get; init; }

    public required DateTimeOffset SignedInAt { get; init; }

    /// <summary>The JWT for M3; null: none was had yet.</summary>
    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string? AccessToken { get; init; }

    public DateTimeOffset? AccessTokenExpiresAt { get; init; }

    /// <summary>Null: none was given, or the issuer refused it.</summary>
    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string? RefreshToken { get; init; }

    /// <summary>Whose sign-in it is and what for; never a token.</summary>
    public override string ToString() =>
        $"SignIn {{ IssuerUrl = {Printable.Quote(IssuerUrl)}, ClientId = {Printable.Quote(ClientId)}, Audience = {Printable.Quote(Audience)}, Subject = {Printable.Quote(Subject)} }}";

    // Loggers such as NLog take apart whatever cannot be formatted.
    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();
}
