using System.Net;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Origins;

/// <summary>An inner handler that follows redirects brings back somebody else's answer.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RedirectTests
{
    private static readonly Uri Elsewhere = new("https://evil.test/sse");

    [TestCaseSource(nameof(Ways))]
    public async Task A_401_from_elsewhere_is_never_answered_with_another_token(object way)
    {
        using ClientFixture fixture = Redirected((Way)way, HttpStatusCode.Unauthorized);

        RejectedException error = await fixture.FailAsync<RejectedException>();

        Assert.That(error.Message, Is.EqualTo("OAuth2 authentication failed: M3 answered 401 from https://evil.test:443: the call to https://m3.test:443 "
            + "was redirected there, and the token is not carried along; use M3's final address"));
        Assert.That(error.StatusCode, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [TestCaseSource(nameof(Ways))]
    public void The_same_of_a_synchronous_call(object way)
    {
        using ClientFixture fixture = Redirected((Way)way, HttpStatusCode.Unauthorized);
        using var request = new HttpRequestMessage(HttpMethod.Post, ClientFixture.Address);

        Assert.That(() => fixture.Client.Send(request), Throws.TypeOf<RejectedException>().With.Message.Contains("was redirected there"));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Within_one_origin_it_is_the_same()
    {
        using ClientFixture fixture = Redirected(Way.OnTheResponse, HttpStatusCode.Unauthorized, new Uri("https://m3.test/login"));

        RejectedException error = await fixture.FailAsync<RejectedException>();

        Assert.That(error.Message, Does.Contain("was redirected there"));
        Assert.That(fixture.Server.Arrivals, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Any_other_answer_from_elsewhere_is_the_callers()
    {
        using ClientFixture fixture = Redirected(Way.OnTheRequest, HttpStatusCode.OK);

        using HttpResponseMessage response = await fixture.CallAsync();

        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
    }

    [Test]
    public async Task Without_ThrowOnRejection_the_response_tells_the_same()
    {
        using ClientFixture fixture = Redirected(Way.OnTheResponse, HttpStatusCode.Unauthorized, configure: options => options.ThrowOnRejection = false);

        using HttpResponseMessage response = await fixture.CallAsync();

        Assert.That(response.GetM3AuthError(), Is.TypeOf<RejectedException>().With.Message.Contains("was redirected there"));
    }

    private static Way[] Ways => Enum.GetValues<Way>();

    // A newer token is at hand, and the body could be sent twice.
    private static ClientFixture Redirected(Way way, HttpStatusCode status, Uri? to = null, Action<M3AuthOptions>? configure = null)
    {
        var fixture = new ClientFixture(configure);
        fixture.Server.Answer = request =>
        {
            fixture.Token = fixture.NewToken();
            var response = new HttpResponseMessage(status);
            if (way != Way.OnTheResponse)
                request.RequestUri = to ?? Elsewhere;
            if (way != Way.OnTheRequestWhichTheResponseDoesNotName)
                response.RequestMessage = way == Way.OnTheRequest ? request : new HttpRequestMessage(HttpMethod.Get, to ?? Elsewhere);
            return response;
        };
        return fixture;
    }

    private enum Way
    {
        /// <summary>As SocketsHttpHandler does it.</summary>
        OnTheRequest,

        /// <summary>As a handler does it that makes a message of its own.</summary>
        OnTheResponse,

        /// <summary>As a careless handler does it.</summary>
        OnTheRequestWhichTheResponseDoesNotName,
    }
}
