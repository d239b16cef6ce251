using System.Net;
using M3.Client.Auth.Tests.Errors;
using RichardSzalay.MockHttp;

namespace M3.Client.Auth.Tests.Answers;

public sealed class RefusedAnswerTests
{
    public static IEnumerable<TestCaseData> Cases() => ChallengeTable.Cases.Select(challenge => new TestCaseData(challenge).SetArgDisplayNames(challenge.Who));

    [TestCaseSource(nameof(Cases))]
    public async Task The_same_error_is_thrown_or_left_on_the_response(ChallengeCase known)
    {
        using HttpClient throwing = Client(throws: true, known.Status, known.Lines);
        using HttpClient returning = Client(throws: false, known.Status, known.Lines);

        M3AuthException thrown = (await Assert.CatchAsync<M3AuthException>(() => throwing.GetAsync("")))!;
        using HttpResponseMessage response = await returning.GetAsync("");
        M3AuthException? left = response.GetM3AuthError();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(thrown.Error, Is.EqualTo(known.Expected));
            Assert.That(response.StatusCode, Is.EqualTo(known.Status));
            Assert.That(left?.GetType(), Is.EqualTo(thrown.GetType()));
            Assert.That(left?.Message, Is.EqualTo(thrown.Message));
            Assert.That(left?.Remedy, Is.EqualTo(thrown.Remedy));
            Assert.That(left?.StatusCode, Is.EqualTo(thrown.StatusCode));
            Assert.That(left?.Challenge?.Error, Is.EqualTo(thrown.Challenge?.Error));
            Assert.That(response.GetM3AuthError(), Is.SameAs(left));
        }
    }

    [Test]
    public async Task Scopes_that_M3_did_not_name_are_the_required_ones()
    {
        using HttpClient client = Client(throws: true, HttpStatusCode.Forbidden, ["""Bearer error="insufficient_scope" """]);

        var error = await Assert.CatchAsync<MissingScopesException>(() => client.GetAsync(""));

        using (Assert.EnterMultipleScope())
        {
            Assert.That(error!.Required, Is.EqualTo(["read:mimic-data"]));
            Assert.That(error.Granted, Is.EqualTo(["read:mimic-data"]));
            Assert.That(error.Missing, Is.Empty);
            Assert.That(error.Message, Is.EqualTo("Missing required scopes: M3 answered 403 insufficient_scope"));
        }
    }

    [Test]
    public async Task Scopes_that_M3_wants_beyond_the_required_ones_are_missing()
    {
        using HttpClient client = Client(throws: true, HttpStatusCode.Forbidden, ["""Bearer error="insufficient_scope", error_description="Required scope: write:mimic-data" """]);

        var error = await Assert.CatchAsync<MissingScopesException>(() => client.GetAsync(""));

        Assert.That(error!.Message, Does.StartWith("Missing required scopes: write:mimic-data (the token has read:mimic-data); M3 answered 403"));
    }

    [TestCase(HttpStatusCode.BadRequest, """Bearer error="invalid_request" """)]
    [TestCase(HttpStatusCode.Forbidden, null)]
    [TestCase(HttpStatusCode.Forbidden, "Bearer")]
    [TestCase(HttpStatusCode.Forbidden, """Basic realm="x" """)]
    [TestCase(HttpStatusCode.NotFound, "Bearer")]
    [TestCase(HttpStatusCode.MisdirectedRequest, null)]
    [TestCase(HttpStatusCode.TooManyRequests, "Bearer")]
    [TestCase(HttpStatusCode.InternalServerError, """Bearer error="invalid_token" """)]
    [TestCase(HttpStatusCode.ServiceUnavailable, null)]
    public async Task Any_other_answer_is_the_callers(HttpStatusCode status, string? challenge)
    {
        using HttpClient client = Client(throws: true, status, challenge is null ? [] : [challenge]);

        using HttpResponseMessage response = await client.GetAsync("");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(status));
            Assert.That(response.GetM3AuthError(), Is.Null);
            Assert.That(await response.Content.ReadAsStringAsync(), Is.EqualTo("the body"));
        }
    }

    [Test]
    public async Task An_error_left_on_one_response_is_not_read_off_another_of_the_same_request()
    {
        using HttpClient client = Client(throws: false, HttpStatusCode.Unauthorized, ["""Bearer error="invalid_token", error_description="Token has expired" """]);
        using HttpResponseMessage refused = await client.GetAsync("");
        using var other = new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = refused.RequestMessage };

        using (Assert.EnterMultipleScope())
        {
            Assert.That(refused.GetM3AuthError(), Is.TypeOf<TokenExpiredException>());
            Assert.That(other.GetM3AuthError(), Is.Null);
        }
    }

    private static HttpClient Client(bool throws, HttpStatusCode status, string[] challenges)
    {
        var server = new MockHttpMessageHandler();
        server.When("*").Respond(_ =>
        {
            var response = new HttpResponseMessage(status) { Content = new StringContent("the body") };
            foreach (string challenge in challenges)
                response.Headers.TryAddWithoutValidation("WWW-Authenticate", challenge);
            return response;
        });
        var options = new M3AuthOptions { ThrowOnRejection = throws };
        return new HttpClient(new M3AuthHandler(new FixedTokenProvider(), options) { InnerHandler = server }) { BaseAddress = new Uri("https://m3.test/sse") };
    }

    private sealed class FixedTokenProvider : IM3TokenProvider
    {
        private readonly M3AccessToken _token = new("made.up.token", scopes: ["read:mimic-data"]);

        public ValueTask<M3AccessToken> GetTokenAsync(CancellationToken cancellationToken = default) => new(_token);

        public ValueTask<M3AccessToken> RenewTokenAsync(M3AccessToken rejected, CancellationToken cancellationToken = default) => new(_token);
    }
}
