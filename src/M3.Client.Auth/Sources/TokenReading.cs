using System.Diagnostics;
using System.Runtime.Serialization;
using System.Text.Json.Serialization;

namespace M3.Client.Auth;

/// <summary>A raw token and the source that it came from. <see cref="Token"/> is the secret, and is not shown by <see cref="ToString"/>.</summary>
/// <param name="token">The token as the source returned it.</param>
/// <param name="source">The source itself, not a chain around it.</param>
[DebuggerDisplay("{ToString(),nq}")]
public sealed class TokenReading(string token, ITokenSource source) : IFormattable
{
    /// <summary>The token as the source returned it, not validated yet: a secret.</summary>
    [JsonIgnore]
    [IgnoreDataMember]
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string Token { get; } = token;

    /// <summary>Whose token it is.</summary>
    [JsonIgnore]
    public ITokenSource Source { get; } = source;

    /// <summary>The only place that the token may go to; null: wherever the registration's may.</summary>
    internal Uri? OnlyFor { get; init; }

    /// <summary>The source's name; never the token.</summary>
    public override string ToString() => $"TokenReading {{ Source = {Source.DescribeSource()} }}";

    /// <summary>Null when the source has no token.</summary>
    internal static TokenReading? Of(string? token, ITokenSource source) => string.IsNullOrWhiteSpace(token) ? null : new TokenReading(token, source);

    // Loggers such as NLog take apart whatever cannot be formatted.
    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();
}
