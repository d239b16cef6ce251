using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace M3.Client.Auth.Tool;

/// <summary>The three ways to show a report.</summary>
internal static class Output
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void Write(Report report, Format format)
    {
        if (format == Format.Json)
            WriteJson(report);
        else if (format == Format.Plain || Console.IsOutputRedirected)
            WritePlain(report);
        else
            WriteTables(report);
    }

    private static void WriteJson(Report report)
    {
        var json = new JsonObject
        {
            ["ok"] = report.Error is null,
            ["exitCode"] = report.ExitCode,
            ["error"] = report.Error,
            ["documentedMessage"] = report.DocumentedMessage,
            ["message"] = report.Verdict,
            ["remedy"] = report.Remedy,
        };
        foreach (Section section in report.Sections)
        {
            json[section.Key] = new JsonArray([.. section.Rows.Select(row =>
                (JsonNode)new JsonObject(section.Columns.Zip(row, (column, cell) => KeyValuePair.Create(column, (JsonNode?)cell))))]);
        }

        Console.WriteLine(json.ToJsonString(Json));
    }

    private static void WritePlain(Report report)
    {
        foreach (Section section in report.Sections)
        {
            Console.WriteLine(section.Title);
            int[] widths = [.. section.Columns.Select((_, column) => section.Rows.Max(row => (int?)row[column].Split('\n')[0].Length) ?? 0)];
            foreach (string[] row in section.Rows)
                Console.WriteLine($"  {string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd()}");
            Console.WriteLine();
        }

        Console.WriteLine(report.Error is null ? $"OK: {report.Verdict}" : $"FAILED: {report.Verdict}");
        if (report.Remedy is not null)
            Console.WriteLine($"What to do: {report.Remedy}");
    }

    private static void WriteTables(Report report)
    {
        foreach (Section section in report.Sections)
        {
            Table table = new Table().Border(TableBorder.Rounded).Title(Markup.Escape(section.Title));
            foreach (string column in section.Columns)
                table.AddColumn(column);
            foreach (string[] row in section.Rows)
                table.AddRow(row.Select(Cell));
            AnsiConsole.Write(table);
        }

        AnsiConsole.MarkupLine(report.Error is null ? $"[green]OK[/] {Markup.Escape(report.Verdict)}" : $"[red]FAILED[/] {Markup.Escape(report.Verdict)}");
        if (report.Remedy is not null)
            AnsiConsole.MarkupLine($"[yellow]What to do:[/] {Markup.Escape(report.Remedy)}");
    }

    private static Markup Cell(string text) => new(text switch
    {
        Inspection.Passed => "[green]passed[/]",
        Inspection.Failed => "[red]failed[/]",
        Inspection.Off => "[yellow]off[/]",
        _ => Markup.Escape(text),
    });
}
