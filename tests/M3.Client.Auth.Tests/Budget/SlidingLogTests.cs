using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Budget;

/// <summary>M3's sliding log, exactly; and without a lock.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SlidingLogTests
{
    private static readonly TimeSpan Window = TimeSpan.FromTicks(1000);
    private const long Start = 1_000_000;

    [Test]
    public void It_takes_the_limit_and_then_says_how_long_until_the_oldest_leaves([Values(1, 2, 3, 100)] int limit)
    {
        var log = new SlidingLog(limit, Window);
        for (int i = 0; i < limit; i++)
            Assert.That(log.TryTake(Start + i, 1, out _), Is.True);

        Assert.That(log.TryTake(Start + 500, 1, out long retryAfter), Is.False);
        Assert.That(retryAfter, Is.EqualTo(500));
    }

    [Test]
    public void A_request_leaves_the_window_exactly_when_the_window_is_over([Values(1, 3)] int limit)
    {
        var log = new SlidingLog(limit, Window);
        for (int i = 0; i < limit; i++)
            log.TryTake(Start, 1, out _);

        Assert.That(log.TryTake(Start + 999, 1, out long retryAfter), Is.False);
        Assert.That(retryAfter, Is.EqualTo(1));
        Assert.That(log.TryTake(Start + 1000, 1, out _), Is.True);
    }

    [Test]
    public void A_refusal_takes_nothing()
    {
        var log = new SlidingLog(1, Window);
        log.TryTake(Start, 1, out _);
        for (int i = 0; i < 10; i++)
            log.TryTake(Start + 10 + i, 1, out _);

        Assert.That(log.TryTake(Start + 1000, 1, out _), Is.True);
    }

    [Test]
    public void It_counts_what_is_free()
    {
        var log = new SlidingLog(3, Window);
        Assert.That(log.CountFree(Start), Is.EqualTo(3));

        log.TryTake(Start, 1, out _);
        log.TryTake(Start + 400, 1, out _);
        Assert.That(log.CountFree(Start + 400), Is.EqualTo(1));

        log.TryTake(Start + 500, 1, out _);
        Assert.That(log.CountFree(Start + 999), Is.EqualTo(0));
        Assert.That(log.CountFree(Start + 1000), Is.EqualTo(1));
        Assert.That(log.CountFree(Start + 1400), Is.EqualTo(2));
        Assert.That(log.CountFree(Start + 1500), Is.EqualTo(3));
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(7)]
    [TestCase(100)]
    public void It_agrees_with_a_queue_of_times_over_any_sequence(int limit)
    {
        var random = new Random(limit);
        var log = new SlidingLog(limit, Window);
        var queue = new Queue<long>();
        long now = Start;

        for (int i = 0; i < 20_000; i++)
        {
            now += random.Next(4) == 0 ? random.Next(2000 / limit) : 0;
            while (queue.Count > 0 && queue.Peek() + Window.Ticks <= now)
                queue.Dequeue();
            bool expected = queue.Count < limit;
            long expectedRetry = expected ? 0 : queue.Peek() + Window.Ticks - now;

            // Asserting costs more than taking: only what differs is asserted.
            (int, bool, long) actual = (log.CountFree(now), log.TryTake(now, 1, out long retryAfter), retryAfter);
            if (actual != (limit - queue.Count, expected, expectedRetry))
                Assert.That(actual, Is.EqualTo((limit - queue.Count, expected, expectedRetry)), $"request {i}");
            if (expected)
                queue.Enqueue(now);
        }
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(7)]
    [TestCase(100)]
    public void Several_at_once_agree_with_a_queue_of_times_too(int limit)
    {
        var random = new Random(limit);
        var log = new SlidingLog(limit, Window);
        var queue = new Queue<long>();
        long now = Start;

        for (int i = 0; i < 20_000; i++)
        {
            now += random.Next(4) == 0 ? random.Next(4000 / limit) : 0;
            int count = random.Next(1, limit + 1);
            while (queue.Count > 0 && queue.Peek() + Window.Ticks <= now)
                queue.Dequeue();
            int missing = queue.Count + count - limit;
            long expectedRetry = missing > 0 ? queue.ElementAt(missing - 1) + Window.Ticks - now : 0;

            (long, bool, long) actual = (Math.Max(log.TicksUntilFree(now, count), 0), log.TryTake(now, count, out long retryAfter), retryAfter);
            if (actual != (expectedRetry, missing <= 0, expectedRetry))
                Assert.That(actual, Is.EqualTo((expectedRetry, missing <= 0, expectedRetry)), $"request {i}");
            for (int taken = 0; missing <= 0 && taken < count; taken++)
                queue.Enqueue(now);
        }
    }

    [Test]
    public void Threads_that_take_several_at_once_take_exactly_the_limit_in_every_window()
    {
        const int Limit = 60;
        const int Threads = 4;
        var log = new SlidingLog(Limit, Window);
        for (int window = 0; window < 500; window++)
        {
            long now = Start + (window * Window.Ticks);
            int taken = 0;
            Together.Run(Threads, thread =>
            {
                // 1, 2, 3 or 4 at once until there is no room even for one.
                for (int size = thread + 1; size > 0; size--)
                {
                    while (log.TryTake(now, size, out _))
                        Interlocked.Add(ref taken, size);
                }
            });

            Assert.That(taken, Is.EqualTo(Limit), $"window {window}");
        }
    }

    [TestCase(1)]
    [TestCase(10)]
    [TestCase(1000)]
    public void Many_threads_at_once_take_exactly_the_limit_in_every_window(int limit)
    {
        const int Threads = 8;
        var log = new SlidingLog(limit, Window);

        // Each window anew, through many laps of the ring.
        for (int window = 0; window < 50; window++)
        {
            long now = Start + (window * Window.Ticks);
            int taken = 0;
            Together.Run(Threads, _ =>
            {
                for (int i = 0; i < limit; i++)
                {
                    if (log.TryTake(now, 1, out long retryAfter))
                        Interlocked.Increment(ref taken);
                    else if (retryAfter != Window.Ticks)
                        Interlocked.Add(ref taken, 1_000_000);
                }
            });

            Assert.That(taken, Is.EqualTo(limit), $"window {window}");
            Assert.That(log.CountFree(now), Is.Zero);
        }
    }

    [TestCase(1)]
    [TestCase(2)]
    public void A_request_that_is_just_being_counted_in_counts_for_whoever_comes_meanwhile(int limit)
    {
        var log = new SlidingLog(limit, Window);
        int[] taken = new int[100_000];
        Action<int> step = window =>
        {
            for (int i = 0; i < limit; i++)
            {
                if (log.TryTake(Start + (window * Window.Ticks), 1, out long _))
                    Interlocked.Increment(ref taken[window]);
            }
        };

        int windows = Together.RunRounds(taken.Length, step, step);

        Assert.That(taken.Take(windows), Has.All.EqualTo(limit));
    }

    [Test]
    public void It_retires_once_every_request_has_left_the_window_and_counts_no_more([Values(1, 3)] int limit)
    {
        var log = new SlidingLog(limit, Window);
        log.TryTake(Start, 1, out _);
        Assert.That((log.TryRetire(Start + 999), log.IsRetired), Is.EqualTo((false, false)));
        log.TryTake(Start + 1000, 1, out _);
        Assert.That(log.TryRetire(Start + 1999), Is.False);

        Assert.That((log.TryRetire(Start + 2000), log.IsRetired), Is.EqualTo((true, true)));

        Assert.That((log.TryTake(Start + 5000, 1, out long retryAfter), retryAfter), Is.EqualTo((false, 0L)));
        Assert.That(log.TryRetire(Start + 5000), Is.False, "once");
    }

    [TestCase(1)]
    [TestCase(3)]
    public void Of_a_request_and_a_retirement_at_once_one_alone_succeeds(int limit)
    {
        SlidingLog[] logs = [.. Enumerable.Range(0, 50_000).Select(_ => new SlidingLog(limit, Window))];
        int[] succeeded = new int[logs.Length];

        int rounds = Together.RunRounds(logs.Length, Step(log => log.TryTake(Start, 1, out _)), Step(log => log.TryRetire(Start)));

        Assert.That(succeeded.Take(rounds), Has.All.EqualTo(1));

        Action<int> Step(Func<SlidingLog, bool> step) => round =>
        {
            if (step(logs[round]))
                Interlocked.Increment(ref succeeded[round]);
        };
    }

    [Test]
    public void Threads_whose_time_goes_on_never_take_more_than_the_limit_within_a_window()
    {
        const int Limit = 50;
        var log = new SlidingLog(Limit, Window);
        long clock = Start;
        long[][] taken = new long[8][];
        Together.Run(taken.Length, thread =>
        {
            List<long> mine = [];
            for (int i = 0; i < 20_000; i++)
            {
                long now = Interlocked.Increment(ref clock);
                if (log.TryTake(now, 1, out _))
                    mine.Add(now);
            }

            taken[thread] = [.. mine];
        });

        // Even where a thread was held up between reading its clock and taking: in one slot of the ring the times are a window apart.
        long[] times = [.. taken.SelectMany(mine => mine).Order()];
        Assert.That(times, Has.Length.GreaterThan(Limit));
        int most = times.Select((time, i) => times.Skip(i).TakeWhile(other => other < time + Window.Ticks).Count()).Max();
        Assert.That(most, Is.LessThanOrEqualTo(Limit));
    }
}
