using System.Net;

namespace M3.Client.Auth.Tests.Errors;

public sealed class ChallengeTests
{
    public static IEnumerable<TestCaseData> Cases() => ChallengeTable.Cases.Select(challenge => new TestCaseData(challenge).SetArgDisplayNames(challenge.Who));

    [Test]
    public void The_table_is_as_long_as_promised_and_no_case_stands_twice()
    {
        Assert.That(ChallengeTable.Cases, Has.Length.GreaterThanOrEqualTo(60));
        Assert.That(ChallengeTable.Cases.Select(challenge => challenge.Who), Is.Unique);
        TestContext.Out.WriteLine($"{ChallengeTable.Cases.Length} challenges");
    }

    [TestCaseSource(nameof(Cases))]
    public void A_challenge_is_read_and_becomes_its_error(ChallengeCase known)
    {
        using HttpResponseMessage response = Response(known.Status, known.Lines);

        M3AuthException? error = response.GetM3AuthError();

        Assert.That(error, Is.Not.Null);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(error!.Error, Is.EqualTo(known.Expected));
            Assert.That(error.StatusCode, Is.EqualTo(known.Status));
            Assert.That(error.Challenge is not null, Is.EqualTo(known.IsBearer));
            Assert.That(error.Challenge?.Error, Is.EqualTo(known.Code));
            Assert.That(string.Join(' ', error.Challenge?.Scopes ?? []), Is.EqualTo(known.Scopes));
            if (known.Description is not null)
                Assert.That(error.Challenge?.ErrorDescription, Is.EqualTo(known.Description));
            if (known.ResourceMetadata is not null)
                Assert.That(error.Challenge?.ResourceMetadata, Is.EqualTo(known.ResourceMetadata));
            Assert.That(error.ToString(), Does.Not.Contain("eyJ"));
            Assert.That(error.Message, Does.StartWith(error.DocumentedMessage + ": M3 answered").Or.StartWith("Missing required scopes: "));
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void A_challenge_is_the_same_through_the_clients_own_header_types(ChallengeCase known)
    {
        // Whoever has looked at Headers.WwwAuthenticate before has made .NET parse and rewrite the lines.
        using HttpResponseMessage response = Response(known.Status, known.Lines);
        _ = response.Headers.WwwAuthenticate.Count;

        Assert.That(response.GetM3AuthError()?.Error, Is.EqualTo(known.Expected));
    }

    [TestCase("""Bearer error="insufficient_scope", scope="read:mimic-data write:mimic-data" """, "read:mimic-data write:mimic-data")]
    [TestCase("""Bearer error="insufficient_scope", error_description="Required scope: read:mimic-data" """, "read:mimic-data")]
    [TestCase("""Bearer error="insufficient_scope", error_description="Required scopes: read:mimic-data, a b" """, "read:mimic-data a b")]
    [TestCase("""Bearer error="insufficient_scope" """, "")]
    public void Scopes_are_those_that_M3_asks_for(string header, string required)
    {
        using HttpResponseMessage response = Response(HttpStatusCode.Forbidden, [header]);

        var error = response.GetM3AuthError() as MissingScopesException;

        Assert.That(error, Is.Not.Null);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(string.Join(' ', error!.Required), Is.EqualTo(required));
            Assert.That(string.Join(' ', error.Missing), Is.EqualTo(required));
            Assert.That(error.Granted, Is.Null);
        }
    }

    // One with an error says more than one without; of those that have one the first counts, wherever it stands.
    [TestCase("first", "Bearer error=\"invalid_token\", error_description=\"first\"", "Bearer error=\"invalid_token\", error_description=\"second\"")]
    [TestCase("first", "Bearer error=\"invalid_token\", error_description=\"first\", Bearer error=\"invalid_request\", error_description=\"second\"")]
    [TestCase("first", "Bearer realm=\"m3\", error_description=\"without\"", "Bearer error=\"invalid_token\", error_description=\"first\"", "Bearer error=\"invalid_token\", error_description=\"second\"")]
    [TestCase("first", "Bearer error=\"invalid_token\", error_description=\"first\"", "Bearer error_description=\"without\"")]
    [TestCase("without", "Bearer error_description=\"without\"", "Bearer error_description=\"without, too\"")]
    public void Of_several_challenges_the_first_with_an_error_counts(string description, params string[] lines)
    {
        Assert.That(BearerChallenge.Find(lines)?.ErrorDescription, Is.EqualTo(description));
    }

    // Millions of places where a value could end: work that grew with their square would not end today.
    [TestCase("x\"")]
    [TestCase("\", a")]
    [TestCase("\", a b=, ")]
    [TestCase("\\\"")]
    public void The_work_grows_with_the_length_of_a_line_alone(string piece)
    {
        string line = "Bearer error=\"" + string.Concat(Enumerable.Repeat(piece, 1024 * 1024 / piece.Length)) + "!";

        Assert.That(BearerChallenge.Find([line]), Is.Not.Null);
    }

    [TestCase(HttpStatusCode.OK)]
    [TestCase(HttpStatusCode.BadRequest)]
    [TestCase(HttpStatusCode.NotFound)]
    [TestCase(HttpStatusCode.MisdirectedRequest)]
    [TestCase(HttpStatusCode.TooManyRequests)]
    [TestCase(HttpStatusCode.InternalServerError)]
    [TestCase(HttpStatusCode.BadGateway)]
    [TestCase(HttpStatusCode.ServiceUnavailable)]
    public void Any_other_answer_is_the_callers_whatever_its_challenge(HttpStatusCode status)
    {
        using HttpResponseMessage response = Response(status, ["""Bearer error="invalid_token" """]);

        Assert.That(response.GetM3AuthError(), Is.Null);
    }

    [TestCase]
    [TestCase("Bearer")]
    [TestCase("""Basic realm="x" """)]
    [TestCase("""Bearer error="invalid_token", error_description="Token has expired" """)]
    [TestCase("""Custom error="insufficient_scope" """)]
    public void A_403_that_does_not_say_insufficient_scope_is_the_callers(params string[] lines)
    {
        using HttpResponseMessage response = Response(HttpStatusCode.Forbidden, lines);

        Assert.That(response.GetM3AuthError(), Is.Null);
    }

    private static HttpResponseMessage Response(HttpStatusCode status, string[] lines)
    {
        var response = new HttpResponseMessage(status);
        foreach (string line in lines)
            response.Headers.TryAddWithoutValidation("WWW-Authenticate", line);
        return response;
    }
}
