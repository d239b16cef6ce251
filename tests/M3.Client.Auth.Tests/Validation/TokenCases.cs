using System.Globalization;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Validation;

/// <summary>One token, as a user would supply it, and the verdict that M3's documented rules give.</summary>
internal sealed record TokenCase(string Name, Func<FakeIssuer, string?> Make, M3AuthError? Verdict)
{
    public override string ToString() => Name;
}

/// <summary>Every accepted shape and every error.</summary>
internal static class TokenCases
{
    private static readonly DateTimeOffset Now = ClientFixture.Noon;
    private static readonly long Seconds = Now.ToUnixTimeSeconds();

    public static IEnumerable<TokenCase> All => [.. Accepted, .. Missing, .. Malformed, .. BadlySigned, .. OutOfTime, .. ForOthers, .. OddlyNamed, .. WithoutScopes];

    private static IEnumerable<TokenCase> Accepted =>
    [
        Raw("plain", token => token),
        Raw("Bearer in front", token => "Bearer " + token),
        Raw("bearer in lower case", token => "bearer " + token),
        Raw("BEARER in upper case", token => "BEARER " + token),
        Raw("Bearer and a tab", token => "Bearer\t" + token),
        Raw("Bearer and many spaces", token => "Bearer     " + token),
        Raw("spaces around", token => "   " + token + "   "),
        Raw("a line break at the end", token => token + "\n"),
        Raw("a Windows line break at the end", token => token + "\r\n"),
        Raw("spaces, Bearer, spaces, a line break", token => "  Bearer  " + token + " \n"),
        Raw("a no-break space around", token => "\u00a0" + token + "\u00a0"),
        new("ES256", issuer => issuer.Token(Now, algorithm: "ES256"), null),
        Header("no typ", header => header.Remove("typ")),
        Header("typ JWT", header => header["typ"] = "JWT"),
        Header("typ application/at+jwt in another case", header => header["typ"] = "Application/AT+JWT"),
        Header("other header members", header => (header["x5t"], header["cty"]) = ("abc", "json")),
        Claims("aud as a string", payload => payload["aud"] = ClientFixture.Audience),
        Claims("aud as an array of one", payload => payload["aud"] = new JsonArray(ClientFixture.Audience)),
        Claims("aud among others, as Auth0", payload => payload["aud"] = new JsonArray("https://x.auth0.com/userinfo", ClientFixture.Audience)),
        Claims("scope among others", payload => payload["scope"] = "openid read:mimic-data profile"),
        Claims("scope with commas", payload => payload["scope"] = "openid,read:mimic-data,profile"),
        Claims("scope with commas and spaces", payload => payload["scope"] = "openid, read:mimic-data"),
        Claims("scope as an array", payload => payload["scope"] = new JsonArray("openid", "read:mimic-data")),
        Claims("scp as a string, as Entra ID", payload => Move(payload, "scope", "scp", "openid read:mimic-data")),
        Claims("scp as an array, as Okta", payload => Move(payload, "scope", "scp", new JsonArray("openid", "read:mimic-data"))),
        Claims("scp with commas", payload => Move(payload, "scope", "scp", "a,read:mimic-data")),
        Claims("scp has what scope lacks", payload => (payload["scope"], payload["scp"]) = ("openid", "read:mimic-data")),
        Claims("scope has what scp lacks", payload => (payload["scope"], payload["scp"]) = ("read:mimic-data", new JsonArray("openid"))),
        Claims("exp with a fraction", payload => payload["exp"] = Seconds + 60.5),
        Json("exp in exponent form", $$"""{"iss":"{{FakeIssuer.Url}}","aud":"m3-api","scope":"read:mimic-data","exp":1.9e9}"""),
        Claims("exp one second from now", payload => payload["exp"] = Seconds + 1),
        Claims("exp in the year 9999", payload => payload["exp"] = DateTimeOffset.MaxValue.ToUnixTimeSeconds()),
        Claims("no iat", payload => payload.Remove("iat")),
        Claims("iat a minute ahead: clocks differ", payload => payload["iat"] = Seconds + 60),
        Claims("iat long ago", payload => payload["iat"] = 0),
        Claims("nbf now", payload => payload["nbf"] = Seconds),
        Claims("nbf a minute ahead: clocks differ", payload => payload["nbf"] = Seconds + 60),
        Claims("nbf with a fraction", payload => payload["nbf"] = Seconds + 0.5),
        Claims("no sub", payload => payload.Remove("sub")),
        Claims("an empty sub", payload => payload["sub"] = ""),
        Claims("jti as a string", payload => payload["jti"] = "1"),
        Claims("other claims of every kind", payload => (payload["a"], payload["b"], payload["c"], payload["d"]) = (1, new JsonObject { ["e"] = true }, null, new JsonArray(1, "x"))),
        Claims("letters of every alphabet", payload => payload["name"] = "Ünïcödé 患者 \U0001F600"),
    ];

