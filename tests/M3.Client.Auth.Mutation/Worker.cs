namespace M3.Client.Auth.Mutation;

/// <summary>A process that meets mutants with their tests. It writes each verdict at once, since a mutant may take the process with it.</summary>
internal static class Worker
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    public static int Run(string coverageFile, string verdictFile, IEnumerable<(int Id, string Room)> mutants)
    {
        Coverage coverage = Coverage.Read(coverageFile);
        var tests = new TestRun(stopsAtFailure: true);
        foreach ((int id, string room) in mutants)
        {
            CoveredTest[] covering = [.. coverage.Find(id, room)];
            File.AppendAllText(verdictFile, $"{id} Began\n");
            MutantSwitch.Activate(id);
            string? killer = null;
            bool ended = true;
            foreach (CoveredTest[] some in covering.Chunk(40))
            {
                TimeSpan atMost = Grace + 5 * TimeSpan.FromSeconds(some.Sum(test => test.Seconds));
                ended = tests.Run(some.Select(test => test.Name), atMost, (name, passed, _) => killer ??= passed ? null : name);
                if (!ended || killer is not null)
                    break;
            }

            MutantSwitch.Activate(-1);
            File.AppendAllText(verdictFile, $"{id} {(!ended ? "Hung" : killer is not null ? "Killed" : covering.Length == 0 ? "Unreached" : "Survived")} {killer}\n");
            if (!ended)
                Environment.Exit(3); // The test that hangs would hold the process up.
        }

        return 0;
    }
}
