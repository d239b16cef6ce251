using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Tokens;

/// <summary>When a token is refreshed, and what becomes of the current one: rules alone, so without a thread or a clock that runs.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class RefreshPolicyTests
{
    private static readonly DateTimeOffset Noon = ClientFixture.Noon;
    private static readonly Moment Now = new(Noon.UtcTicks, TimeSpan.FromDays(3).Ticks);

    // A minute ahead, but never more than a fifth of what is left; the jitter adds at most a tenth of that.
    [TestCase(3600, 0, 3540)]
    [TestCase(3600, 1, 3534)]
    [TestCase(300, 0, 240)]
    [TestCase(299, 0, 239.2)]
    [TestCase(60, 0, 48)]
    [TestCase(60, 1, 46.8)]
    [TestCase(5, 0, 4)]
    public void A_token_of_an_on_demand_source_is_renewed_ahead_of_its_expiry(double lifetime, double jitter, double renewedAfter)
    {
        Deadline at = RefreshPolicy.RenewAt(Now, Noon.AddSeconds(lifetime), isPolled: false, jitter);

        Assert.That(TimeSpan.FromTicks(at.UtcTicks - Now.UtcTicks).TotalSeconds, Is.EqualTo(renewedAfter).Within(1e-6));
        Assert.That(TimeSpan.FromTicks(at.Monotonic - Now.Monotonic).TotalSeconds, Is.EqualTo(renewedAfter).Within(1e-6));
    }

    [Test]
    public void What_is_polled_or_never_expires_is_not_renewed_ahead()
    {
        Assert.That(RefreshPolicy.RenewAt(Now, Noon.AddHours(1), isPolled: true, 0.5), Is.EqualTo(Deadline.At(Noon.AddHours(1))));
        Assert.That(RefreshPolicy.RenewAt(Now, DateTimeOffset.MaxValue, isPolled: false, 0.5), Is.EqualTo(Deadline.At(DateTimeOffset.MaxValue)));
    }

    [Test]
    public void The_next_check_is_the_earliest_of_renewal_poll_and_keys()
    {
        Deadline renewal = Deadline.After(Now, TimeSpan.FromMinutes(59));
        Deadline keys = Deadline.After(Now, TimeSpan.FromMinutes(48));

        Assert.That(RefreshPolicy.NextCheck(Now, renewal, null, Deadline.Never), Is.EqualTo(renewal));
        Assert.That(RefreshPolicy.NextCheck(Now, renewal, null, keys), Is.EqualTo(keys));
        Assert.That(RefreshPolicy.NextCheck(Now, renewal, TimeSpan.FromSeconds(1), keys).Monotonic, Is.EqualTo(Now.Monotonic + TimeSpan.TicksPerSecond));
        Assert.That(RefreshPolicy.NextCheck(Now, renewal, TimeSpan.FromSeconds(1), keys).UtcTicks, Is.EqualTo(keys.UtcTicks), "a poll does not count on the wall clock");
    }

    [Test]
    public void A_renewal_that_is_due_already_is_tried_again_a_second_later()
    {
        Deadline past = Deadline.After(Now, TimeSpan.Zero);

        Assert.That(RefreshPolicy.NextCheck(Now, past, null, Deadline.Never), Is.EqualTo(Deadline.Pause(Now, TimeSpan.FromSeconds(1))));
    }

    // A tenth of what is left, from one second to thirty.
    [TestCase(3600, false, 30)]
    [TestCase(300, false, 30)]
    [TestCase(299, false, 29.9)]
    [TestCase(60, false, 6)]
    [TestCase(10, false, 1)]
    [TestCase(9, false, 1)]
    [TestCase(3600, true, 1)]
    public void A_failed_refresh_is_tried_again_before_the_token_expires(double left, bool isPolled, double seconds)
    {
        Deadline at = RefreshPolicy.RetryAt(Now, Noon.AddSeconds(left), isPolled);

        Assert.That(at, Is.EqualTo(Deadline.Pause(Now, TimeSpan.FromSeconds(seconds))));
    }

    public static IEnumerable<TestCaseData> Outcomes()
    {
        Exception decision = new TokenExpiredException();
        Exception unreadable = new TokenRequestFailedException();
        Exception noKeys = new JwksUnavailableException();
        Exception unknown = new TimeoutException();
        (Exception? Error, bool IsPolled, bool IsUsable, RefreshOutcome Expected)[] table =
        [
            (null, false, false, RefreshOutcome.Use),
            (null, true, true, RefreshOutcome.Use),
            // What a polled source says is somebody's decision, and is followed.
            (decision, true, true, RefreshOutcome.FailAndDrop),
            (decision, true, false, RefreshOutcome.FailAndDrop),
            (new MissingTokenException(), true, true, RefreshOutcome.FailAndDrop),
            // An on-demand source's is its failure.
            (decision, false, true, RefreshOutcome.Keep),
            (decision, false, false, RefreshOutcome.Fail),
            // That something cannot be read decides nothing.
            (unreadable, true, true, RefreshOutcome.Keep),
            (unreadable, true, false, RefreshOutcome.Fail),
            (noKeys, true, true, RefreshOutcome.Keep),
            (noKeys, true, false, RefreshOutcome.Fail),
            (noKeys, false, true, RefreshOutcome.Keep),
            (unknown, true, true, RefreshOutcome.Keep),
            (unknown, false, false, RefreshOutcome.Fail),
        ];
        return table.Select(row => new TestCaseData(row.Error, row.IsPolled, row.IsUsable).Returns(row.Expected)
            .SetArgDisplayNames(row.Error?.GetType().Name ?? "none", row.IsPolled ? "polled" : "on demand", row.IsUsable ? "usable" : "not usable"));
    }

    [TestCaseSource(nameof(Outcomes))]
    public object What_becomes_of_the_current_token(Exception? error, bool isPolled, bool isUsable) => RefreshPolicy.Decide(error, isPolled, isUsable);
}
