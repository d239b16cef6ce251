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
    private readonly HandlerOrder _order = new();

    public Action<HttpMessageHandlerBuilder> Configure(Action<HttpMessageHandlerBuilder> next) => builder =>
    {
        next(builder);
        IList<DelegatingHandler> handlers = builder.AdditionalHandlers;
        int ours = handlers.TakeWhile(handler => handler is not M3AuthHandler).Count();
        if (ours == handlers.Count)
            return;

        EnvironmentProxy.PutInto(builder.PrimaryHandler);
        HideHeader(builder);

        // A handler that somebody built and added has a registration of its own, and nobody else knows it.
        if (services.GetKeyedService<M3AuthRegistration>(builder.Name) is not { Options.Enabled: true } registration)
            return;
        _order.Check(builder.Name!, handlers, ours, registration);
        if (handlers.Skip(ours + 1).Any(handler => handler is not LoggingHttpMessageHandler))
            handlers.Add(new OriginRecheck(registration));
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
