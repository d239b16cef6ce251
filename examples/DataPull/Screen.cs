using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace DataPull;

/// <summary>A progress bar in a terminal; in a pipe, which somebody reads later, a line now and then.</summary>
internal sealed class Screen
{
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly bool _isTerminal = AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected;
    private ProgressTask? _bar;
    private string _rows = "";
    private long? _lastPage;
    private DateTime _limitedUntil;

    public static void Note(string text) => Console.WriteLine(text);

    public void Warn(string text) => Line($"Warning: {text}");

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
        string text = string.Create(CultureInfo.InvariantCulture, $"{what.Table}{(what.Part.IsWhole ? "" : $", {what.Part},")} into {what.File}: {wanted:N0} rows");
        if (what.Workers > 1)
            text += string.Create(CultureInfo.InvariantCulture, $" by {what.Workers} workers");
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

        if (IsDue())
            Tell(rows == wanted ? _rows : $"{_rows}, {Describe(left)} left");
    }

    /// <summary>All rows are there, and to be made one file of: of a large table that takes minutes.</summary>
    public void Join(CommandLine what) => Tell(string.Create(CultureInfo.InvariantCulture, $"joins {what.Workers} parts"));

    /// <param name="delay">How long.</param>
    /// <param name="problem">What went wrong, null for M3's rate limit.</param>
    public void Wait(TimeSpan delay, string? problem)
    {
        // A short wait for the rate limit may come before every single call, and a long one to all workers at once; what goes wrong is
        // always worth a line.
        DateTime until = DateTime.Now + delay;
        if (problem is null && _bar is null && until - _limitedUntil < Pause)
            return;
        if (problem is null)
            _limitedUntil = until;
        string why = problem is null ? "for M3's rate limit" : $"and tries again, because M3 did not answer ({problem})";
        Tell($"{(_rows == "" ? "" : $"{_rows}, ")}waits {Describe(delay)} {why}, until {until:HH:mm:ss}");
    }

    /// <summary>12 s, 3 min, 2 h 40 min or 3 days 4 h: no more exactly than anybody wants to know it.</summary>
    public static string Describe(TimeSpan time) => time switch
    {
        { TotalSeconds: < 90 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalSeconds):0} s"),
        { TotalMinutes: < 90 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalMinutes):0} min"),
        { TotalHours: < 36 } => $"{(int)time.TotalHours} h {time.Minutes} min",
        _ => $"{time.Days} days {time.Hours} h",
    };

    // The bar always; a line the first time, and then once in a while.
    private bool IsDue()
    {
        if (_bar is null && _lastPage is { } time && Stopwatch.GetElapsedTime(time) < Pause)
            return false;
        _lastPage = Stopwatch.GetTimestamp();
        return true;
    }

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
