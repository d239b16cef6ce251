namespace M3.Client.Auth.Tool;

/// <summary>The report as plain text: the verdict and what to do about it, then the details.</summary>
internal static class TextOutput
{
    public static void Write(Report report)
    {
        Redaction redaction = report.Redaction;
        Console.WriteLine($"{(report.Failure is null ? "OK" : "FAILED")}: {redaction.ForTerminal(report.Verdict)}");
        if (report.Failure is { } failure)
            Console.WriteLine($"What to do: {redaction.ForTerminal(failure.Remedy)}");
        foreach (string note in report.Notes)
            Console.WriteLine($"Note: {redaction.ForTerminal(note)}");

        foreach (Section section in report.Sections)
        {
            if (section.Columns.Length == 0)
            {
                TableOutput.WriteLines(section, redaction);
                continue;
            }

            string[][] rows = [.. section.Rows.Select(row => row.Select(redaction.ForTerminal).ToArray())];
            int[] widths = [.. section.Columns.Select((_, column) => rows.Max(row => row[column].Split('\n')[0].Length))];
            Console.WriteLine();
            Console.WriteLine(section.Title);
            foreach (string[] row in rows)
                Console.WriteLine($"  {string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd()}");
        }
    }
}
