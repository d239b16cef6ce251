using System.Text.RegularExpressions;
using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Diagnostics;

/// <summary>docs/production.md, "What each failure looks like": each row is what OpenTelemetry's SDK and the health check say of it.</summary>
[NonParallelizable]
public sealed partial class FailuresToldTests
{
    private const string Refused = "m3.client.auth.request.refused";

    private static readonly Failure[] Failures =
    [
        new("no token", null, async observed =>
        {
            observed.Fixture.Token = null;
            await observed.FailAsync();
        }),
        new("the token has expired", null, async observed =>
        {
            await observed.CallAsync();
            observed.Advance(TimeSpan.FromMinutes(31));
            await observed.FailAsync();
        }),
        new("a token for another audience", null, async observed =>
        {
            observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["aud"] = "others");
            await observed.FailAsync();
        }),
        new("a scope is missing", null, async observed =>
        {
            observed.Fixture.Token = observed.Fixture.NewToken(claims => claims["scope"] = "read:notes");
            await observed.FailAsync();
        }),
        new("the issuer is down from the start", null, async observed =>
        {
            observed.Fixture.Issuer.GoDown();
            await observed.FailAsync();
        }),
        new("the issuer goes down later", null, async observed =>
        {
            await observed.CallAsync();
            observed.Fixture.Issuer.GoDown();
            observed.Advance(TimeSpan.FromMinutes(61));
            observed.Fixture.Token = observed.Fixture.NewToken();
            await observed.CallAsync();
        }),
        new("the token's key is withdrawn", null, async observed =>
        {
            await observed.CallAsync();
            observed.Fixture.Issuer.Keys.RemoveAt(0);
            await observed.Provider.RefreshKeysAsync();
            await observed.FailAsync();
        }),
        new("the token cannot be renewed", options => options.TokenSource = new EndingSource(), async observed =>
        {
            await observed.CallAsync();
            observed.Advance(TimeSpan.FromMinutes(29.5));
            await observed.CallAsync();
            await KeyCacheFixture.UntilAsync(() => observed.Fixture.Log.Warnings.Any(), "the renewal has failed");
        }),
        new("the budget is spent", options => options.RateLimitRequests = 1, async observed =>
        {
            await observed.CallAsync();
            await observed.FailAsync();
        }),
        new("M3 asks for a pause", null, async observed =>
        {
            observed.Fixture.Server.Answer = request => FakeM3.AskForPause(request, "60");
            await observed.CallAsync();
        }),
        new("M3 refuses a token that is valid here", null, async observed =>
        {
            observed.Fixture.Server.Answer = request => FakeM3.Refuse(request, "Bearer");
            await observed.FailAsync();
        }),
        new("a call to another address", null, async observed =>
            await Assert.ThatAsync(() => observed.Client.GetAsync("https://elsewhere.test/"), Throws.TypeOf<UntrustedOriginException>())),
    ];

    private static IEnumerable<string[]> Rows => Page.Rows("docs/production.md", "## What each failure looks like");

    [Test]
    public void Every_failure_of_the_page_is_tried_here_and_no_other() =>
        Assert.That(Rows.Select(row => row[0]), Is.EqualTo(Failures.Select(failure => failure.Name)));

    [TestCaseSource(nameof(Rows))]
    public async Task A_failure_can_be_told_by_telemetry_alone(string failure, string metrics, string span, string health)
    {
        Failure tried = Failures.Single(one => one.Name == failure);
        using var observed = new ObservedClient(tried.Configure);

        await tried.Happens(observed);

        IReadOnlyDictionary<string, double> points = observed.Collect();
        foreach (string metric in metrics.Split(';', StringSplitOptions.TrimEntries))
        {
            string series = InCode().Match(metric).Groups[1].Value;
            if (metric.StartsWith("refused", StringComparison.Ordinal))
                Assert.That(points, Does.ContainKey($"{Refused} {series}").WithValue(1));
            else if (metric.EndsWith("has ended", StringComparison.Ordinal))
                Assert.That(points, Does.Not.ContainKey(series));
            else if (metric.Contains("at 0", StringComparison.Ordinal))
                Assert.That(points.Single(point => point.Key.StartsWith(series + " ", StringComparison.Ordinal)).Value, Is.Zero);
            else if (metric.EndsWith("over the lifetime", StringComparison.Ordinal))
                Assert.That(points[series], Is.GreaterThan(3600));
            else
                Assert.That(points.GetValueOrDefault(series), Is.GreaterThanOrEqualTo(1), series);
        }

        string[] failed = [.. observed.Activities.Where(activity => activity.GetTagItem("error.type") is not null)
            .Select(activity => $"`{activity.OperationName}` `{activity.GetTagItem("error.type")}`")];
        Assert.That(failed, span == "none" ? Is.Empty : Does.Contain(span));
        Assert.That((await observed.CheckHealthAsync()).Status.ToString(), Is.EqualTo(health));
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex InCode();

    private sealed record Failure(string Name, Action<M3AuthOptions>? Configure, Func<ObservedClient, Task> Happens);

    /// <summary>It has one token, and then no more.</summary>
    private sealed class EndingSource : ITokenSource
    {
        private int _reads;

        public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => _reads++ == 0
            ? new(new FakeIssuer().Token(context.TimeProvider.GetUtcNow()))
            : throw new HttpRequestException("down");
    }
}
