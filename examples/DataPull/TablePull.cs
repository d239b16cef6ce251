using M3.Client.Auth;
using Microsoft.Extensions.Logging;

namespace DataPull;

/// <summary>The pull itself: page after page into the file, each as soon as M3's rate limit lets it.</summary>
internal sealed class TablePull(CommandLine what, M3AuthOptions options, Course course, ILoggerFactory log)
{
    public async Task RunAsync(Uri m3, CancellationToken cancellationToken)
    {
        // A call beyond the rate limit waits its turn, and goes with the token that is valid then.
        options.RateLimitMode = RateLimitMode.Wait;
        options.RateLimitProgress = course;
        using HttpClient http = M3HttpClient.Create(m3, options, loggerFactory: log);
        await using var session = new M3Session(http, m3, options.RateLimitWindow, course.Wait);

        PullPlan plan = await course.CallAsync(() => M3Table.PlanAsync(session, what, cancellationToken));
        Joining.CheckNoOthers(what, what.Part.Of);
        using PullFile file = PullFile.Open(what, plan, what.Part);
        if (what.Workers > 1)
        {
            await PullPartsAsync(session, file, cancellationToken);
            course.Join();
            Joining.Join(what, file, cancellationToken);
        }
        else
        {
            course.Begin(file.Rows, file.Wanted);
            await PullAsync(session, file, cancellationToken);
            file.Complete();
        }
    }

    private async Task PullPartsAsync(M3Session session, PullFile whole, CancellationToken cancellationToken)
    {
        List<PullFile> parts = [];
        try
        {
            // Before any is pulled: what is wrong with one of them is told at once. What is joined already is not pulled again.
            foreach (Part part in Part.All(what.Workers).Where(part => part.Range(whole.Plan.Wanted).End > whole.Rows))
                parts.Add(PullFile.Open(what, whole.Plan, part));
            course.Begin(whole.Rows + parts.Sum(part => part.Rows), whole.Wanted);

            // Each has a session of its own. One that fails stops the others.
            var all = new ParallelOptions { MaxDegreeOfParallelism = what.Workers, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(parts, all, async (part, stop) =>
            {
                await using M3Session own = session.Another();
                await PullAsync(own, part, stop);
                part.Complete();
            });
        }
        finally
        {
            parts.ForEach(part => part.Dispose());
        }
    }

    private async Task PullAsync(M3Session session, PullFile file, CancellationToken cancellationToken)
    {
        (long first, long end) = file.Part.Range(file.Plan.Wanted);
        while (first + file.Rows < end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            long offset = first + file.Rows;
            int count = (int)Math.Min(what.Page, end - offset);
            file.Append(await course.CallAsync(() => M3Table.ReadAsync(session, file.Plan, offset, count, cancellationToken)));
            course.Add(count);
        }
    }
}
