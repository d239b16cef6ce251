using Microsoft.Extensions.Http;

namespace M3.Client.Auth;

/// <summary>
/// What must hold of a factory's client with M3's authentication however it was configured, before or behind <c>AddM3Auth</c>: so it
/// stands outermost of the factory's filters, and is asked when all others are done.
/// </summary>
internal sealed class LastWordOnHandlers : IHttpMessageHandlerBuilderFilter
{
    public Action<HttpMessageHandlerBuilder> Configure(Action<HttpMessageHandlerBuilder> next) => builder =>
    {
        next(builder);
        if (builder.AdditionalHandlers.Any(handler => handler is M3AuthHandler))
            EnvironmentProxy.PutInto(builder.PrimaryHandler);
    };
}
