using System.Collections.Concurrent;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>
/// Threads that begin together. One that never ends fails the test instead of holding up the run, and so does what one throws, which would
/// otherwise end the whole process.
/// </summary>
internal static class Together
{
    // Long enough for whatever they do on a machine that does much else besides.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public static void Run(int threads, Action<int> work) =>
        Run([.. Enumerable.Range(0, threads).Select(thread => (Action)(() => work(thread)))]);

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