    private static IEnumerable<TokenCase> Missing =>
    [
        new("null", _ => null, M3AuthError.MissingToken),
        new("empty", _ => "", M3AuthError.MissingToken),
        new("spaces", _ => "   ", M3AuthError.MissingToken),
        new("line breaks", _ => "\r\n\t", M3AuthError.MissingToken),
        new("Bearer alone", _ => "Bearer", M3AuthError.MissingToken),
        new("Bearer and spaces", _ => "Bearer   ", M3AuthError.MissingToken),
    ];

    private static IEnumerable<TokenCase> Malformed =>
    [
        .. Raw(M3AuthError.InvalidTokenFormat,
            ("Bearer twice", token => "Bearer Bearer " + token),
            ("Basic in front", token => "Basic " + token),
            ("Token in front", token => "Token " + token),
            ("Bearer with a colon", token => "Bearer: " + token),
            ("Bearer without white space", token => "Bearer" + token),
            ("quotation marks around", token => $"\"{token}\""),
            ("a space inside", token => token.Insert(40, " ")),
            ("a line break inside", token => token.Insert(40, "\n")),
            ("a line break and a header inside", token => token + "\r\nX-Evil: 1"),
            ("a NUL inside", token => token.Insert(40, "\0")),
            ("a letter beyond ASCII", token => token.Insert(40, "é")),
            ("a plus instead of a minus", token => token.Insert(4, "+")),
            ("padding", token => token + "=="),
            ("percent-encoded dots", token => token.Replace(".", "%2E", StringComparison.Ordinal)),
            ("two parts", token => token[..token.LastIndexOf('.')]),
            ("four parts", token => token + ".AAAA"),
            ("five parts, as JWE", token => token + ".AAAA.AAAA"),
            ("an empty header", token => token[token.IndexOf('.', StringComparison.Ordinal)..]),
            ("an empty payload", token => $"{token.Split('.')[0]}..{token.Split('.')[2]}"),
            ("a header cut by a character", token => token[1..]),
            ("a part of an impossible length", token => token + "AAAAA"[..(5 - (token.Split('.')[2].Length % 4) + 0)])),
        new("opaque", _ => "2YotnFZFEjr1zCsicMWpAA", M3AuthError.InvalidTokenFormat),
        new("dots alone", _ => "..", M3AuthError.InvalidTokenFormat),
        new("a sentence", _ => "please let me in", M3AuthError.InvalidTokenFormat),
        new("longer than 64 KiB", _ => new string('A', (64 * 1024) + 1), M3AuthError.InvalidTokenFormat),
        new("a header that is an array", _ => FakeIssuer.Sign("[]", "{}"), M3AuthError.InvalidTokenFormat),
        new("a header that is a string", _ => FakeIssuer.Sign("\"RS256\"", "{}"), M3AuthError.InvalidTokenFormat),
        new("a header with a comment", _ => FakeIssuer.Sign("""{"alg":"RS256"/**/}""", "{}"), M3AuthError.InvalidTokenFormat),
        new("a header with alg twice", _ => FakeIssuer.Sign("""{"alg":"RS256","kid":"rsa-1","alg":"none"}""", "{}"), M3AuthError.InvalidTokenFormat),
        new("a payload that is no JSON", _ => FakeIssuer.Sign(FakeIssuer.Header().ToJsonString(), "hello"), M3AuthError.InvalidTokenFormat),
        new("a payload that is an array", _ => FakeIssuer.Sign(FakeIssuer.Header().ToJsonString(), "[]"), M3AuthError.InvalidTokenFormat),
        new("a payload with exp twice", _ => FakeIssuer.Sign(FakeIssuer.Header().ToJsonString(), """{"exp":1,"exp":9999999999}"""), M3AuthError.InvalidTokenFormat),
        new("a payload in invalid UTF-8", _ => FakeIssuer.Sign("""{"alg":"RS256","kid":"rsa-1"}"""u8.ToArray(), [(byte)'{', (byte)'"', 0xff, (byte)'"', (byte)':', (byte)'1', (byte)'}']), M3AuthError.InvalidTokenFormat),
    ];

