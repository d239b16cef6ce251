using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Validation;

/// <summary>The promise: it never sends a token that M3's documented rules reject, and never refuses one that they accept.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class TokenTableTests
{
    private static IEnumerable<TokenCase> AcceptedTokens => TokenCases.All.Where(one => one.Verdict is null);

    private static IEnumerable<TokenCase> RefusedTokens => TokenCases.All.Where(one => one.Verdict is not null);

    [TestCaseSource(nameof(AcceptedTokens))]
    public async Task A_token_that_the_rules_accept_arrives_bare_behind_Bearer(object accepted)
    {
        using var fixture = new ClientFixture();
        fixture.Token = ((TokenCase)accepted).Make(fixture.Issuer);

        using HttpResponseMessage response = await fixture.CallAsync();

        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
        string[] words = fixture.Token!.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        Assert.That(fixture.Server.Arrivals[0], Has.Property("Scheme").EqualTo("Bearer").And.Property("Token").EqualTo(words[^1]));
    }

    [TestCaseSource(nameof(RefusedTokens))]
    public async Task A_token_that_the_rules_reject_fails_with_its_error_and_nothing_is_sent(object refused)
    {
        using var fixture = new ClientFixture();
        fixture.Token = ((TokenCase)refused).Make(fixture.Issuer);

        M3AuthException error = await fixture.FailAsync();

        Assert.That(error.Error, Is.EqualTo(((TokenCase)refused).Verdict), error.Message);
        Assert.That(fixture.Server.Arrivals, Is.Empty);
    }

    [TestCase("sub")]
    [TestCase("jti")]
    public async Task A_claim_that_is_no_string_is_named_and_its_remedy_is_the_provider_s(string name)
    {
        using var fixture = new ClientFixture();
        fixture.Token = fixture.NewToken(payload => payload[name] = 5);

        InvalidTokenFormatException error = await fixture.FailAsync<InvalidTokenFormatException>();

        Assert.That(error.Message, Is.EqualTo($"Invalid token format: its {name} is not a string"));
        Assert.That(error.Remedy, Does.Contain("provider").And.Not.Contain("Copy"));
    }

    [Test]
    public async Task The_whole_table_has_a_row_for_every_verdict_of_a_token()
    {
        HashSet<M3AuthError?> verdicts = [];
        int sent = 0;
        foreach (TokenCase one in TokenCases.All)
        {
            using var fixture = new ClientFixture();
            fixture.Token = one.Make(fixture.Issuer);
            string verdict = "accepted";
            try
            {
                using HttpResponseMessage response = await fixture.CallAsync();
            }
            catch (M3AuthException e)
            {
                verdict = $"{e.Error}: {e.Message}";
            }

            verdicts.Add(one.Verdict);
            sent += fixture.Server.Arrivals.Count;
            await TestContext.Out.WriteLineAsync($"{one.Name,-50} {fixture.Server.Arrivals.Count} sent  {verdict}");
        }

        await TestContext.Out.WriteLineAsync($"{TokenCases.All.Count()} tokens: {AcceptedTokens.Count()} accepted, {RefusedTokens.Count()} refused, {sent} sent");
        Assert.That(TokenCases.All.Count(), Is.GreaterThanOrEqualTo(100));
        Assert.That(TokenCases.All.Select(one => one.Name), Is.Unique);
        Assert.That(sent, Is.EqualTo(AcceptedTokens.Count()));
        Assert.That(verdicts, Is.EquivalentTo(new M3AuthError?[]
        {
            null, M3AuthError.MissingToken, M3AuthError.InvalidTokenFormat, M3AuthError.InvalidTokenSignature, M3AuthError.TokenExpired,
            M3AuthError.TokenNotYetValid, M3AuthError.InvalidIssuer, M3AuthError.InvalidAudience, M3AuthError.MissingScopes,
        }));
    }

    [Test]
    public async Task A_token_of_exactly_64_KiB_is_accepted_and_one_of_a_character_more_is_not()
    {
        using var keyCache = new KeyCacheFixture();

        Assert.That(await keyCache.JudgeAsync(TokenOf(64 * 1024)), Is.Null);
        Assert.That(await keyCache.JudgeAsync(" Bearer " + TokenOf(64 * 1024) + "\n"), Is.Null, "what stands around it does not count");
        Assert.That(await keyCache.JudgeAsync(TokenOf((64 * 1024) + 1)), Is.TypeOf<InvalidTokenFormatException>().With.Message.Contains("longer than 65536 characters"));
    }

    private static string TokenOf(int length)
    {
        var issuer = new FakeIssuer();
        // Not every length can be had by the claims alone: of each four characters of base64url they may end on three.
        for (int inHeader = 0; inHeader < 3; inHeader++)
        {
            string Token(int inClaims) => issuer.Token(ClientFixture.Noon, claims => claims["x"] = new string('x', inClaims), header => header["x"] = new string('x', inHeader));
            int near = (length - Token(0).Length) / 4 * 3;
            for (int inClaims = near - 4; inClaims <= near + 4; inClaims++)
            {
                if (Token(inClaims) is { } token && token.Length == length)
                    return token;
            }
        }

        throw new AssertionException($"no token has {length} characters");
    }
}
