using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using NLog.Config;
using NLog.Extensions.Logging;
using NLog.Layouts;
using NLog.Targets;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Extensions.Logging;
using Serilog.Formatting.Json;

namespace M3.Client.Auth.Tests.Diagnostics;

/// <summary>A structured log as applications have it, each line as JSON: the message, and every value behind it.</summary>
internal sealed class JsonLog : IDisposable
{
    private readonly Func<IEnumerable<string>> _lines;

    private JsonLog(ILoggerFactory factory, Func<IEnumerable<string>> lines) => (Factory, _lines) = (factory, lines);

    public ILoggerFactory Factory { get; }

    public string Text => string.Join('\n', _lines());

    /// <summary>NLog's JsonLayout with the event's properties and the exception's.</summary>
    public static JsonLog OfNLog()
    {
        var target = new MemoryTarget
        {
            Layout = new JsonLayout
            {
                IncludeEventProperties = true,
                IncludeScopeProperties = true,
                MaxRecursionLimit = 5,
                Attributes = { new JsonAttribute("message", "${message}"), new JsonAttribute("exception", "${exception:format=@}") },
            },
        };
        var configuration = new LoggingConfiguration();
        configuration.AddRuleForAllLevels(target);
        var logs = new NLog.LogFactory { Configuration = configuration };
        return new JsonLog(new NLogLoggerFactory(new NLogLoggerProvider(new NLogProviderOptions(), logs)), () => target.Logs);
    }

    /// <summary>Serilog with its own JSON formatter.</summary>
    public static JsonLog OfSerilog(Func<LoggerConfiguration, LoggerConfiguration>? configure = null)
    {
        var sink = new Sink();
        LoggerConfiguration configuration = new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(sink);
        return new JsonLog(new SerilogLoggerFactory((configure?.Invoke(configuration) ?? configuration).CreateLogger(), dispose: true), () => sink.Lines);
    }

    public void Dispose() => Factory.Dispose();

    private sealed class Sink : ILogEventSink
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public void Emit(LogEvent logEvent)
        {
            using var line = new StringWriter();
            new JsonFormatter().Format(logEvent, line);
            Lines.Enqueue(line.ToString());
        }
    }
}
