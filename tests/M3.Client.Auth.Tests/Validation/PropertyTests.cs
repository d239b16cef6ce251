using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Validation;

/// <summary>
/// No text, whatever it is, makes the library throw anything but an <see cref="M3AuthException"/>, and none but what the issuer signed is
/// accepted. A failure prints the seed that repeats it.
/// </summary>
[Category("ManyRounds")]
[NonParallelizable]
public sealed class PropertyTests
{
    private const int Samples = 20_000;
    private const int SignedSamples = 5_000;

    private static readonly string[] Tokens = [new FakeIssuer().Token(ClientFixture.Noon), new FakeIssuer().Token(ClientFixture.Noon, algorithm: "ES256")];

    private static readonly byte[] Header = """{"alg":"ES256","kid":"ec-1"}"""u8.ToArray();
    private static readonly byte[] Claims = Bytes(new FakeIssuer().Claims(ClientFixture.Noon).ToJsonString());

    private static readonly Gen<string> AnyText = Gen.OneOf<string>(
        Gen.String,
        Gen.String[Gen.Char['\0', '\uffff'], 0, 200],
        Gen.String[Gen.Char["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."], 0, 300],
        Gen.String[Gen.Char["eyJ.=+/%\" \t\r\n\0{}[]:,\\uBearer"], 0, 60]);

