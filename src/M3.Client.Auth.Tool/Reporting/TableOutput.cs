using Spectre.Console;

namespace M3.Client.Auth.Tool;

/// <summary>The same as <see cref="TextOutput"/>, for a terminal.</summary>
internal static class TableOutput
{
    public static void Write(Report report)
    {
        Redaction redaction = report.Redaction;
        AnsiConsole.MarkupLine($"{(report.Failure is null ? "[green]OK:[/]" : "[red]FAILED:[/]")} {Shown(report.Verdict)}");
        if (report.Failure is { } failure)
            AnsiConsole.MarkupLine($"[yellow]What to do:[/] {Shown(failure.Remedy)}");
        foreach (string note in report.Notes)
            AnsiConsole.MarkupLine($"[yellow]Note:[/] {Shown(note)}");

        foreach (Section section in report.Sections)
        {
            if (section.Columns.Length == 0)
            {
                WriteLines(section, redaction);
                continue;
            }

            Table table = new Table().Border(TableBorder.Rounded);
            foreach (string column in section.Columns)
                table.AddColumn(column);
            foreach (string?[] row in section.Rows)
                table.AddRow(row.Select(cell => Cell(redaction.ForTerminal(cell))));
            AnsiConsole.WriteLine();
            AnsiConsole.MarkupLine($"[bold]{Markup.Escape(section.Title)}[/]");
            AnsiConsole.Write(table);
        }

        string Shown(string text) => Markup.Escape(redaction.ForTerminal(text));
    }

    /// <summary>Lines to be copied as they are: in no frame, and broken nowhere.</summary>
    public static void WriteLines(Section section, Redaction redaction)
    {
        Console.WriteLine();
        Console.WriteLine(section.Title);
        foreach (string?[] row in section.Rows)
            Console.WriteLine($"  {redaction.ForTerminal(row[0])}");
    }

    private static Markup Cell(string text) => new(text switch
    {
        CheckSteps.Passed => "[green]passed[/]",
        CheckSteps.Failed => "[red]failed[/]",
        CheckSteps.Off => "[yellow]off[/]",
        _ => Markup.Escape(text),
    });
}
