namespace DataPull;

/// <summary>
/// Makes the one file of its parts. It goes on with that file as a pull does, a part at a time; a part is removed as soon as the file has its
/// rows for certain, so that the disk never holds them all twice.
/// </summary>
internal static class Joining
{
    /// <summary>Joins the parts that were pulled by other commands. Returns how many rows they have.</summary>
    /// <exception cref="UsageException">A part is missing, unfinished or of something else.</exception>
    public static long Run(CommandLine what, CancellationToken cancellationToken) => PullFile.OnDisk(() =>
    {
        (int of, PullState state, string path) = FirstOf(what);
        PullPlan plan = PullPlan.Of(what, state.Plan.Total, state.Plan.Columns);
        CheckNoOthers(what, of);
        // Before the file is begun: a part that is missing may yet come, and until then nothing is changed.
        Find(what, plan, of, PullState.Read(PullState.PathOf(what.Out))?.Rows ?? 0, $"in {path}");

        using PullFile whole = PullFile.Open(what, plan, Part.Whole(of));
        Join(what, whole, cancellationToken);
        return whole.Rows;
    });

    /// <summary>Joins the parts into a file that is open.</summary>
    /// <exception cref="UsageException">A part is missing, unfinished or of something else; or a file cannot be read or written.</exception>
    public static void Join(CommandLine what, PullFile whole, CancellationToken cancellationToken) => PullFile.OnDisk(() =>
    {
        List<FinishedPart> parts = Find(what, whole.Plan, whole.Part.Of, whole.Rows, "now");
        foreach (Part part in Part.All(whole.Part.Of))
        {
            if (parts.Find(finished => finished.Part == part) is { } finished)
                whole.Append(finished, cancellationToken);
            Remove(what, part);
        }

        whole.Complete();
        return true;
    });

    /// <summary>Makes sure that no parts of another number lie beside a file.</summary>
    /// <exception cref="UsageException">They do.</exception>
    public static void CheckNoOthers(CommandLine what, int of)
    {
        if (PullFile.OnDisk(() => Part.Beside(what.Out)).FirstOrDefault(part => part.Of != of) is { } other)
        {
            string file = what.Format.GrowingFile(other.FileOf(what.Out));
            throw new UsageException($"{file} is {other} of {what.Out}, which was begun in {other.Of} parts and not in {of}. Go on with --workers {other.Of} or "
                + $"--part I/{other.Of}, name another file with --out, or remove the parts and their .state.");
        }
    }

    private static (int Of, PullState State, string Path) FirstOf(CommandLine what)
    {
        // Where the last part is joined already, only the file itself knows of them.
        foreach (Part part in Part.Beside(what.Out).Append(Part.Whole(1)))
        {
            string path = part.FileOf(what.Out);
            if (PullState.Read(PullState.PathOf(path)) is { Part.Of: var of } state && (of > 1 || !state.Part.IsWhole))
                return (of, state, path);
        }

        string example = what.Format.GrowingFile(new Part(1, 4).FileOf(what.Out));
        throw new UsageException($"There is no part of {what.Out} here: a file named like {example}, with its .state. --part I/N makes them.");
    }

    /// <summary>The parts that a file does not have yet.</summary>
    private static List<FinishedPart> Find(CommandLine what, PullPlan plan, int of, long joined, string now)
    {
        List<FinishedPart> found = [];
        List<string> lacking = [];
        foreach (Part part in Part.All(of))
        {
            (long first, long end) = part.Range(plan.Wanted);
            if (end <= joined)
                continue;
            string path = part.FileOf(what.Out), growing = what.Format.GrowingFile(path), statePath = PullState.PathOf(path);
            PullState? state = PullState.Read(statePath);
            state?.CheckIs(plan, part, path, growing, now);
            if (new[] { growing, statePath }.FirstOrDefault(file => !File.Exists(file)) is { } missing)
                lacking.Add($"{part} is missing ({missing})");
            else if (state!.Rows < end - first)
                lacking.Add($"{part} is unfinished ({state.Rows} of {end - first} rows in {growing})");
            else if (new FileInfo(growing).Length < state.Bytes)
                lacking.Add($"{part} is cut off ({growing} is shorter than {statePath} says)");
            else
                found.Add(new FinishedPart(part, state.Rows, growing, what.Format.Begin(plan.Columns).Length, state.Bytes));
        }

        return lacking is []
            ? found
            : throw new UsageException($"{what.Out} is not joined: {string.Join(", ", lacking)}. Pull or copy what is lacking, and start the same command again.");
    }

    private static void Remove(CommandLine what, Part part)
    {
        string path = part.FileOf(what.Out);
        File.Delete(what.Format.GrowingFile(path));
        // Last: a file without a state is never ours.
        File.Delete(PullState.PathOf(path));
    }
}