    private static IEnumerable<TokenCase> BadlySigned =>
    [
        .. Raw(M3AuthError.InvalidTokenSignature,
            ("no signature", token => token[..(token.LastIndexOf('.') + 1)]),
            ("a signature of zeros", token => token[..(token.LastIndexOf('.') + 1)] + new string('A', 342)),
            ("another token's signature", token => token[..(token.LastIndexOf('.') + 1)] + new FakeIssuer().Token(Now, payload => payload["sub"] = "other").Split('.')[2])),
        .. Header(M3AuthError.InvalidTokenSignature,
            ("alg none", header => header["alg"] = "none"),
            ("alg NONE", header => header["alg"] = "NONE"),
            ("alg HS256", header => header["alg"] = "HS256"),
            ("alg RS384", header => header["alg"] = "RS384"),
            ("alg PS256", header => header["alg"] = "PS256"),
            ("alg rs256", header => header["alg"] = "rs256"),
            ("no alg", header => header.Remove("alg")),
            ("alg that is a number", header => header["alg"] = 256),
            ("alg ES256 for an RSA key", header => header["alg"] = "ES256"),
            ("no kid", header => header.Remove("kid")),
            ("kid that is a number", header => header["kid"] = 1),
            ("an unknown kid", header => header["kid"] = "rsa-2"),
            ("kid in another case", header => header["kid"] = "RSA-1"),
            ("another key's kid", header => header["kid"] = FakeIssuer.EcKeyId),
            ("crit", header => header["crit"] = new JsonArray("exp")),
            ("b64 false", header => header["b64"] = false)),
        new("signed by another key", issuer => issuer.Token(Now, rsa: FakeIssuer.OtherRsa), M3AuthError.InvalidTokenSignature),
        new("expired, and signed by another key", issuer => issuer.Token(Now, payload => payload["exp"] = 1, rsa: FakeIssuer.OtherRsa), M3AuthError.InvalidTokenSignature),
    ];

    private static IEnumerable<TokenCase> OutOfTime =>
    [
        .. Claims(M3AuthError.TokenExpired,
            ("expired this very second", payload => payload["exp"] = Seconds),
            ("expired within this second", payload => payload["exp"] = Seconds + 0.9),
            ("expired an hour ago", payload => payload["exp"] = Seconds - 3600),
            ("exp 0", payload => payload["exp"] = 0),
            ("exp negative", payload => payload["exp"] = -1),
            ("no exp", payload => payload.Remove("exp")),
            ("exp null", payload => payload["exp"] = null),
            ("exp as text", payload => payload["exp"] = (Seconds + 60).ToString(CultureInfo.InvariantCulture)),
            ("exp in milliseconds", payload => payload["exp"] = (Seconds + 60) * 1000),
            ("expired, and for another audience", payload => (payload["exp"], payload["aud"]) = (1, "other"))),
        Json("exp beyond all numbers", """{"iss":"https://issuer.test","aud":"m3-api","scope":"read:mimic-data","exp":1e999}""", M3AuthError.TokenExpired),
        .. Claims(M3AuthError.TokenNotYetValid,
            ("nbf 61 seconds ahead", payload => payload["nbf"] = Seconds + 61),
            ("nbf as text", payload => payload["nbf"] = "now"),
            ("iat 61 seconds ahead", payload => payload["iat"] = Seconds + 61),
            ("iat in milliseconds", payload => payload["iat"] = Seconds * 1000),
            ("iat that is an object", payload => payload["iat"] = new JsonObject()),
            ("not yet valid, and of another issuer", payload => (payload["nbf"], payload["iss"]) = (Seconds + 600, "https://other.test"))),
    ];

    private static IEnumerable<TokenCase> ForOthers =>
    [
        .. Claims(M3AuthError.InvalidIssuer,
            ("another issuer", payload => payload["iss"] = "https://other.test"),
            ("the issuer with a slash", payload => payload["iss"] = FakeIssuer.Url + "/"),
            ("the issuer in upper case", payload => payload["iss"] = "HTTPS://ISSUER.TEST"),
            ("no iss", payload => payload.Remove("iss")),
            ("iss as an array", payload => payload["iss"] = new JsonArray(FakeIssuer.Url)),
            ("of another issuer, and for another audience", payload => (payload["iss"], payload["aud"]) = ("https://other.test", "other"))),
        .. Claims(M3AuthError.InvalidAudience,
            ("another audience", payload => payload["aud"] = "other"),
            ("the audience in another case", payload => payload["aud"] = "M3-API"),
            ("the audience as a prefix", payload => payload["aud"] = "m3-api-2"),
            ("other audiences", payload => payload["aud"] = new JsonArray("a", "b")),
            ("no audiences", payload => payload["aud"] = new JsonArray()),
            ("no aud", payload => payload.Remove("aud")),
            ("aud as a number", payload => payload["aud"] = 5),
            ("aud with a number among names", payload => payload["aud"] = new JsonArray(ClientFixture.Audience, 5)),
            ("for another audience, and without scopes", payload => (payload["aud"], payload["scope"]) = ("other", ""))),
    ];

