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

    /// <summary>How long the access token lives in all, as it says itself; of one that does not say, as long as any.</summary>
    [JsonIgnore]
    public TimeSpan Lifetime => AccessTokenExpiresAt is { } end && ReadClaims(AccessToken)?.IssuedAt.Value is { } begin && end > begin ? end - begin : TimeSpan.MaxValue;

    /// <summary>What a person types to sign in so again.</summary>
    public string LoginCommand
    {
        get
        {
            // The server itself says what its address stands for.
            string? address = OnlyFor is null ? null : Uri.TryCreate(Resource, UriKind.Absolute, out Uri? resource) && Origin.Same(resource, OnlyFor) ? Resource : OnlyFor.AbsoluteUri;
            IEnumerable<(string? Option, string? Value)> words = address is null
                ? [("--issuer", IssuerUrl), ("--audience", Audience), ("--client-id", ClientId), .. Scopes.Select(scope => ("--scope", scope)), ("--resource", Resource)]
                : [(null, address), ("--audience", Audience == address ? null : Audience), ("--client-id", ClientId), ("--resource", Resource == address ? null : Resource)];
            return string.Join(' ', (string[])["m3-token login", .. words.Where(word => word.Value is not null).Select(word => $"{word.Option} {Argument(word.Value!)}".TrimStart())]);
        }
    }

    /// <summary>The same sign-in with another access token, which tells its expiry itself.</summary>
    public SignIn With(string accessToken)
    {
        JwtClaims? claims = ReadClaims(accessToken);
        return this with { AccessToken = accessToken, AccessTokenExpiresAt = claims?.Expires.Value, Subject = Subject ?? claims?.Subject };
    }

    /// <summary>Whose sign-in it is and what for; never a token.</summary>
    public override string ToString() =>
        $"SignIn {{ IssuerUrl = {Printable.Quote(IssuerUrl)}, ClientId = {Printable.Quote(ClientId)}, Audience = {Printable.Quote(Audience)}, Subject = {Printable.Quote(Subject)} }}";

    /// <summary>A value as a shell takes it for one word, whole: what is cut off is another value.</summary>
    public static string Argument(string value)
    {
        string text = Printable.Text(value, int.MaxValue);
        return text.All(c => char.IsAsciiLetterOrDigit(c) || ":/.-_~@,".Contains(c, StringComparison.Ordinal)) ? text : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    // Loggers such as NLog take apart whatever cannot be formatted.
    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => ToString();

    // Not to be believed: it is checked like any other before it is sent.
    private static JwtClaims? ReadClaims(string? token)
    {
        try
        {
            return token is null ? null : new JwtClaims(ParsedJwt.Parse(token).Payload);
        }
        catch (M3AuthException)
        {
            return null;
        }
    }
}
