using System.Diagnostics;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Diagnostics;

/// <summary>The spans, as OpenTelemetry's own SDK collects them.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class ActivityTests
{
    [Test]
    public async Task A_key_fetch_is_a_child_of_the_call_that_began_it()
    {
        using var observed = new ObservedClient();
        using Activity caller = ObservedClient.StartCaller();

        await observed.CallAsync();

        Activity fetch = observed.Activities.Single();
        Assert.That((fetch.OperationName, fetch.ParentSpanId, fetch.Status), Is.EqualTo(("m3.fetch_keys", caller.SpanId, ActivityStatusCode.Unset)));
    }

    [Test]
    public async Task A_call_for_which_nothing_is_due_leaves_no_span_of_its_own()
    {
        using var observed = new ObservedClient();
        await observed.CallAsync();
        int before = observed.Activities.Count;

        await observed.CallAsync();

        Assert.That(observed.Activities, Has.Count.EqualTo(before));
    }

    [Test]
    public async Task A_token_request_is_a_child_of_the_call_that_began_it_and_tells_its_failure()
    {
        using var observed = new ObservedClient(options => options.TokenSource = TokenSources.From(_ => throw new HttpRequestException("down")));
        using Activity caller = ObservedClient.StartCaller();

        await observed.FailAsync();

        Activity request = observed.Activities.Single(activity => activity.OperationName == "m3.request_token");
        Assert.That((request.ParentSpanId, request.Status, request.GetTagItem("error.type")), Is.EqualTo((caller.SpanId, ActivityStatusCode.Error, "TokenRequestFailed")));
        Assert.That(request.StatusDescription, Does.StartWith("Token request failed: "));
    }

    // A chain of sources leaves the caller's context before its sources do.
    [Test]
    public async Task So_is_the_one_of_a_source_in_a_chain()
    {
        using var fixture = new ClientFixture();
        using var observed = new ObservedClient(options => options.TokenSource = TokenSources.FirstOf(
            TokenSources.From(_ => new((string?)null)), TokenSources.From(_ => new(fixture.Token))));
        using Activity caller = ObservedClient.StartCaller();

        await observed.CallAsync();

        Assert.That(observed.Activities.Where(activity => activity.OperationName == "m3.request_token").Select(activity => activity.ParentSpanId),
            Is.EqualTo((ActivitySpanId[])[caller.SpanId, caller.SpanId]));
    }

    [Test]
    public async Task What_the_source_asks_is_a_child_of_the_token_request()
    {
        ActivitySpanId? within = null;
        using var fixture = new ClientFixture();
        using var observed = new ObservedClient(options => options.TokenSource = TokenSources.From(_ =>
        {
            within = Activity.Current?.SpanId;
            return new(fixture.Token);
        }));

        await observed.CallAsync();

        Assert.That(within, Is.EqualTo(observed.Activities.Single(activity => activity.OperationName == "m3.request_token").SpanId));
    }

    [Test]
    public async Task A_wait_for_the_budget_is_a_child_of_its_call()
    {
        using var observed = new ObservedClient(options => (options.RateLimitRequests, options.RateLimitWindow, options.RateLimitMode) = (1, TimeSpan.FromMinutes(5), RateLimitMode.Wait));
        await observed.CallAsync();
        using Activity caller = ObservedClient.StartCaller();

        Task waiting = observed.CallAsync();
        await observed.PassTheTurnAsync(waiting);

        Activity wait = observed.Activities.Single(activity => activity.OperationName == "m3.wait_for_budget");
        Assert.That(wait.ParentSpanId, Is.EqualTo(caller.SpanId));
        Assert.That(Activity.Current, Is.SameAs(caller), "what comes after the wait is the caller's again");
    }

    [Test]
    public async Task A_refused_call_leaves_a_span_that_says_why()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["exp"] = observed.Fixture.Now.AddMinutes(-5).ToUnixTimeSeconds());
        using Activity caller = ObservedClient.StartCaller();

        M3AuthException error = await observed.FailAsync();

        Activity refused = observed.Activities.Single(activity => activity.OperationName == "m3.refuse_request");
        Assert.That((refused.ParentSpanId, refused.Status, refused.StatusDescription), Is.EqualTo((caller.SpanId, ActivityStatusCode.Error, error.Message)));
        Assert.That(refused.TagObjects, Is.EquivalentTo(new Dictionary<string, object?>
        {
            ["m3.client.name"] = observed.Name,
            ["error.type"] = "TokenExpired",
            ["m3.refused_by"] = "client",
            ["server.address"] = "m3.test",
            ["server.port"] = 443,
        }));
    }

    [Test]
    public async Task A_call_that_M3_refused_says_so_with_its_status()
    {
        using var observed = new ObservedClient();
        observed.Fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer error=\"invalid_token\", error_description=\"Token has expired\"");

        await observed.FailAsync();

        Activity refused = observed.Activities.Single(activity => activity.OperationName == "m3.refuse_request");
        Assert.That((refused.GetTagItem("m3.refused_by"), refused.GetTagItem("http.response.status_code"), refused.GetTagItem("error.type")), Is.EqualTo(("server", 401, "TokenExpired")));
    }

    // A gateway may name the subject in its own words.
    [TestCase("Bearer error=\"invalid_token\", error_description=\"ada@hospital.test may not\"", "OAuth2 authentication failed: invalid_token")]
    [TestCase("Bearer error=\"ada@hospital.test\", error_description=\"ada@hospital.test may not\"", "OAuth2 authentication failed")]
    [TestCase("Bearer", "OAuth2 authentication failed")]
    public async Task What_M3_says_in_its_own_words_stays_out_of_the_span(string challenge, string description)
    {
        using var observed = new ObservedClient();
        observed.Fixture.Server.Answer = request => FakeM3.Refuse(request, challenge);

        await observed.FailAsync();

        Assert.That(observed.Activities.Single(activity => activity.OperationName == "m3.refuse_request").StatusDescription, Is.EqualTo(description));
    }

    [Test]
    public async Task No_token_and_no_subject_is_in_any_of_it()
    {
        using var observed = new ObservedClient(options => options.RateLimitRequests = 1);
        await observed.CallAsync();
        await observed.FailAsync();
        string token = observed.Fixture.Token!;
        observed.Fixture.Token = $"{token}.{token}";
        observed.Advance(TimeSpan.FromHours(2));
        await observed.FailAsync();

        string everything = string.Join('\n', observed.Activities.Select(activity => $"{activity.DisplayName} {activity.StatusDescription} {string.Join(' ', activity.TagObjects)}"))
            + string.Join('\n', observed.Collect().Keys);

        Assert.That(observed.Activities, Has.Count.GreaterThanOrEqualTo(3));
        Assert.That(everything, Does.Not.Contain(token).And.Not.Contains("researcher").And.Not.Contains(token.Split('.')[2]));
    }
}
