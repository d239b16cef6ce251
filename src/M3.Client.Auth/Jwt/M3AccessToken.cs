using System.Diagnostics;
using System.Net.Http.Headers;
using System.Runtime.Serialization;
using System.Text.Json.Serialization;

namespace M3.Client.Auth;

/// <summary>
/// A validated access token and what it says. <see cref="Value"/> is the secret: it is not shown by <see cref="ToString"/>, in a
/// debugger or by System.Text.Json. Whatever reads public properties by reflection sees it; log the token as <c>{Token}</c> and
/// never, with Serilog, as <c>{@Token}</c> (SECURITY.md says how to make that safe, too).
/// </summary>
[DebuggerDisplay("{ToString(),nq}")]
public sealed class M3AccessToken : IFormattable
{
    // Apart from their properties, so that the validator's constructor sets them without a method for each.
    private readonly string? _issuer;
    private readonly string? _subject;
    private readonly IReadOnlyList<string> _audiences = [];
    private readonly IReadOnlyList<string> _scopes = [];
    private readonly DateTimeOffset? _issuedAt;
    private readonly DateTimeOffset _expiresAt = DateTimeOffset.MaxValue;
    private readonly string? _keyId;
    private readonly string? _algorithm;

    /// <summary>Makes a token without validating it, for a provider of your own and for tests; what else it says is set behind it in braces.</summary>
    /// <param name="value">The token as it goes behind <c>Bearer </c>.</param>
    /// <exception cref="ArgumentException"><paramref name="value"/> is not one word of visible ASCII, and could not stand in a header.</exception>
    public M3AccessToken(string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(value);
        if (value.AsSpan().ContainsAnyExceptInRange('!', '~'))
            throw new ArgumentException("A token is one word of visible ASCII characters.", nameof(value));

        Value = value;
        Header = new AttachedHeader(this);
    }

    /// <summary>Makes a token without validating it, with all that it says.</summary>
    /// <param name="value">The token as it goes behind <c>Bearer </c>.</param>
    /// <param name="expiresAt">When it expires; null: never.</param>
    /// <param name="issuer"><c>iss</c>.</param>
    /// <param name="subject"><c>sub</c>; M3 counts its rate limit by it.</param>
    /// <param name="audiences"><c>aud</c>.</param>
    /// <param name="scopes">The union of <c>scope</c> and <c>scp</c>.</param>
    /// <param name="issuedAt"><c>iat</c>.</param>
    /// <param name="keyId">The header's <c>kid</c>.</param>
    /// <param name="algorithm">The header's <c>alg</c>.</param>
    /// <exception cref="ArgumentException"><paramref name="value"/> is not one word of visible ASCII, and could not stand in a header.</exception>
    public M3AccessToken(string value, DateTimeOffset? expiresAt = null, string? issuer = null, string? subject = null,
        IEnumerable<string>? audiences = null, IEnumerable<string>? scopes = null, DateTimeOffset? issuedAt = null,
        string? keyId = null, string? algorithm = null)
        : this(value)
    {
        _expiresAt = expiresAt ?? DateTimeOffset.MaxValue;
        _issuer = issuer;
        _subject = subject;
        _audiences = [.. audiences ?? []];
        _scopes = [.. scopes ?? []];
        _issuedAt = issuedAt;
        _keyId = keyId;
        _algorithm = algorithm;
    }

    /// <summary>The token as it goes behind <c>Bearer </c>: a secret.</summary>
    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string Value { get; }

    /// <summary><c>iss</c>.</summary>
    public string? Issuer
    {
        get => _issuer;
        init => _issuer = value;
    }

    /// <summary><c>sub</c>; M3 counts its rate limit by it.</summary>
    public string? Subject
    {
        get => _subject;
        init => _subject = value;
    }

    /// <summary><c>aud</c>, a single one or several.</summary>
    public IReadOnlyList<string> Audiences
    {
        get => _audiences;
        init => _audiences = value;
    }

    /// <summary>The union of <c>scope</c> and <c>scp</c>.</summary>
    public IReadOnlyList<string> Scopes
    {
        get => _scopes;
        init => _scopes = value;
    }

    /// <summary><c>iat</c>, when the token says it.</summary>
    public DateTimeOffset? IssuedAt
    {
        get => _issuedAt;
        init => _issuedAt = value;
    }

    /// <summary><c>exp</c>; <see cref="DateTimeOffset.MaxValue"/> when it never expires.</summary>
    public DateTimeOffset ExpiresAt
    {
        get => _expiresAt;
        init => _expiresAt = value;
    }

    /// <summary>The header's <c>kid</c>.</summary>
    public string? KeyId
    {
        get => _keyId;
        init => _keyId = value;
    }

    /// <summary>The header's <c>alg</c>.</summary>
    public string? Algorithm
    {
        get => _algorithm;
        init => _algorithm = value;
    }

    /// <summary>The finished header, made once.</summary>
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    internal AuthenticationHeaderValue Header { get; }

    /// <summary>The only place that it may be sent to, whatever else is allowed; null: there is no such rule. Set before anybody else has the token.</summary>
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    internal Origin? OnlyFor;

    /// <summary>Whose token it is and how long it lasts; never the token.</summary>
    public override string ToString() =>
        $"M3AccessToken {{ Subject = {Printable.Quote(Subject)}, Issuer = {Printable.Quote(Issuer)}, ExpiresAt = {ExpiresAt:u} }}";

    // Loggers such as NLog take apart whatever cannot be formatted.
    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();
}