    // In M3's order: behind everything that is checked in the claims but the scopes.
    private static IEnumerable<TokenCase> OddlyNamed =>
    [
        .. Claims(M3AuthError.InvalidTokenFormat,
            ("sub as a number", payload => payload["sub"] = 5),
            ("sub null", payload => payload["sub"] = null),
            ("sub as an array", payload => payload["sub"] = new JsonArray("researcher")),
            ("jti as a number", payload => payload["jti"] = 5),
            ("jti null", payload => payload["jti"] = null),
            ("jti as an object", payload => payload["jti"] = new JsonObject()),
            ("sub as a number, and no scope", payload => (payload["sub"], payload["scope"]) = (5, ""))),
        .. Claims(M3AuthError.InvalidAudience, ("sub as a number, for another audience", payload => (payload["sub"], payload["aud"]) = (5, "other"))),
        .. Claims(M3AuthError.InvalidIssuer, ("jti as a number, of another issuer", payload => (payload["jti"], payload["iss"]) = (5, "https://other.test"))),
        .. Claims(M3AuthError.TokenExpired, ("sub as a number, expired", payload => (payload["sub"], payload["exp"]) = (5, Seconds))),
        new("sub as a number, signed with another key", issuer => issuer.Token(Now, payload => payload["sub"] = 5, rsa: FakeIssuer.OtherRsa), M3AuthError.InvalidTokenSignature),
    ];

    private static IEnumerable<TokenCase> WithoutScopes =>
    [
        .. Claims(M3AuthError.MissingScopes,
            ("no scope", payload => payload.Remove("scope")),
            ("an empty scope", payload => payload["scope"] = ""),
            ("another scope", payload => payload["scope"] = "write:mimic-data"),
            ("a longer scope", payload => payload["scope"] = "read:mimic-data-2"),
            ("the scope in upper case", payload => payload["scope"] = "READ:MIMIC-DATA"),
            ("scope as a number", payload => payload["scope"] = 1),
            ("scope as an object", payload => payload["scope"] = new JsonObject { ["read:mimic-data"] = true }),
            ("scp with numbers", payload => Move(payload, "scope", "scp", new JsonArray(1, 2))),
            ("the scope in permissions only, as Auth0", payload => Move(payload, "scope", "permissions", new JsonArray("read:mimic-data"))),
            ("the scope in roles only, as Entra ID", payload => Move(payload, "scope", "roles", new JsonArray("read:mimic-data")))),
    ];

    private static TokenCase Raw(string name, Func<string, string> change) => new(name, issuer => change(issuer.Token(Now)), null);

    private static IEnumerable<TokenCase> Raw(M3AuthError verdict, params (string Name, Func<string, string> Change)[] cases) =>
        cases.Select(one => new TokenCase(one.Name, issuer => one.Change(issuer.Token(Now)), verdict));

    private static TokenCase Header(string name, Action<JsonObject> change) => new(name, issuer => issuer.Token(Now, header: change), null);

    private static IEnumerable<TokenCase> Header(M3AuthError verdict, params (string Name, Action<JsonObject> Change)[] cases) =>
        cases.Select(one => new TokenCase(one.Name, issuer => issuer.Token(Now, header: one.Change), verdict));

    private static TokenCase Claims(string name, Action<JsonObject> change) => new(name, issuer => issuer.Token(Now, change), null);

    private static IEnumerable<TokenCase> Claims(M3AuthError verdict, params (string Name, Action<JsonObject> Change)[] cases) =>
        cases.Select(one => new TokenCase(one.Name, issuer => issuer.Token(Now, one.Change), verdict));

    private static TokenCase Json(string name, string payload, M3AuthError? verdict = null) =>
        new(name, _ => FakeIssuer.Sign(FakeIssuer.Header().ToJsonString(), payload), verdict);

    private static void Move(JsonObject payload, string from, string to, JsonNode value)
    {
        payload.Remove(from);
        payload[to] = value;
    }
}
