using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace M3.Client.Auth.Tests.Kit;

internal sealed record LogLine(LogLevel Level, EventId Event, string Text);

/// <summary>Keeps every line, at every level.</summary>
internal sealed class RecordingLoggerFactory : ILoggerFactory, ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<LogLine> _lines = new();

    public IReadOnlyList<LogLine> Lines => [.. _lines];

    /// <summary>Whether it breaks instead.</summary>
    public bool IsBroken { get; set; }

    public IEnumerable<string> Warnings => Lines.Where(line => line.Level == LogLevel.Warning).Select(line => line.Text);

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => IsBroken ? throw new AggregateException("the log is broken") : true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsBroken)
            throw new AggregateException("the log is broken");
        // The state's values, too: a structured sink shows them apart from the text.
        string values = state is IEnumerable<KeyValuePair<string, object?>> pairs ? string.Join(" ", pairs.Select(pair => $"{pair.Key}={pair.Value}")) : "";
        _lines.Enqueue(new LogLine(logLevel, eventId, $"{formatter(state, exception)} {exception} | {values}"));
    }

    public void Dispose()
    {
    }
}
