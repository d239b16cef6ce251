using System.Text.Json;
using System.Text.Json.Nodes;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Performance;

/// <summary>
/// Whatever a token holds, judging it takes work in proportion to its length. Each is as long as a token may be and judged many times: where
/// the work grows with the square of the length, that takes many minutes.
/// </summary>
[Parallelizable(ParallelScope.All)]
public sealed class LinearWorkTests
{
    private const int Rounds = 300;
    private const int Length = 47_000;

    private static IEnumerable<TestCaseData> Tokens()
    {
        foreach (string piece in (string[])[".", "A", "a.", "eyJ", "eyJ.", "ew", "Bearer ", "\"", " ", "{", "=", "\ud800", "\0"])
            yield return new TestCaseData(Fill(piece, 64 * 1024)).SetArgDisplayNames($"{JsonSerializer.Serialize(piece)} again and again");
        yield return Case("names in scope", claims => claims["scope"] = Fill("a ", Length));
        yield return Case("separators in scope", claims => claims["scope"] = Fill(" ,", Length));
        yield return Case("names in scp", claims => claims["scp"] = Many(Length / 9, i => $"s{i}"));
        yield return Case("audiences", claims => claims["aud"] = Many(Length / 9, i => $"a{i}"));
        yield return Case("scopes elsewhere", claims => (claims["scope"], claims["permissions"]) = ("", Many(Length / 9, i => $"p{i}")));
        yield return Case("one long audience", claims => claims["aud"] = Fill("-ew.", Length));
        yield return Case("one long issuer", claims => claims["iss"] = "https://issuer.test/" + Fill("a/", Length));
        yield return Case("members", claims =>
        {
            for (int i = 0; i < Length / 11; i++)
                claims[$"m{i}"] = 0;
        });
        yield return Case("depth", claims => claims["x"] = "DEEP", json => json.Replace("\"DEEP\"", Fill("[", Length / 2) + Fill("]", Length / 2), StringComparison.Ordinal));
        yield return new TestCaseData(new FakeIssuer().Token(ClientFixture.Noon, header: header => header["kid"] = Fill("-ew.", Length), algorithm: "ES256")).SetArgDisplayNames("a long kid");
    }

    [TestCaseSource(nameof(Tokens)), CancelAfter(60_000)]
    public async Task A_token_is_judged_in_work_that_grows_with_its_length_alone(string token, CancellationToken patience)
    {
        using var keyCache = new KeyCacheFixture(options => options.Debug = false);
        await keyCache.UseUpRefetchesAsync();
        Assert.That(token.Length, Is.InRange(50_000, 64 * 1024));

        long least = long.MaxValue;
        for (int i = 0; i < Rounds; i++)
        {
            least = Math.Min(least, JudgeOnce(keyCache, token));
            Assert.That(patience.IsCancellationRequested, Is.False, $"only {i + 1} rounds were over within a minute");
        }

        await TestContext.Out.WriteLineAsync($"{token.Length} characters, {least} bytes allocated");
        Assert.That(least, Is.LessThan(100_000 + (40 * token.Length)));
    }

    // With the keys there and the refetches used up nothing is waited for, so that all of it is allocated by this thread.
    private static long JudgeOnce(KeyCacheFixture keyCache, string token)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Task<M3AuthException?> judging = keyCache.JudgeAsync(token);
        Assert.That(judging.IsCompleted);
        _ = $"{judging.Result?.Message} {judging.Result?.Remedy}";
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static TestCaseData Case(string name, Action<JsonObject> change, Func<string, string>? edit = null)
    {
        JsonObject claims = new FakeIssuer().Claims(ClientFixture.Noon);
        change(claims);
        string payload = claims.ToJsonString();
        return new TestCaseData(FakeIssuer.Sign(FakeIssuer.Header("ES256").ToJsonString(), edit?.Invoke(payload) ?? payload, "ES256")).SetArgDisplayNames(name);
    }

    private static string Fill(string piece, int length) => string.Concat(Enumerable.Repeat(piece, length / piece.Length));

    private static JsonArray Many(int count, Func<int, string> name) => [.. Enumerable.Range(0, count).Select(i => (JsonNode)name(i))];
}
