using System.Collections.Concurrent;
using System.Diagnostics;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>
/// Threads that begin together. One that never ends fails the test instead of holding up the run, and so does what one throws, which would
/// otherwise end the whole process.
/// </summary>
internal static class Together
{
    // Long enough for whatever they do on a machine that does much else besides.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    // A busy machine gives one of the threads its turn when the other's is over: each round takes milliseconds then.
    private static readonly TimeSpan LongestRounds = TimeSpan.FromSeconds(20);

    public static void Run(int threads, Action<int> work) =>
        Run([.. Enumerable.Range(0, threads).Select(thread => (Action)(() => work(thread)))]);

    /// <summary>One thread for each step, and all of them begin each round at the same instant, or nearly: whoever comes last starts the others.</summary>
    /// <param name="rounds">How many; fewer on a busy machine.</param>
    /// <param name="steps">Each gets the round's number, from 0.</param>
    /// <returns>How many there were.</returns>
    public static int RunRounds(int rounds, params Action<int>[] steps)
    {
        long began = Stopwatch.GetTimestamp();
        int arrived = 0;
        Run(steps.Length, thread =>
        {
            for (int round = 0; round < Volatile.Read(ref rounds); round++)
            {
                // Before its arrival, without which no other begins this round, nor sees the number.
                if (thread == 0 && Stopwatch.GetElapsedTime(began) > LongestRounds)
                    Volatile.Write(ref rounds, round + 1);
                Interlocked.Increment(ref arrived);
                var wait = default(SpinWait);
                while (Volatile.Read(ref arrived) < (round + 1) * steps.Length)
                    wait.SpinOnce(sleep1Threshold: -1);
                steps[thread](round);
            }
        });
        return rounds;
    }

    public static void Run(params Action[] works)
    {
        using var beginning = new Barrier(works.Length);
        ConcurrentQueue<Exception> thrown = [];
        Thread[] threads = [.. works.Select(work => new Thread(() =>
        {
            try
            {
                beginning.SignalAndWait();
                work();
            }
            catch (Exception e)
            {
                thrown.Enqueue(e);
            }
        })
        { IsBackground = true })];
        Array.ForEach(threads, thread => thread.Start());

        bool haveEnded = Array.TrueForAll(threads, thread => thread.Join(Patience));
        Assert.That(thrown, Is.Empty, "a thread threw");
        Assert.That(haveEnded, $"not every thread has ended within {Patience.TotalSeconds} s");
    }
}
