using System.Globalization;
using Spectre.Console;

namespace DataPull;

/// <summary>A progress bar in a terminal; in a pipe a line per page.</summary>
internal sealed class Screen
{
    private readonly bool _isTerminal = AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected;
    private ProgressTask? _bar;
    private string _rows = "";

    public static void Note(string text) => Console.WriteLine(text);

    /// <summary>Runs something that shows its progress here.</summary>
    public Task RunAsync(Func<Task> pull) => _isTerminal
        ? AnsiConsole.Progress()
            .Columns(new ProgressBarColumn(), new PercentageColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
            .StartAsync(context =>
            {
                _bar = context.AddTask("connects");
                return pull();
            })
        : pull();

    public void Begin(long rows, long wanted, CommandLine what)
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"{what.Table} into {what.Out}: {wanted:N0} rows");
        Line(rows == 0 ? text : string.Create(CultureInfo.InvariantCulture, $"{text}, goes on after {rows:N0}"));
    }

    public void Show(long rows, long wanted, TimeSpan left)
    {
        _rows = string.Create(CultureInfo.InvariantCulture, $"{rows:N0} of {wanted:N0} rows");
        if (_bar is not null)
        {
            _bar.MaxValue = wanted;
            _bar.Value = rows;
        }

        Tell(rows == wanted ? _rows : $"{_rows}, {Describe(left)} left");
    }

    public void Wait(TimeSpan delay, string why) =>
        Tell($"{(_rows == "" ? "" : $"{_rows}, ")}waits {Describe(delay)} {why}, until {DateTime.Now + delay:HH:mm:ss}");

    /// <summary>12 s, 3 min, 2 h 40 min or 3 days 4 h: no more exactly than anybody wants to know it.</summary>
    public static string Describe(TimeSpan time) => time switch
    {
        { TotalSeconds: < 90 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalSeconds):0} s"),
        { TotalMinutes: < 90 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalMinutes):0} min"),
        { TotalHours: < 36 } => $"{(int)time.TotalHours} h {time.Minutes} min",
        _ => $"{time.Days} days {time.Hours} h",
    };

    private void Tell(string text)
    {
        if (_bar is null)
            Console.WriteLine(text);
        else
            _bar.Description = text.EscapeMarkup();
    }

    // Above the bar, where there is one.
    private void Line(string text)
    {
        if (_bar is null)
            Console.WriteLine(text);
        else
            AnsiConsole.WriteLine(text);
    }
}
