using System.Collections;
using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>A line as a log shows it, and what a sink could read behind it that takes its values apart.</summary>
internal sealed record LogLine(string Category, LogLevel Level, EventId Event, string Text, string Behind);

/// <summary>Keeps every line and scope of every category, at every level.</summary>
internal sealed class RecordingLoggerFactory : ILoggerFactory, ILoggerProvider
{
    private const int Deepest = 3;

    private readonly ConcurrentQueue<LogLine> _lines = new();

    public IReadOnlyList<LogLine> Lines => [.. _lines];

    /// <summary>Whether it breaks instead.</summary>
    public bool IsBroken { get; set; }

    public IEnumerable<string> Warnings => Lines.Where(line => line.Level == LogLevel.Warning).Select(line => line.Text);

    public IEnumerable<string> Categories => Lines.Select(line => line.Category).Distinct();

    /// <summary>All that a structured sink could show.</summary>
    public string Everything => string.Join('\n', Lines.Select(line => $"{line.Text} {line.Behind}"));

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }

    // A value, what it holds, and the public properties behind it, as a sink reads them that takes objects apart.
    private static string Show(object? value, int depth = 0) => value switch
    {
        null => "",
        string text => text,
        IEnumerable<KeyValuePair<string, object?>> pairs => string.Join(" ", pairs.Select(pair => $"{pair.Key}={Show(pair.Value, depth + 1)}")) + ShowProperties(value, depth),
        IEnumerable several => string.Join(",", several.Cast<object?>().Select(one => Show(one, depth + 1))),
        _ => value + ShowProperties(value, depth),
    };

    private static string ShowProperties(object value, int depth) => depth > Deepest || value.GetType().IsPrimitive ? "" : string.Concat(value.GetType().GetProperties()
        .Where(property => property.GetIndexParameters().Length == 0 && property.PropertyType != typeof(Type))
        .Select(property => $" {property.Name}={Show(property.GetValue(value), depth + 1)}"));

    private sealed class Logger(RecordingLoggerFactory factory, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            factory._lines.Enqueue(new LogLine(category, LogLevel.None, default, "", Show(state)));
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => factory.IsBroken ? throw new AggregateException("the log is broken") : true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (factory.IsBroken)
                throw new AggregateException("the log is broken");
            string values = state is IEnumerable<KeyValuePair<string, object?>> pairs ? string.Join(" ", pairs.Select(pair => $"{pair.Key}={pair.Value}")) : "";
            factory._lines.Enqueue(new LogLine(category, logLevel, eventId, $"{formatter(state, exception)} {exception} | {values}", Show(state)));
        }
    }
}
