using System.Globalization;
using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Sharing;

/// <summary>A service whose tokens have ever new subjects: each keeps its own exact limit, and none is kept for ever.</summary>
[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class ManySubjectsTests
{
    private readonly FakeTimeProvider _clock = new();

    [Category("ManyRounds")]
    [Test]
    public void Half_a_million_subjects_within_one_window_cost_each_its_share()
    {
        InProcessPermitPool pool = Create(limit: 1);

        // Where each new subject costs a look at all others, this takes hours.
        for (int i = 0; i < 500_000; i++)
            Call(pool, Name(i));

        foreach (int i in (int[])[0, 1023, 1024, 250_000, 499_999])
            Assert.That(pool.TryAcquire(Name(i), 1, _clock.GetTimestamp(), out _), Is.False, Name(i));
    }

    [Category("ManyRounds")]
    [Test]
    public void Subjects_of_windows_past_are_forgotten()
    {
        InProcessPermitPool pool = Create(limit: 1000);
        long before = GC.GetTotalMemory(forceFullCollection: true);

        // 8 kB each: 800 MB if they were kept.
        for (int i = 0; i < 100_000; i++)
        {
            Call(pool, Name(i));
            if (i % 100 == 0)
                _clock.Advance(TimeSpan.FromHours(1.1));
        }

        Assert.That(GC.GetTotalMemory(forceFullCollection: true) - before, Is.LessThan(100_000_000));
        GC.KeepAlive(pool);
    }

    [Test]
    public void No_request_is_lost_while_idle_subjects_are_forgotten()
    {
        const int Threads = 4;
        const int Subjects = 2000;
        InProcessPermitPool pool = Create(limit: 1);
        // Each is idle until its first request is counted, and may be forgotten until then by whoever brings another.
        Together.Run(Threads, thread =>
        {
            for (int i = 0; i < Subjects; i++)
                Call(pool, Name((thread * Subjects) + i));
        });

        Assert.That(Enumerable.Range(0, Threads * Subjects).Select(i => pool.Count(Name(i)).Left), Has.All.Zero);
    }

    private static string Name(int i) => i.ToString(CultureInfo.InvariantCulture);

    private InProcessPermitPool Create(int limit) => new("https://m3.test:443", limit, TimeSpan.FromHours(1), _clock);

    // Whoever is forgotten in between has a successor.
    private static void Call(InProcessPermitPool pool, string subject)
    {
        PermitResult result = pool.AcquireAsync(subject, 1, onWait: null, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        pool.Release(result.Permit!.Value, TimeSpan.Zero);
    }
}
