using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Tests.Keys;

/// <summary>One odd key is passed over with its reason, and costs none of the good ones.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class JwksReaderTests
{
    private static readonly string GoodRsa = FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.SharedRsa).ToJsonString();
    private static readonly string GoodEc = FakeIssuer.EcJwk(FakeIssuer.EcKeyId, FakeIssuer.SharedEcdsa).ToJsonString();
    private static readonly JsonObject Weak = MakeWeak();

    private static IEnumerable<TestCaseData> OddKeys =>
    [
        Rsa("use enc", key => key["use"] = "enc", "its use is not 'sig'"),
        Rsa("use that is a number", key => key["use"] = 1, "its use is not 'sig'"),
        Rsa("key_ops without verify", key => key["key_ops"] = new JsonArray("encrypt", "wrapKey"), "key_ops do not include 'verify'"),
        Rsa("key_ops empty", key => key["key_ops"] = new JsonArray(), "key_ops do not include 'verify'"),
        Rsa("key_ops that is a string", key => key["key_ops"] = "verify", "key_ops do not include 'verify'"),
        Rsa("key_ops of numbers", key => key["key_ops"] = new JsonArray(1, 2), "key_ops do not include 'verify'"),
        Rsa("alg RS512", key => key["alg"] = "RS512", "its alg is 'RS512', not RS256"),
        Rsa("alg RSA-OAEP, as Keycloak's", key => key["alg"] = "RSA-OAEP", "its alg is 'RSA-OAEP', not RS256"),
        Rsa("alg ES256 on an RSA key", key => key["alg"] = "ES256", "its alg is 'ES256', not RS256"),
        Rsa("alg that is a number", key => key["alg"] = 256, "its alg is (none), not RS256"),
        new TestCaseData(Weak.ToJsonString(), "its modulus has 1024 bits").SetArgDisplayNames("RSA 1024"),
        Rsa("a modulus of 1024 bits behind zeros", key => key["n"] = Encode([.. new byte[128], .. Base64UrlEncoder.DecodeBytes(Weak["n"]!.GetValue<string>())]), "its modulus has 1024 bits"),
        Rsa("a modulus of 2047 bits", key => key["n"] = Encode([0x7f, .. new byte[254], 1]), "its modulus has 2047 bits"),
        Rsa("a modulus of 16392 bits", key => key["n"] = Encode([0xff, .. new byte[2047], 1]), "its modulus has 16392 bits"),
        Rsa("a modulus of 8193 bits", key => key["n"] = Encode([1, .. new byte[1023], 1]), "its modulus has 8193 bits, and must have 2048 to 8192"),
        Rsa("a modulus of nothing", key => key["n"] = "", "its modulus has 0 bits"),
        Rsa("a modulus of zeros", key => key["n"] = Encode(new byte[256]), "its modulus has 0 bits"),
        Rsa("exponent 1", key => key["e"] = "AQ", "its exponent is not an odd number from 3 up"),
        Rsa("exponent 0", key => key["e"] = "AA", "its exponent is not an odd number from 3 up"),
        Rsa("an even exponent", key => key["e"] = "AQAA", "its exponent is not an odd number from 3 up"),
        Rsa("an exponent of 9 bytes", key => key["e"] = Encode([1, 0, 0, 0, 0, 0, 0, 0, 1]), "its exponent is not an odd number from 3 up"),
        Rsa("an exponent of nothing", key => key["e"] = "", "its exponent is not an odd number from 3 up"),
        Rsa("no n", key => key.Remove("n"), "its n or e is missing"),
        Rsa("no e", key => key.Remove("e"), "its n or e is missing"),
        Rsa("n null", key => key["n"] = null, "its n or e is missing"),
        Rsa("n that is an array", key => key["n"] = new JsonArray(1, 2), "its n or e is missing"),
        Rsa("n in plain base64", key => key["n"] = key["n"]!.GetValue<string>() + "+/", "not base64url"),
        Rsa("n with padding inside", key => key["n"] = key["n"]!.GetValue<string>().Insert(4, "=="), "not base64url"),
        Rsa("n with three characters of padding", key => key["n"] = key["n"]!.GetValue<string>() + "===", "not base64url"),
        Rsa("n of padding alone", key => key["n"] = "===", "not base64url"),
        Rsa("n with white space", key => key["n"] = " " + key["n"]!.GetValue<string>(), "not base64url"),
        Rsa("n of an impossible length", key => key["n"] = key["n"]!.GetValue<string>()[..^1], "not base64url"),
        Rsa("e that is a number", key => key["e"] = 65537, "its n or e is missing"),
        Rsa("no kid", key => key.Remove("kid"), "it has no kid"),
        Rsa("an empty kid", key => key["kid"] = "", "it has no kid"),
        Rsa("a kid that is a number", key => key["kid"] = 7, "it has no kid"),
        Rsa("a kid that is a lone surrogate", key => key["kid"] = "LONE", "it has no kid", json => json.Replace("LONE", "\\ud800", StringComparison.Ordinal)),
        Rsa("a use that is a lone surrogate", key => key["use"] = "LONE", "its use is not 'sig'", json => json.Replace("LONE", "\\udfff", StringComparison.Ordinal)),
        Rsa("a member whose name is a lone surrogate", key => key["LONE"] = 1, "not an unambiguous JSON object", json => json.Replace("LONE", "\\ud800", StringComparison.Ordinal)),
        Rsa("a member twice", _ => { }, "not an unambiguous JSON object", json => json.Insert(1, "\"kty\":\"EC\",")),
        Rsa("a member twice, once escaped", _ => { }, "not an unambiguous JSON object", json => json.Insert(1, "\"\\u006b\\u0074y\":\"EC\",")),
        Rsa("a member twice, deep inside", key => key["x"] = "DEEP", "not an unambiguous JSON object", json => json.Replace("\"DEEP\"", "[{\"a\":1,\"a\":2}]", StringComparison.Ordinal)),
        Rsa("a hundred levels", key => key["x"] = "DEEP", "not an unambiguous JSON object",
            json => json.Replace("\"DEEP\"", new string('[', 100) + new string(']', 100), StringComparison.Ordinal)),
        Rsa("no kty", key => key.Remove("kty"), "its kty is (none)"),
        Rsa("kty in lower case", key => key["kty"] = "rsa", "its kty is 'rsa'"),
        Rsa("an unknown kty", key => key["kty"] = "AKP", "its kty is 'AKP'"),
        Rsa("kty OKP", key => key["kty"] = "OKP", "its kty is 'OKP'"),
        Rsa("kty oct, a shared secret", key => key["kty"] = "oct", "its kty is 'oct'"),
        Rsa("kty EC on an RSA key", key => key["kty"] = "EC", "its curve is (none), not P-256"),
        Ec("P-384", key => key["crv"] = "P-384", "its curve is 'P-384', not P-256"),
        Ec("secp256k1", key => key["crv"] = "secp256k1", "its curve is 'secp256k1', not P-256"),
        Ec("no crv", key => key.Remove("crv"), "its curve is (none), not P-256"),
        Ec("alg ES384", key => key["alg"] = "ES384", "its alg is 'ES384', not ES256"),
        Ec("alg ECDH-ES", key => key["alg"] = "ECDH-ES", "its alg is 'ECDH-ES', not ES256"),
        Ec("a point off the curve", key => key["y"] = Flip(key["y"]!.GetValue<string>()), "its numbers are not a valid public key"),
        Ec("the point at infinity, as zeros", key => (key["x"], key["y"]) = (Encode(new byte[32]), Encode(new byte[32])), "its numbers are not a valid public key"),
        Ec("coordinates beyond the field", key => (key["x"], key["y"]) = (Encode(Ones(32)), Encode(Ones(32))), "its numbers are not a valid public key"),
        Ec("x of 31 bytes", key => key["x"] = Encode(new byte[31]), "its x or y is missing or not 32 bytes"),
        Ec("x of 33 bytes", key => key["x"] = Encode(new byte[33]), "its x or y is missing or not 32 bytes"),
        Ec("no y", key => key.Remove("y"), "its x or y is missing or not 32 bytes"),
        Ec("y that is an object", key => key["y"] = new JsonObject(), "its x or y is missing or not 32 bytes"),
        Odd("null", "not an unambiguous JSON object"),
        Odd("5", "not an unambiguous JSON object"),
        Odd("\"a string\"", "not an unambiguous JSON object"),
        Odd("[]", "not an unambiguous JSON object"),
        Odd("{}", "it has no kid"),
    ];

    [TestCaseSource(nameof(OddKeys))]
    public void A_key_that_cannot_verify_is_passed_over_with_its_reason_and_the_good_ones_beside_it_work(string odd, string reason)
    {
        KeySet keys = Read($$"""{"keys":[{{GoodRsa}},{{odd}},{{GoodEc}}]}""");

        Assert.That(keys.Ignored, Has.Count.EqualTo(1).And.All.Contains(reason));
        Assert.That(keys.Describe(), Is.EquivalentTo((string[])["rsa-1 (RS256)", "ec-1 (ES256)"]));
        AssertVerifies(keys);
    }

    [Category("ManyRounds")]
    [Test]
    public void One_key_verifies_for_many_threads_at_once([Values("RS256", "ES256")] string algorithm)
    {
        var issuer = new FakeIssuer();
        KeySet keys = JwksReader.Read(Encoding.UTF8.GetBytes(issuer.Jwks));
        ParsedJwt good = ParsedJwt.Parse(issuer.Token(ClientFixture.Noon, algorithm: algorithm));
        ParsedJwt bad = ParsedJwt.Parse(good.Value[..^8] + "AAAAAAAA");
        int wrong = 0;

        Parallel.For(0, 4000, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i =>
        {
            if (keys.Verify(i % 2 == 0 ? good : bad) != (i % 2 == 0))
                Interlocked.Increment(ref wrong);
        });

        Assert.That(wrong, Is.Zero);
    }

    [Test]
    public void All_odd_keys_together_cost_none_of_the_good_ones()
    {
        string[] odd = [.. OddKeys.Select(one => (string)one.Arguments[0]!)];
        KeySet keys = Read($$"""{"keys":[{{string.Join(',', odd)}},{{GoodRsa}},{{GoodEc}}]}""");

        TestContext.Out.WriteLine($"{odd.Length} odd keys passed over beside {keys.Count} good ones");
        Assert.That((keys.Count, keys.Ignored.Count), Is.EqualTo((2, odd.Length)));
        Assert.That(keys.Ignored, Is.All.Not.Contains("\n"));
    }

    [Test]
    public void A_key_in_invalid_UTF_8_is_passed_over_beside_good_ones()
    {
        byte[] odd = [.. "{\"kid\":\""u8, 0xff, 0xfe, .. "\",\"kty\":\"RSA\"}"u8];
        KeySet keys = JwksReader.Read((byte[])[.. "{\"keys\":["u8, .. odd, .. ","u8, .. Encoding.UTF8.GetBytes($"{GoodRsa},{GoodEc}]}}")]);

        Assert.That(keys.Ignored, Has.Count.EqualTo(1).And.All.Contains("not an unambiguous JSON object"));
        AssertVerifies(keys);
    }

    [TestCase("{\"keys\":[KEYS]}", TestName = "Only keys")]
    [TestCase("  {\"a\":{\"keys\":[1]},\"keys\":[KEYS],\"z\":null}\r\n", TestName = "Other members and white space around")]
    [TestCase("\ufeff{\"keys\":[KEYS]}", TestName = "A byte-order mark in front")]
    [TestCase("{\"\\u006b\\u0065ys\":[KEYS]}", TestName = "The name keys escaped")]
    [TestCase("{\"\\ud800\":1,\"keys\":[KEYS]}", TestName = "A lone surrogate as another member's name")]
    public void A_set_in_any_lawful_spelling_is_read(string document)
    {
        AssertVerifies(Read(document.Replace("KEYS", $"{GoodRsa},{GoodEc}", StringComparison.Ordinal)));
    }

    [Test]
    public void Keys_with_the_members_of_every_provider_are_read()
    {
        // Sign byte in front; x5c, x5t and issuer as Entra ID's; no use and no alg; key_ops with verify; P-256 with an x5u.
        JsonObject rsa = FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.SharedRsa);
        rsa["n"] = Encode([0, .. FakeIssuer.SharedRsa.ExportParameters(false).Modulus!]);
        rsa.Remove("alg");
        rsa.Remove("use");
        (rsa["x5c"], rsa["x5t"], rsa["issuer"], rsa["key_ops"]) = (new JsonArray("MIIC"), "abc", "https://login.microsoftonline.com/{tenantid}/v2.0", new JsonArray("sign", "verify"));
        JsonObject ec = FakeIssuer.EcJwk(FakeIssuer.EcKeyId, FakeIssuer.SharedEcdsa);
        ec.Remove("alg");
        ec["x5u"] = "https://elsewhere.test/";

        AssertVerifies(Read($$"""{"keys":[{{rsa.ToJsonString()}},{{ec.ToJsonString()}}]}"""));
    }

    // The bounds themselves are still inside.
    private static IEnumerable<TestCaseData> KeysAtTheBounds =>
    [
        Bound("exponent 3", key => key["e"] = "Aw"),
        Bound("an exponent of 8 bytes", key => key["e"] = Encode([1, 0, 0, 0, 0, 0, 0, 1])),
        Bound("an exponent of 8 bytes behind a zero", key => key["e"] = Encode([0, 1, 0, 0, 0, 0, 0, 0, 1])),
        Bound("a modulus of 2048 bits", key => key["n"] = Encode([0x80, .. new byte[254], 1])),
        Bound("a modulus of 8192 bits", key => key["n"] = Encode([0x80, .. new byte[1022], 1])),
    ];

    [TestCaseSource(nameof(KeysAtTheBounds))]
    public void A_key_at_a_bound_is_usable(string key)
    {
        KeySet keys = Read($$"""{"keys":[{{key}}]}""");

        Assert.That(keys.Ignored, Is.Empty);
        Assert.That(keys.Describe(), Is.EqualTo((string[])["bound (RS256)"]));
    }

    // As M3 takes them.
    [Test]
    public void Null_counts_as_absent_and_padding_in_numbers_is_forgiven()
    {
        JsonObject rsa = FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.SharedRsa);
        JsonObject ec = FakeIssuer.EcJwk(FakeIssuer.EcKeyId, FakeIssuer.SharedEcdsa);
        foreach (JsonObject key in (JsonObject[])[rsa, ec])
        {
            (key["use"], key["alg"], key["key_ops"]) = (null, null, null);
            foreach (string number in (string[])["n", "e", "x", "y"])
            {
                if (key[number] is { } value)
                    key[number] = Convert.ToBase64String(Base64UrlEncoder.DecodeBytes(value.GetValue<string>())).Replace('+', '-').Replace('/', '_');
            }
        }

        Assert.That(ec["x"]!.GetValue<string>(), Does.EndWith("="));
        AssertVerifies(Read($$"""{"keys":[{{rsa.ToJsonString()}},{{ec.ToJsonString()}}]}"""));
    }

    // Each further one would make every bad token dearer.
    [Test]
    public void Of_one_kid_the_first_four_keys_are_tried_and_the_rest_ignored()
    {
        string[] others = [.. Enumerable.Range(0, 3).Select(_ => FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.OtherRsa).ToJsonString())];

        KeySet keys = Read($$"""{"keys":[{{string.Join(',', others)}},{{GoodRsa}},{{others[0]}},{{GoodEc}},{{others[0]}}]}""");

        Assert.That(keys.Count, Is.EqualTo(5));
        Assert.That(keys.Ignored, Is.EqualTo((string[])["'rsa-1': 4 keys have this kid already", "'rsa-1': 4 keys have this kid already"]));
        AssertVerifies(keys);
        Assert.That(Read($$"""{"keys":[{{string.Join(',', others)}},{{others[0]}},{{GoodRsa}}]}""").Verify(ParsedJwt.Parse(new FakeIssuer().Token(ClientFixture.Noon))), Is.False);
    }

    [Test]
    public void Keys_that_are_ignored_anyway_take_no_place_of_those_that_verify()
    {
        string weak = FakeIssuer.RsaJwk(FakeIssuer.RsaKeyId, FakeIssuer.SharedRsa).ToJsonString().Replace("RS256", "RS512", StringComparison.Ordinal);

        AssertVerifies(Read($$"""{"keys":[{{string.Join(',', Enumerable.Repeat(weak, 9))}},{{GoodRsa}},{{GoodEc}}]}"""));
    }

    [TestCase("", "not valid JSON")]
    [TestCase("   ", "not valid JSON")]
    [TestCase("<!doctype html><html><body>Sign in</body></html>", "not valid JSON")]
    [TestCase("null", "not a JSON object")]
    [TestCase("[]", "not a JSON object")]
    [TestCase("\"keys\"", "not a JSON object")]
    [TestCase("{}", "has no array 'keys'")]
    [TestCase("{\"keys\":{}}", "must have one array 'keys'")]
    [TestCase("{\"keys\":null}", "must have one array 'keys'")]
    [TestCase("{\"keys\":[],\"keys\":[]}", "must have one array 'keys'")]
    [TestCase("{\"keys\":[],\"\\u006beys\":[]}", "must have one array 'keys'")]
    [TestCase("{\"Keys\":[]}", "has no array 'keys'")]
    [TestCase("{\"keys\":[", "not valid JSON")]
    [TestCase("{\"keys\":[]", "not valid JSON")]
    [TestCase("{\"keys\":[]}}", "not valid JSON")]
    [TestCase("{\"keys\":[]}{\"keys\":[]}", "not valid JSON")]
    [TestCase("{\"keys\":[],}", "not valid JSON")]
    [TestCase("{/* */\"keys\":[]}", "not valid JSON")]
    [TestCase("{\"issuer\":\"https://issuer.test\",\"jwks_uri\":\"https://issuer.test/jwks\"}", "has no array 'keys'")]
    public void What_is_no_JWKS_is_told_from_one(string document, string reason)
    {
        Assert.That(() => Read(document), Throws.TypeOf<BackchannelException>().With.Message.Contains(reason));
    }

    [Test]
    public void A_set_that_is_cut_off_anywhere_is_refused()
    {
        string whole = $$"""{"keys":[{{GoodEc}}]}""";
        for (int length = 0; length < whole.Length; length++)
            Assert.That(() => Read(whole[..length]), Throws.TypeOf<BackchannelException>(), $"{length} of {whole.Length} characters");
    }

    [Test]
    public void More_than_256_keys_are_refused_and_256_are_not()
    {
        Assert.That(Read(Many(256)).Ignored, Has.Count.EqualTo(256));
        Assert.That(() => Read(Many(257)), Throws.TypeOf<BackchannelException>().With.Message.Contains("more than 256 keys"));
        Assert.That(() => Read(Many(10_000)), Throws.TypeOf<BackchannelException>().With.Message.Contains("more than 256 keys"));
    }

    // Ten such sets: where each bracket costs a look at those around it, they take many minutes.
    [Test, CancelAfter(60_000)]
    public void A_mebibyte_of_brackets_is_read_in_work_that_grows_with_its_length_alone(CancellationToken patience)
    {
        byte[] deep = Deep(500_000);
        long half = AllocatedBy(Deep(250_000));

        for (int i = 0; i < 10; i++)
        {
            Assert.That(JwksReader.Read(deep).Count, Is.EqualTo(1));
            Assert.That(patience.IsCancellationRequested, Is.False, $"only {i + 1} were read within a minute");
        }

        Assert.That(AllocatedBy(deep), Is.LessThan((2 * half) + 100_000));

        static byte[] Deep(int levels) => Encoding.UTF8.GetBytes($$"""{"keys":[{{GoodEc}},{{new string('[', levels)}}{{new string(']', levels)}}]}""");

        static long AllocatedBy(byte[] document)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            JwksReader.Read(document);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Test]
    public void A_reason_shows_no_control_characters_of_the_key_that_it_speaks_of()
    {
        string odd = FakeIssuer.RsaJwk("evil\r\nINFO all is well\u001b[2J\u2028", FakeIssuer.SharedRsa).ToJsonString();
        odd = odd.Replace("RS256", "a\\nb", StringComparison.Ordinal);

        KeySet keys = Read($$"""{"keys":[{{odd}}]}""");

        Assert.That(keys.Ignored.Single(), Is.EqualTo("'evil\\u000d\\u000aINFO all is well\\u001b[2J\\u2028': its alg is 'a\\u000ab', not RS256"));
    }

    private static TestCaseData Rsa(string name, Action<JsonObject> change, string reason, Func<string, string>? edit = null) =>
        Case(name, FakeIssuer.RsaJwk("odd", FakeIssuer.OtherRsa), change, reason, edit);

    private static TestCaseData Bound(string name, Action<JsonObject> change)
    {
        JsonObject key = FakeIssuer.RsaJwk("bound", FakeIssuer.OtherRsa);
        change(key);
        return new TestCaseData(key.ToJsonString()).SetArgDisplayNames(name);
    }

    private static TestCaseData Ec(string name, Action<JsonObject> change, string reason) =>
        Case(name, FakeIssuer.EcJwk("odd", FakeIssuer.SharedEcdsa), change, reason, edit: null);

    private static TestCaseData Odd(string json, string reason) => new TestCaseData(json, reason).SetArgDisplayNames("an entry that is " + json.Trim('"'));

    private static TestCaseData Case(string name, JsonObject key, Action<JsonObject> change, string reason, Func<string, string>? edit)
    {
        change(key);
        string json = key.ToJsonString();
        return new TestCaseData(edit?.Invoke(json) ?? json, reason).SetArgDisplayNames(name);
    }

    private static KeySet Read(string document) => JwksReader.Read(Encoding.UTF8.GetBytes(document));

    private static JsonObject MakeWeak()
    {
        using var rsa = RSA.Create(1024);
        return FakeIssuer.RsaJwk("odd", rsa);
    }

    private static string Many(int count) => $$"""{"keys":[{{string.Join(',', Enumerable.Repeat("{}", count))}}]}""";

    private static string Encode(byte[] bytes) => Base64UrlEncoder.Encode(bytes);

    private static byte[] Ones(int count) => [.. Enumerable.Repeat((byte)0xff, count)];

    private static string Flip(string base64Url)
    {
        byte[] bytes = Base64UrlEncoder.DecodeBytes(base64Url);
        bytes[^1] ^= 1;
        return Encode(bytes);
    }

    private static void AssertVerifies(KeySet keys)
    {
        var issuer = new FakeIssuer();
        foreach (string algorithm in (string[])["RS256", "ES256"])
            Assert.That(keys.Verify(ParsedJwt.Parse(issuer.Token(ClientFixture.Noon, algorithm: algorithm))), Is.True, algorithm);
    }
}
