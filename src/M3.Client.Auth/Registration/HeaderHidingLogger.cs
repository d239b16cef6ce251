using System.Collections;
using Microsoft.Extensions.Logging;

namespace M3.Client.Auth;

/// <summary>
/// Keeps the <c>Authorization</c> header out of the values of a line: the factory redacts it in the text alone, and a structured sink
/// reads the values.
/// </summary>
internal sealed class HeaderHidingLogger(ILogger inner) : ILogger
{
    private const string Header = "Authorization";

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!inner.IsEnabled(logLevel))
            return;
        if (state is IReadOnlyList<KeyValuePair<string, object?>> values && values.Any(value => IsHeader(value.Key)))
            inner.Log(logLevel, eventId, new Line(values, formatter(state, exception)), exception, static (line, _) => line.ToString());
        else
            inner.Log(logLevel, eventId, state, exception, formatter);
    }

    private static bool IsHeader(string name) => name.Equals(Header, StringComparison.OrdinalIgnoreCase);

    private sealed class Line(IReadOnlyList<KeyValuePair<string, object?>> values, string text) : IReadOnlyList<KeyValuePair<string, object?>>
    {
        private readonly KeyValuePair<string, object?>[] _values =
            [.. values.Select(value => IsHeader(value.Key) ? new KeyValuePair<string, object?>(value.Key, "*") : value)];

        public int Count => _values.Length;

        public KeyValuePair<string, object?> this[int index] => _values[index];

        public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => _values.AsEnumerable().GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        public override string ToString() => text;
    }
}
