using Microsoft.Extensions.Logging;

namespace M3.Client.Auth;

/// <summary>Where <c>M3_OAUTH2_DEBUG</c> goes when there is no logger: a script wants to see it without setting one up.</summary>
internal sealed class StandardErrorLogger(TimeProvider timeProvider) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            Console.Error.WriteLine($"{timeProvider.GetUtcNow():HH:mm:ss.fff} M3.Client.Auth {logLevel}: {formatter(state, exception)}");
    }
}
