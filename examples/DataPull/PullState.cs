using System.Globalization;
using System.Text.Json;

namespace DataPull;

/// <summary>The small file beside the one that grows: which pull it is, and how much of it is certain.</summary>
/// <param name="Plan">What is pulled,</param>
/// <param name="Part">and which part of it this file has.</param>
/// <param name="Rows">So many rows are in the file for certain,</param>
/// <param name="Bytes">in so many bytes.</param>
internal sealed record PullState(PullPlan Plan, Part Part, long Rows, long Bytes)
{
    /// <summary>Where the state of a file is.</summary>
    public static string PathOf(string file) => file + ".state";

    /// <summary>The state in a file; null when there is no such file.</summary>
    /// <exception cref="UsageException">The file is something else.</exception>
    public static PullState? Read(string path)
    {
        if (!File.Exists(path))
            return null;
        try
        {
            PullState state = JsonSerializer.Deserialize<PullState>(File.ReadAllText(path))!;
            if (state is { Plan: { Table: not null, OrderBy: not null, Format: not null, Columns: not null }, Part.Of: > 0, Rows: >= 0, Bytes: >= 0 })
                return state;
        }
        catch (JsonException)
        {
        }

        throw new UsageException($"{path} is no state of a pull. Name another file with --out, or remove it.");
    }

    /// <summary>Makes sure that a file is the one that a command would write.</summary>
    /// <param name="plan">The command's plan,</param>
    /// <param name="part">and its part.</param>
    /// <param name="path">The file.</param>
    /// <param name="growing">The file that grows.</param>
    /// <param name="now">When the plan's table was looked at.</param>
    /// <exception cref="UsageException">It is not.</exception>
    public void CheckIs(PullPlan plan, Part part, string path, string growing, string now = "now")
    {
        string? difference =
            (Plan.Table, Plan.OrderBy, Plan.Format) != (plan.Table, plan.OrderBy, plan.Format)
                ? $"{path} is part of another pull, of {Plan.Table} as {Plan.Format}, ordered by {Plan.OrderBy}."
            : Part != part
                ? $"{path} is {Part}, and not {part}. Go on with the command that began it, or begin anew."
            : Plan.Total != plan.Total
                ? $"{plan.Table} had {Text(Plan.Total)} rows when {path} was begun, and {Text(plan.Total)} {now}."
            : !Plan.Columns.SequenceEqual(plan.Columns)
                ? $"{plan.Table} had other columns when {path} was begun than {now}."
            : Plan.Wanted != plan.Wanted
                ? $"{path} was begun as a pull of {Text(Plan.Wanted)} rows, and not of {Text(plan.Wanted)}. Go on with the same --rows, or begin anew."
            : null;
        if (difference is not null)
            throw new UsageException($"{difference} Name another file with --out, or remove {growing} and {PathOf(path)}.");
    }

    /// <summary>Whoever reads the file finds the old state or this one, never a part.</summary>
    public void Write(string path)
    {
        string next = path + ".new";
        using (var file = new FileStream(next, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            file.Write(JsonSerializer.SerializeToUtf8Bytes(this));
            file.Flush(flushToDisk: true);
        }

        File.Move(next, path, overwrite: true);
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
