using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Http.Logging;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>
/// What must hold of a factory's client with M3's authentication however it was configured, before or behind <c>AddM3Auth</c>: so it
/// stands outermost of the factory's filters, and is asked when all others are done.
/// </summary>
internal sealed class LastWordOnHandlers(IServiceProvider services) : IHttpMessageHandlerBuilderFilter
{
    public Action<HttpMessageHandlerBuilder> Configure(Action<HttpMessageHandlerBuilder> next) => builder =>
    {
        next(builder);
        if (!builder.AdditionalHandlers.Any(handler => handler is M3AuthHandler))
            return;

        EnvironmentProxy.PutInto(builder.PrimaryHandler);
        HideHeader(builder);
    };

    // In place of the factory's own two logging handlers, the same ones over the same loggers without the header's value.
    private void HideHeader(HttpMessageHandlerBuilder builder)
    {
        IList<DelegatingHandler> handlers = builder.AdditionalHandlers;
        for (int i = 0; i < handlers.Count; i++)
        {
            if (handlers[i].GetType() == typeof(LoggingScopeHttpMessageHandler))
                handlers[i] = new LoggingScopeHttpMessageHandler(LoggerOf("LogicalHandler"), FactoryOptions());
            else if (handlers[i].GetType() == typeof(LoggingHttpMessageHandler))
                handlers[i] = new LoggingHttpMessageHandler(LoggerOf("ClientHandler"), FactoryOptions());
        }

        HeaderHidingLogger LoggerOf(string handler) =>
            new(services.GetRequiredService<ILoggerFactory>().CreateLogger($"System.Net.Http.HttpClient.{builder.Name}.{handler}"));

        HttpClientFactoryOptions FactoryOptions() => services.GetRequiredService<IOptionsMonitor<HttpClientFactoryOptions>>().Get(builder.Name);
    }
}
