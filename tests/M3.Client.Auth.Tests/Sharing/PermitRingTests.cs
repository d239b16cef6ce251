using M3.Client.Auth.Tests.Kit;

namespace M3.Client.Auth.Tests.Sharing;

/// <summary>
/// M3's sliding log, exactly; and without a lock. Where nothing else is said a call's answer ends at the instant at which it was sent, so
/// that its permit is free a window later.
/// </summary>
[Parallelizable(ParallelScope.All)]
public sealed class PermitRingTests
{
    private static readonly TimeSpan Window = TimeSpan.FromTicks(1000);
    private const long Start = 1_000_000;

    [Test]
    public void It_takes_the_limit_and_then_says_how_long_until_the_oldest_leaves([Values(1, 2, 3, 100)] int limit)
    {
        var ring = new PermitRing(limit);
        for (int i = 0; i < limit; i++)
            Assert.That(Call(ring, Start + i, 1, out _), Is.True);

        Assert.That(Call(ring, Start + 500, 1, out long retryAfter), Is.False);
        Assert.That(retryAfter, Is.EqualTo(500));
    }

    [Test]
    public void A_request_leaves_the_window_exactly_when_the_window_is_over([Values(1, 3)] int limit)
    {
        var ring = new PermitRing(limit);
        for (int i = 0; i < limit; i++)
            Call(ring, Start, 1, out _);

        Assert.That(Call(ring, Start + 999, 1, out long retryAfter), Is.False);
        Assert.That(retryAfter, Is.EqualTo(1));
        Assert.That(Call(ring, Start + 1000, 1, out _), Is.True);
    }

    [Test]
    public void A_refusal_takes_nothing()
    {
        var ring = new PermitRing(1);
        Call(ring, Start, 1, out _);
        for (int i = 0; i < 10; i++)
            Call(ring, Start + 10 + i, 1, out _);

        Assert.That(Call(ring, Start + 1000, 1, out _), Is.True);
    }

