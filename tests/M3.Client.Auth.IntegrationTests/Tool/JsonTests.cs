using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace M3.Client.Auth.IntegrationTests.Tool;

/// <summary>What <c>--json</c> gives to a program: every value in its own type.</summary>
public sealed class JsonTests : ToolFixture
{
    [Test]
    public async Task A_good_token_has_dates_numbers_arrays_and_objects()
    {
        JsonElement json = ReadJson(await CheckAsync(M3.CreateToken(), "--json"));

        using (Assert.EnterMultipleScope())
        {
            Assert.That(json.GetProperty("ok").GetBoolean(), Is.True);
            Assert.That(json.GetProperty("exitCode").GetInt32(), Is.Zero);
            Assert.That(json.GetProperty("error").ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(json.GetProperty("tokenFrom").GetString(), Is.EqualTo("the environment variable M3_OAUTH2_TOKEN"));

            JsonElement claims = json.GetProperty("claims");
            var expires = DateTimeOffset.ParseExact(json.GetProperty("expiresAt").GetString()!, "yyyy-MM-dd'T'HH:mm:ssK", CultureInfo.InvariantCulture);
            Assert.That(expires.ToUnixTimeSeconds(), Is.EqualTo(claims.GetProperty("exp").GetInt64()));
            Assert.That(json.GetProperty("secondsLeft").GetInt64(), Is.Positive);
            Assert.That(claims.GetProperty("iss").GetString(), Is.EqualTo(M3.IssuerUrl));
            Assert.That(Texts(json.GetProperty("scopes")), Is.EqualTo(new[] { "read:mimic-data" }));
            Assert.That(Texts(json.GetProperty("requiredScopes")), Is.EqualTo(new[] { "read:mimic-data" }));
            Assert.That(Texts(json.GetProperty("audiences")), Is.EqualTo(new[] { "m3-api" }));
            Assert.That(json.GetProperty("isSignatureVerified").GetBoolean(), Is.True);
            Assert.That(json.GetProperty("header").GetProperty("alg").GetString(), Is.EqualTo("RS256"));

            JsonElement settings = json.GetProperty("settings");
            Assert.That(settings.GetProperty("M3_OAUTH2_ENABLED").GetProperty("value").GetBoolean(), Is.True);
            Assert.That(settings.GetProperty("M3_OAUTH2_ENABLED").GetProperty("from").GetString(), Is.EqualTo("default"));
            Assert.That(settings.GetProperty("M3_OAUTH2_JWKS_CACHE_TTL").GetProperty("value").GetInt32(), Is.EqualTo(3600));
            Assert.That(settings.GetProperty("M3_OAUTH2_AUDIENCE").GetProperty("from").GetString(), Is.EqualTo("environment"));
            Assert.That(settings.GetProperty("M3_OAUTH2_TOKEN").GetProperty("value").GetString(), Is.EqualTo("(set, not shown)"));

            Assert.That(json.GetProperty("checks").EnumerateArray().Select(check => check.GetProperty("result").GetString()), Is.All.EqualTo("passed").And.Exactly(8).Items);
            Assert.That(json.GetProperty("keys").GetProperty("usable").GetArrayLength(), Is.EqualTo(2));
            Assert.That(json.GetProperty("requests").EnumerateArray().Select(request => request.GetProperty("status").GetInt32()), Is.All.EqualTo(200).And.Exactly(2).Items);
            Assert.That(json.GetProperty("rateLimit").GetProperty("requests").GetInt32(), Is.EqualTo(100));
        }
    }

    [Test]
    public async Task An_expired_token_has_less_than_no_time_left()
    {
        JsonElement json = ReadJson(await CheckAsync(M3.CreateToken(TimeSpan.FromMinutes(-5)), "--json"));

        Assert.That(json.GetProperty("secondsLeft").GetInt64(), Is.Negative);
        Assert.That(json.GetProperty("error").GetProperty("error").GetString(), Is.EqualTo("TokenExpired"));
    }

    [Test]
    public async Task Without_a_token_every_member_is_there_all_the_same()
    {
        JsonElement good = ReadJson(await CheckAsync(M3.CreateToken(), "--json"));
        JsonElement none = ReadJson(await CheckAsync(null, "--json"));

        Assert.That(Names(none), Is.EqualTo(Names(good)));
        Assert.That(none.GetProperty("expiresAt").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(none.GetProperty("claims").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(none.GetProperty("scopes").GetArrayLength(), Is.Zero);
    }

    [Test]
    public async Task Odd_claims_keep_their_types_and_cannot_break_the_output()
    {
        string another = M3.CreateToken();
        string token = Unsigned($$"""
            {"aud":["one","two"],"scope":"a b","scp":["b","c"],"exp":1e999,"nested":{"deep":[1,true,null,"{{another}}"]},"half":"\ud800","turned":"a\u202eb","twice":1,"twice":2}
            """);

        ExampleResult result = await CheckAsync(token, "--json");
        ExampleResult text = await CheckAsync(token);

        JsonElement json = ReadJson(result);
        JsonElement claims = json.GetProperty("claims");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(json.GetProperty("isSignatureVerified").GetBoolean(), Is.False);
            Assert.That(Texts(json.GetProperty("audiences")), Is.EqualTo(new[] { "one", "two" }));
            Assert.That(Texts(json.GetProperty("scopes")), Is.EqualTo(new[] { "a", "b", "c" }));
            Assert.That(json.GetProperty("expiresAt").ValueKind, Is.EqualTo(JsonValueKind.Null));
            Assert.That(claims.GetProperty("nested").GetProperty("deep").GetRawText().ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal),
                Is.EqualTo("[1,true,null,\"(holdsatoken,notshown)\"]"));
            Assert.That(claims.GetProperty("half").GetString(), Is.EqualTo("(unreadable)"));
            Assert.That(claims.GetProperty("turned").GetString(), Is.EqualTo("a\u202eb"), "escaped, and so the same");
            Assert.That(result.Output, Does.Not.Contain("\u202e"));
            Assert.That(text.ExitCode, Is.EqualTo(result.ExitCode), text.All);
            AssertShowsNoToken(result, another);
            AssertShowsNoToken(text, another);
        }
    }

    [Test]
    public async Task Wrong_settings_are_a_typed_error_with_what_is_set()
    {
        ExampleResult result = await Example.RunToolAsync([.. With(M3, M3.CreateToken()), new("M3_OAUTH2_ENABLED", "yes")], "--json");

        JsonElement json = ReadJson(result);
        Assert.That(result.ExitCode, Is.EqualTo(WrongSettings));
        Assert.That(json.GetProperty("error").GetProperty("error").GetString(), Is.EqualTo("Settings"));
        Assert.That(json.GetProperty("error").GetProperty("documentedMessage").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(json.GetProperty("settings").GetProperty("M3_OAUTH2_ENABLED").GetProperty("value").GetString(), Is.EqualTo("yes"));
        AssertShowsNoToken(result);
    }

    [Test]
    public async Task The_keys_and_a_call_are_JSON_too()
    {
        JsonElement keys = ReadJson(await Example.RunToolAsync(M3.ClientEnvironment, "keys", "--json"));
        JsonElement call = ReadJson(await Example.RunToolAsync(With(M3, M3.CreateToken()), "--json", "call", M3.Endpoint.AbsoluteUri, "--tool", "get_race_distribution"));
        JsonElement nobody = ReadJson(await Example.RunToolAsync(With(M3, M3.CreateToken()), "--json", "call", "http://127.0.0.1:1/sse"));

        Assert.That(keys.GetProperty("keys").GetProperty("state").GetString(), Is.EqualTo("Fresh"));
        Assert.That(keys.GetProperty("ok").GetBoolean(), Is.True);
        Assert.That(call.GetProperty("answer").GetString(), Does.Contain("PORTUGUESE"));
        Assert.That(call.GetProperty("call").GetProperty("milliseconds").GetInt64(), Is.Not.Negative);
        Assert.That(nobody.GetProperty("error").GetProperty("error").GetString(), Is.EqualTo("Failed"));
        Assert.That(nobody.GetProperty("error").GetProperty("isTransient").GetBoolean(), Is.True);
    }

    private static string Unsigned(string claims) =>
        $"{Base64Url.EncodeToString("""{"alg":"RS256","kid":"k"}"""u8)}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims.Trim()))}.AAAA";

    private static IEnumerable<string?> Texts(JsonElement array) => array.EnumerateArray().Select(item => item.GetString());

    private static IEnumerable<string> Names(JsonElement json) => json.EnumerateObject().Select(member => member.Name);
}
