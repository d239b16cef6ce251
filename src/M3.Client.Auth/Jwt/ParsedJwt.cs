using System.Buffers;
using System.Text;
using System.Text.Json;
using Duende.IdentityModel;
using Duende.IdentityModel.Jwk;

namespace M3.Client.Auth;

/// <summary>
/// A raw token made into what can be a JWT (RFC 7519, section 7.2), strictly: what two parsers could read in two ways is refused.
/// Nothing in it is to be believed before the signature is checked.
/// </summary>
internal sealed class ParsedJwt
{
    private const int MaxLength = 64 * 1024;
    private const string Scheme = "Bearer";

    private static readonly SearchValues<char> QuotationMarks = SearchValues.Create("\"'\u201c\u201d\u2018\u2019");

    private ParsedJwt(string value, byte[] signingInput, byte[] signature, JsonElement header, JsonElement payload)
    {
        Value = value;
        SigningInput = signingInput;
        Signature = signature;
        Payload = payload;
        Algorithm = StrictJson.ReadString(header, JwtClaimTypes.Algorithm);
        KeyId = StrictJson.ReadString(header, JsonWebKeyParameterNames.Kid);
        HasCriticalExtensions = header.TryGetProperty("crit", out _);
        HasUnencodedPayload = header.TryGetProperty("b64", out JsonElement b64) && b64.ValueKind != JsonValueKind.True;
    }

    /// <summary>The token as it goes behind <c>Bearer </c>.</summary>
    public readonly string Value;

    /// <summary>What the signature is over: the first two parts and the dot between (RFC 7515, section 5.2).</summary>
    public readonly byte[] SigningInput;

    public readonly byte[] Signature;

    public readonly JsonElement Payload;

    /// <summary><c>alg</c>; null when it is missing or no string.</summary>
    public readonly string? Algorithm;

    /// <summary><c>kid</c>; null when it is missing or no string.</summary>
    public readonly string? KeyId;

    /// <summary>Whether <c>crit</c> asks for extensions to be understood (RFC 7515, section 4.1.11). None is.</summary>
    public readonly bool HasCriticalExtensions;

    /// <summary>Whether <c>b64</c> says that the payload is not base64url (RFC 7797).</summary>
    public readonly bool HasUnencodedPayload;

    /// <summary>Trims, strips one <c>Bearer</c> with its white space, and refuses what cannot be a JWT.</summary>
    /// <exception cref="MissingTokenException">There is nothing but white space.</exception>
    /// <exception cref="InvalidTokenFormatException">It cannot be a JWT.</exception>
    public static ParsedJwt Parse(string? raw)
    {
        ReadOnlySpan<char> text = WithoutScheme(raw.AsSpan().Trim());
        if (text.IsEmpty)
            throw new MissingTokenException();
        if (text.Length > MaxLength)
            throw new InvalidTokenFormatException($"it is longer than {MaxLength} characters");

        int first = text.IndexOf('.');
        int second = first < 0 ? -1 : first + 1 + text[(first + 1)..].IndexOf('.');
        if (first < 0 || second <= first || text[(second + 1)..].Contains('.'))
            throw NotThreeParts(text);

        byte[] header = Decode(text[..first], "header");
        byte[] payload = Decode(text[(first + 1)..second], "payload");
        byte[] signature = Decode(text[(second + 1)..], "signature");
        byte[] signingInput = Encoding.ASCII.GetBytes(text[..second].ToString());

        return new ParsedJwt(text.Length == raw!.Length ? raw : text.ToString(), signingInput, signature,
            StrictJson.TryParseObject(header) ?? throw new InvalidTokenFormatException("its header is not a JSON object"),
            StrictJson.TryParseObject(payload) ?? throw new InvalidTokenFormatException("its payload is not a JSON object"));
    }

    private static ReadOnlySpan<char> WithoutScheme(ReadOnlySpan<char> text)
    {
        if (!text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return text;
        ReadOnlySpan<char> rest = text[Scheme.Length..];
        return rest.IsEmpty || char.IsWhiteSpace(rest[0]) ? rest.TrimStart() : text;
    }

    private static InvalidTokenFormatException NotThreeParts(ReadOnlySpan<char> text)
    {
        string hint = OpaqueTokenHint.For(text);
        if (WhyOddCharacters(text) is { } why)
            return new InvalidTokenFormatException(why + (text[0] == '{' ? hint : ""));
        int parts = text.Count('.') + 1;
        return new InvalidTokenFormatException(parts switch
        {
            1 => "it has no dots, so it is an opaque token or no token at all, not a JWT" + hint,
            5 => "it has five parts: it is encrypted (JWE), and only signed tokens can be checked (Auth0 issues such tokens when no audience was asked for)",
            _ => $"it has {parts} parts, and a JWT has three{hint}",
        });
    }

    // The usual accidents of copying.
    private static string? WhyOddCharacters(ReadOnlySpan<char> text) =>
        text.ContainsAny('\r', '\n') ? "it has a line break inside"
        : text.ContainsAny(' ', '\t') ? "it has white space inside"
        : text.ContainsAny(QuotationMarks) ? "it has quotation marks in it"
        : null;

    // The last character of a part can carry bits that decode to nothing; set, they would be a second spelling of the same token,
    // and are refused by the decoder (RFC 4648, section 3.5).
    private static byte[] Decode(ReadOnlySpan<char> part, string name) =>
        StrictBase64Url.TryDecode(part)
        ?? throw new InvalidTokenFormatException(WhyOddCharacters(part) ?? $"its {name} is not base64url");
}