    // What the claims and the header are made of: anything JSON can say, and some that it cannot.
    private static readonly Gen<string> AnyJson = Gen.Recursive<string>((depth, inner) => depth > 4
        ? Gen.Const("0")
        : Gen.OneOf<string>(
            Gen.OneOf("null", "true", "false", "0", "-1", "1.5", "1.8e9", "1e999", "-1e999", "1e-999", "253402300800", "99999999999999999999", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "NaN", "", "\"", "[", "{"),
            Gen.Double.Select(number => number.ToString("R", CultureInfo.InvariantCulture)),
            Gen.Long.Select(number => number.ToString(CultureInfo.InvariantCulture)),
            Gen.String.Select(text => JsonSerializer.Serialize(text)),
            Gen.OneOf("\"RS256\"", "\"ES256\"", "\"rsa-1\"", "\"ec-1\"", "\"https://issuer.test\"", "\"m3-api\"", "\"read:mimic-data\"", "[\"m3-api\"]", "[\"read:mimic-data\"]", "1795521600"),
            inner.Array[0, 4].Select(items => $"[{string.Join(',', items)}]"),
            Gen.Select(Gen.OneOf("a", "b", "roles", "\\ud800"), inner).Array[0, 3].Select(members => $"{{{string.Join(',', members.Select(member => $"\"{member.Item1}\":{member.Item2}"))}}}")));

    private static readonly Gen<string> AnyHeader = AnyObject(FakeIssuer.Header("ES256"), "alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "\\u0061lg", "\\ud800");

    private static readonly Gen<string> AnyPayload = AnyObject(new FakeIssuer().Claims(ClientFixture.Noon),
        "iss", "aud", "sub", "exp", "nbf", "iat", "scope", "scp", "azp", "client_id", "permissions", "roles", "groups", "realm_access", "\\u0065xp", "\\udfff");

    [Test]
    public Task No_text_makes_parsing_or_validation_throw_anything_else() =>
        Check("texts", AnyText, text => text);

    [Test]
    public Task No_mutation_of_a_valid_token_makes_parsing_or_validation_throw_anything_else_or_is_accepted() =>
        Check("mutated tokens", Gen.Select(Gen.OneOf(Tokens), Gen.Int[0, 4], Gen.Int[0, 1_000_000], Gen.Int[1, 40], AnyText), mutation => Mutate(mutation.Item1, mutation.Item2, mutation.Item3, mutation.Item4, mutation.Item5));

    [Test]
    public Task No_signed_header_makes_parsing_or_validation_throw_anything_else() =>
        Check("signed headers", AnyHeader, header => Sign(Bytes(header), Claims), SignedSamples, mayPass: true);

    [Test]
    public Task No_signed_payload_makes_parsing_or_validation_throw_anything_else() =>
        Check("signed payloads", AnyPayload, payload => Sign(Header, Bytes(payload)), SignedSamples, mayPass: true);

    [Test]
    public Task No_signed_bytes_make_parsing_or_validation_throw_anything_else() =>
        Check("signed bytes", Gen.Select(Gen.Byte.Array[0, 60], Gen.Byte.Array[0, 60], Gen.Bool), bytes => Sign(bytes.Item3 ? bytes.Item1 : Header, [.. "{\""u8, .. bytes.Item2, .. "\":1}"u8]), SignedSamples);

    [Test]
    public async Task Every_single_bit_of_a_valid_token_counts()
    {
        using var keyCache = new KeyCacheFixture();
        foreach (string token in Tokens)
        {
            Assert.That(await keyCache.JudgeAsync(token), Is.Null);
            var verdicts = new SortedDictionary<string, int>();
            for (int i = 0; i < token.Length; i++)
            {
                for (int bit = 0; bit < 16; bit++)
                {
                    char[] changed = token.ToCharArray();
                    changed[i] ^= (char)(1 << bit);

                    M3AuthException? error = await keyCache.JudgeAsync(new string(changed));

                    Assert.That(error, Is.Not.Null, $"bit {bit} of character {i} does not count");
                    verdicts[error!.Error.ToString()] = verdicts.GetValueOrDefault(error.Error.ToString()) + 1;
                }
            }

            await TestContext.Out.WriteLineAsync($"{token.Length} characters, {token.Length * 16} bits changed one by one, all refused ({string.Join(", ", verdicts)})");
            Assert.That(verdicts.Values.Sum(), Is.EqualTo(token.Length * 16));
            Assert.That(verdicts.Keys, Is.EqualTo((string[])[nameof(M3AuthError.InvalidTokenFormat), nameof(M3AuthError.InvalidTokenSignature)]));
        }
    }

    private static async Task Check<T>(string name, Gen<T> gen, Func<T, string> make, int samples = Samples, bool mayPass = false)
    {
        using var keyCache = new KeyCacheFixture(options => options.Debug = false);
        await keyCache.UseUpRefetchesAsync();
        var verdicts = new ConcurrentDictionary<string, int>();
        var dearest = new Dearest();

        gen.Sample(input =>
        {
            string token = make(input);
            long before = GC.GetAllocatedBytesForCurrentThread();
            string verdict = Judge(keyCache, token);
            dearest.Note(token, GC.GetAllocatedBytesForCurrentThread() - before);
            verdicts.AddOrUpdate(verdict, 1, (_, count) => count + 1);
            return mayPass || verdict != "valid" || Tokens.Any(valid => token.Contains(valid, StringComparison.Ordinal));
        }, iter: samples, print: input => JsonSerializer.Serialize(make(input)));

        // What the runtime allocates once falls on whoever comes first: what the dearest costs by itself is the least of some runs.
        long least = Enumerable.Range(0, 20).Min(_ =>
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Judge(keyCache, dearest.Token);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        });
        await TestContext.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"{samples} {name}: {string.Join(", ", verdicts.OrderByDescending(one => one.Value).Select(one => $"{one.Value} {one.Key}"))}; the dearest, of {dearest.Token.Length} characters, allocates {least} bytes by itself"));
        Assert.That(verdicts.Values.Sum(), Is.GreaterThanOrEqualTo(samples));
        Assert.That(keyCache.Issuer.JwksRequests, Is.EqualTo(3));
        Assert.That(least, Is.LessThan(60_000 + (20 * dearest.Token.Length)));
    }

    // Whatever is no M3AuthException goes through, and fails the test with its seed. The cool-down keeps it synchronous.
    private static string Judge(KeyCacheFixture keyCache, string token)
    {
        try
        {
            Task<ValidatedToken> validation = keyCache.Validator.ValidateAsync(ParsedJwt.Parse(token), default);
            return validation.IsCompleted ? Valid(validation) : throw new InvalidOperationException("it should not have to wait");
        }
        catch (M3AuthException e)
        {
            _ = $"{e.Message} {e.Remedy} {e}";
            return e.Error.ToString();
        }

        static string Valid(Task<ValidatedToken> validation)
        {
            _ = validation.GetAwaiter().GetResult().Token.ToString();
            return "valid";
        }
    }

    // ES256, which signs much faster than RS256.
    private static string Sign(byte[] header, byte[] payload) => FakeIssuer.Sign(header, payload, "ES256");

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Mutate(string token, int kind, int seed, int length, string text)
    {
        int at = seed % token.Length;
        int end = Math.Min(token.Length, at + length);
        return kind switch
        {
            0 => token[..at] + token[end..],
            1 => token[..at] + text + token[at..],
            2 => token[..at] + text + token[end..],
            3 => token[..end] + token[at..],
            _ => token[..at] + (char)(token[at] ^ length) + token[(at + 1)..],
        };
    }

    // The real members, some of them replaced by anything, some left out, others beside them.
    private static Gen<string> AnyObject(JsonObject real, params string[] names) =>
        Gen.Select(Gen.Int[0, (1 << real.Count) - 1], Gen.Select(Gen.OneOf(names), AnyJson).Array[0, 3]).Select((kept, others) =>
        {
            List<string> members = [];
            string[] replaced = [.. others.Select(other => other.Item1)];
            int index = 0;
            foreach ((string name, JsonNode? value) in real)
            {
                // Mostly kept, or nothing would ever be valid.
                if (!replaced.Contains(name) && ((kept >> index & 1) == 1 || kept % 4 != 0))
                    members.Add($"\"{name}\":{value!.ToJsonString()}");
                index++;
            }

            members.AddRange(others.Select(other => $"\"{other.Item1}\":{other.Item2}"));
            return $"{{{string.Join(',', members)}}}";
        });

    private sealed class Dearest
    {
        private readonly Lock _gate = new();
        private long _bytes;

        public string Token { get; private set; } = "";

        public void Note(string token, long bytes)
        {
            lock (_gate)
            {
                if (bytes > _bytes)
                    (Token, _bytes) = (token, bytes);
            }
        }
    }
}
