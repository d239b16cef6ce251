using System.Net;

namespace M3.Client.Auth;

/// <summary>
/// The proxy that the environment names, for every address but this machine's own: unless <c>NO_PROXY</c> says otherwise, .NET sends
/// what is meant for localhost there as well, with the token or the secret in it.
/// </summary>
internal sealed class EnvironmentProxy : IWebProxy
{
    public ICredentials? Credentials
    {
        get => HttpClient.DefaultProxy.Credentials;
        set => throw new NotSupportedException();
    }

    public Uri? GetProxy(Uri destination) => HttpClient.DefaultProxy.GetProxy(destination);

    public bool IsBypassed(Uri host) => host.IsLoopback || HttpClient.DefaultProxy.IsBypassed(host);

    /// <summary>Takes the place of the environment's proxy in a handler of .NET's own. A proxy set explicitly stays, and so does having none.</summary>
    public static void PutInto(HttpMessageHandler handler)
    {
        try
        {
            if (handler is SocketsHttpHandler { UseProxy: true, Proxy: null } sockets)
                sockets.Proxy = new EnvironmentProxy();
            else if (handler is HttpClientHandler { UseProxy: true, Proxy: null } client)
                client.Proxy = new EnvironmentProxy();
        }
        catch (InvalidOperationException)
        {
            // It has sent something already, and whoever shares it goes on with it as it is.
        }
    }
}