    [Test]
    public void It_counts_what_is_free()
    {
        var ring = new PermitRing(3);
        Assert.That(ring.CountFree(Start), Is.EqualTo(3));

        Call(ring, Start, 1, out _);
        Call(ring, Start + 400, 1, out _);
        Assert.That(ring.CountFree(Start + 400), Is.EqualTo(1));

        Call(ring, Start + 500, 1, out _);
        Assert.That(ring.CountFree(Start + 999), Is.EqualTo(0));
        Assert.That(ring.CountFree(Start + 1000), Is.EqualTo(1));
        Assert.That(ring.CountFree(Start + 1400), Is.EqualTo(2));
        Assert.That(ring.CountFree(Start + 1500), Is.EqualTo(3));
    }

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(7)]
    [TestCase(100)]
    public void It_agrees_with_a_queue_of_times_over_any_sequence(int limit)
    {
        var random = new Random(limit);
        var ring = new PermitRing(limit);
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
            (int, bool, long) actual = (ring.CountFree(now), Call(ring, now, 1, out long retryAfter), retryAfter);
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
        var ring = new PermitRing(limit);
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

            (long, bool, long) actual = (ring.TicksUntilFree(now, count), Call(ring, now, count, out long retryAfter), retryAfter);
            if (actual != (expectedRetry, missing <= 0, expectedRetry))
                Assert.That(actual, Is.EqualTo((expectedRetry, missing <= 0, expectedRetry)), $"request {i}");
            for (int taken = 0; missing <= 0 && taken < count; taken++)
                queue.Enqueue(now);
        }
    }

    [Category("ManyRounds")]
    [Test]
    public void Threads_that_take_several_at_once_take_exactly_the_limit_in_every_window()
    {
        const int Limit = 60;
        const int Threads = 4;
        var ring = new PermitRing(Limit);
        for (int window = 0; window < 500; window++)
        {
            long now = Start + (window * Window.Ticks);
            int taken = 0;
            Together.Run(Threads, thread =>
            {
                // 1, 2, 3 or 4 at once until there is no room even for one.
                for (int size = thread + 1; size > 0; size--)
                {
                    while (Call(ring, now, size, out _))
                        Interlocked.Add(ref taken, size);
                }
            });

            Assert.That(taken, Is.EqualTo(Limit), $"window {window}");
        }
    }

    [Category("ManyRounds")]
    [TestCase(1)]
    [TestCase(10)]
    [TestCase(1000)]
    public void Many_threads_at_once_take_exactly_the_limit_in_every_window(int limit)
    {
        const int Threads = 8;
        var ring = new PermitRing(limit);

        // Each window anew, through many laps of the ring.
        for (int window = 0; window < 50; window++)
        {
            long now = Start + (window * Window.Ticks);
            int taken = 0;
            Together.Run(Threads, _ =>
            {
                for (int i = 0; i < limit; i++)
                {
                    if (Call(ring, now, 1, out long retryAfter))
                        Interlocked.Increment(ref taken);
                    else if (retryAfter is not (1000 or PermitRing.Unknown))
                        Interlocked.Add(ref taken, 1_000_000);
                }
            });

            Assert.That(taken, Is.EqualTo(limit), $"window {window}");
            Assert.That(ring.CountFree(now), Is.Zero);
        }
    }

    [Category("ManyRounds")]
    [TestCase(1)]
    [TestCase(2)]
    public void A_request_that_is_just_being_counted_in_counts_for_whoever_comes_meanwhile(int limit)
    {
        var ring = new PermitRing(limit);
        int[] taken = new int[100_000];
        Action<int> step = window =>
        {
            for (int i = 0; i < limit; i++)
            {
                if (Call(ring, Start + (window * Window.Ticks), 1, out long _))
                    Interlocked.Increment(ref taken[window]);
            }
        };

        int windows = Together.RunRounds(taken.Length, step, step);

        Assert.That(taken.Take(windows), Has.All.EqualTo(limit));
    }

    [Test]
    public void It_retires_once_every_request_has_left_the_window_and_counts_no_more([Values(1, 3)] int limit)
    {
        var ring = new PermitRing(limit);
        Call(ring, Start, 1, out _);
        Assert.That((ring.TryRetire(Start + 999), ring.IsRetired), Is.EqualTo((false, false)));
        Call(ring, Start + 1000, 1, out _);
        Assert.That(ring.TryRetire(Start + 1999), Is.False);

        Assert.That((ring.TryRetire(Start + 2000), ring.IsRetired), Is.EqualTo((true, true)));

        Assert.That((Call(ring, Start + 5000, 1, out long retryAfter), retryAfter), Is.EqualTo((false, 0L)));
        Assert.That(ring.TryRetire(Start + 5000), Is.False, "once");
    }

    [Category("ManyRounds")]
    [TestCase(1)]
    [TestCase(3)]
    public void Of_a_request_and_a_retirement_at_once_one_alone_succeeds(int limit)
    {
        PermitRing[] rings = [.. Enumerable.Range(0, 50_000).Select(_ => new PermitRing(limit))];
        int[] succeeded = new int[rings.Length];

        int rounds = Together.RunRounds(rings.Length, Step(ring => Call(ring, Start, 1, out _)), Step(ring => ring.TryRetire(Start)));

        Assert.That(succeeded.Take(rounds), Has.All.EqualTo(1));

        Action<int> Step(Func<PermitRing, bool> step) => round =>
        {
            if (step(rings[round]))
                Interlocked.Increment(ref succeeded[round]);
        };
    }

    [Test]
    public void A_permit_is_held_until_its_answer_has_ended_and_for_a_window_from_then_on()
    {
        var ring = new PermitRing(1);
        Assert.That(ring.TryTake(Start, 1, out _), Is.True);

        Assert.That((ring.TryTake(Start + 5000, 1, out long wait), wait), Is.EqualTo((false, PermitRing.Unknown)));
        Assert.That(ring.TicksUntilFree(Start + 5000, 1), Is.EqualTo(PermitRing.Unknown));
        Assert.That(ring.CountFree(Start + 5000), Is.Zero);

        ring.Release(1, Start + 6000 + Window.Ticks);
        Assert.That((ring.TryTake(Start + 6999, 1, out wait), wait), Is.EqualTo((false, 1L)));
        Assert.That(ring.TryTake(Start + 7000, 1, out _), Is.True);
    }

    [Test]
    public void A_slow_call_holds_back_its_own_permit_alone()
    {
        var ring = new PermitRing(3);
        Assert.That(ring.TryTake(Start, 1, out _), Is.True, "the slow one");

        for (int i = 0; i < 100; i++)
        {
            long now = Start + (i * Window.Ticks);
            Assert.That(Call(ring, now, 2, out _), Is.True, $"window {i}");
            Assert.That((Call(ring, now, 1, out long wait), wait), Is.EqualTo((false, Window.Ticks)), $"window {i}");
        }

        Assert.That(ring.TicksUntilFree(Start + (200 * Window.Ticks), 3), Is.EqualTo(PermitRing.Unknown));
    }

    [Test]
    public void A_permit_that_was_not_used_is_free_at_once_before_all_that_wait_for_their_window()
    {
        var ring = new PermitRing(2);
        Assert.That(ring.TryTake(Start, 1, out _), Is.True);
        Call(ring, Start, 1, out _);

        ring.Return(1);

        Assert.That((ring.CountFree(Start), ring.TicksUntilFree(Start, 1), ring.TicksUntilFree(Start, 2)), Is.EqualTo((1, 0L, Window.Ticks)));
        Assert.That(ring.TryTake(Start, 2, out _), Is.False);
        Assert.That(ring.TryTake(Start, 1, out _), Is.True, "what several would need is not taken away by their refusal");
        Assert.That(ring.TryTake(Start, 1, out _), Is.False);
    }

    [Test]
    public void With_a_stricter_limit_what_is_free_goes_first_and_what_is_held_when_it_comes_back()
    {
        var ring = new PermitRing(4);
        Assert.That(ring.TryTake(Start, 3, out _), Is.True);

        ring.Restrict(2, Start);

        Assert.That((ring.CountFree(Start), ring.TryTake(Start, 1, out _)), Is.EqualTo((0, false)));
        ring.Release(3, Start + 10);
        Assert.That((ring.CountFree(Start + 10), ring.TryTake(Start + 10, 3, out _), ring.TryTake(Start + 10, 2, out _)), Is.EqualTo((2, false, true)));
        ring.Return(2);
        Assert.That((ring.TryRetire(Start + 10), ring.IsRetired), Is.EqualTo((true, true)), "the two that are gone are not waited for");
    }

    [Test]
    public void It_does_not_retire_while_a_call_holds_a_permit()
    {
        var ring = new PermitRing(2);
        Assert.That(ring.TryTake(Start, 2, out _), Is.True);
        ring.Return(1);

        Assert.That(ring.TryRetire(Start + 1_000_000), Is.False);
        Assert.That(ring.TryTake(Start, 1, out _), Is.True, "what was free still is");
        ring.Return(2);
        Assert.That(ring.TryRetire(Start), Is.True);
    }

    [Test]
    public void What_was_given_back_unused_does_not_outlive_its_retirement()
    {
        var ring = new PermitRing(2);
        Assert.That(ring.TryTake(Start, 1, out _), Is.True);
        ring.Return(1);

        Assert.That(ring.TryRetire(Start), Is.True);

        Assert.That((ring.TryTake(Start, 1, out long wait), wait), Is.EqualTo((false, 0L)));
    }

    [TestCase(1)]
    [TestCase(3)]
    [TestCase(10)]
    [TestCase(100)]
    public void It_agrees_with_a_simple_count_over_any_sequence_of_slow_and_failed_calls(int limit)
    {
        var random = new Random(limit);
        var ring = new PermitRing(limit);
        var free = new List<long>();
        int unused = limit;
        var held = new List<int>();
        long now = Start;
        for (int i = 0; i < 20_000; i++)
        {
            now += random.Next(3) == 0 ? random.Next(3000 / limit) : 0;
            if (held.Count > 0 && random.Next(2) == 0)
            {
                int call = random.Next(held.Count);
                if (random.Next(4) == 0)
                {
                    ring.Return(held[call]);
                    unused += held[call];
                }
                else
                {
                    ring.Release(held[call], now + Window.Ticks);
                    free.AddRange(Enumerable.Repeat(now + Window.Ticks, held[call]));
                }

                held.RemoveAt(call);
            }

            int count = random.Next(1, Math.Min(limit, 4) + 1);
            int missing = count - unused;
            long wait = missing <= 0 ? 0 : missing > free.Count ? PermitRing.Unknown : Math.Max(free[missing - 1] - now, 0);
            (int, long, bool, long) expected = (unused + free.Count(time => time <= now), wait, wait == 0, wait);
            (int, long, bool, long) actual = (ring.CountFree(now), ring.TicksUntilFree(now, count), ring.TryTake(now, count, out long told), told);
            if (actual != expected)
                Assert.That(actual, Is.EqualTo(expected), $"step {i}");
            if (wait != 0)
                continue;
            held.Add(count);
            free.RemoveRange(0, Math.Max(missing, 0));
            unused = Math.Max(-missing, 0);
        }
    }

    [Test]
    public void Threads_whose_calls_end_in_any_order_never_hold_more_than_the_limit()
    {
        const int Limit = 20;
        var ring = new PermitRing(Limit);
        long clock = Start;
        int held = 0;
        int most = 0;
        Together.Run(8, thread =>
        {
            var random = new Random(thread);
            var mine = new Queue<int>();
            for (int i = 0; i < 50_000; i++)
            {
                int count = random.Next(1, 4);
                if (random.Next(2) == 0 && ring.TryTake(Interlocked.Increment(ref clock), count, out _))
                {
                    int now = Interlocked.Add(ref held, count);
                    if (now > Volatile.Read(ref most))
                        Volatile.Write(ref most, now);
                    mine.Enqueue(count);
                }
                else if (mine.TryDequeue(out int done))
                {
                    Interlocked.Add(ref held, -done);
                    if (random.Next(2) == 0)
                        ring.Return(done);
                    else
                        ring.Release(done, Volatile.Read(ref clock));
                }
            }

            while (mine.TryDequeue(out int last))
            {
                Interlocked.Add(ref held, -last);
                ring.Return(last);
            }
        });

        Assert.That(most, Is.LessThanOrEqualTo(Limit).And.GreaterThan(Limit / 2));
        Assert.That(ring.CountFree(long.MaxValue / 4), Is.EqualTo(Limit), "none is lost");
    }

    [Test]
    public void Threads_whose_time_goes_on_never_take_more_than_the_limit_within_a_window()
    {
        const int Limit = 50;
        var ring = new PermitRing(Limit);
        long clock = Start;
        long[][] taken = new long[8][];
        Together.Run(taken.Length, thread =>
        {
            List<long> mine = [];
            for (int i = 0; i < 20_000; i++)
            {
                long now = Interlocked.Increment(ref clock);
                if (Call(ring, now, 1, out _))
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

    private static bool Call(PermitRing ring, long now, int count, out long wait)
    {
        if (!ring.TryTake(now, count, out wait))
            return false;
        ring.Release(count, now + Window.Ticks);
        return true;
    }
}
