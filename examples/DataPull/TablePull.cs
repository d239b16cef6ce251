using M3.Client.Auth;

namespace DataPull;

/// <summary>The pull itself: page after page into the file, each as soon as M3's rate limit lets it.</summary>
internal sealed class TablePull(CommandLine what, M3AuthOptions options, Screen screen) : IProgress<TimeSpan>
{
    private readonly Pace _pace = new(options);
    private DateTimeOffset _callBegan;

    /// <summary>How many rows are in the file.</summary>
    public long Rows { get; private set; }

    public async Task RunAsync(Uri m3, CancellationToken cancellationToken)
    {
        // A call beyond the rate limit waits its turn, and goes with the token that is valid then.
        options.RateLimitMode = RateLimitMode.Wait;
        options.RateLimitProgress = this;
        using HttpClient http = M3HttpClient.Create(m3, options);
        await using var session = new M3Session(http, m3, options.RateLimitWindow, Wait);

        M3Table table = await CallAsync(() => M3Table.OpenAsync(session, what, cancellationToken));
        long wanted = Math.Min(table.Rows, what.Rows);
        using PullFile file = PullFile.Open(what, table);
        Rows = file.Rows;
        screen.Begin(Rows, wanted, what);
        while (Rows < wanted)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int count = (int)Math.Min(what.Page, wanted - Rows);
            Rows = file.Append(await CallAsync(() => table.ReadAsync(Rows, count, cancellationToken)));
            long calls = (wanted - Rows + what.Page - 1) / what.Page;
            screen.Show(Rows, wanted, _pace.Left(calls, DateTimeOffset.UtcNow));
        }

        file.Complete();
    }

    void IProgress<TimeSpan>.Report(TimeSpan value) => Wait(value, null);

    private void Wait(TimeSpan delay, string? problem)
    {
        _callBegan = DateTimeOffset.UtcNow + delay;
        screen.Wait(delay, problem);
    }

    private async Task<T> CallAsync<T>(Func<Task<T>> call)
    {
        _callBegan = DateTimeOffset.UtcNow;
        T answer = await call();
        _pace.Add(_callBegan, DateTimeOffset.UtcNow);
        return answer;
    }
}
