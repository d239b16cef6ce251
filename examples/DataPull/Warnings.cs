using Microsoft.Extensions.Logging;

namespace DataPull;

/// <summary>Shows what the library warns of: a Redis that is away, say, which no call fails of and all calls wait for.</summary>
internal sealed class Warnings(Screen screen) : ILoggerFactory, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            screen.Warn(formatter(state, exception));
    }

    public void Dispose()
    {
    }
}
