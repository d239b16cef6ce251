using System.Collections.Specialized;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Web;
using Duende.IdentityModel;

namespace M3.Client.Auth.Tool;

/// <summary>
/// Where a browser brings the issuer's answer to (RFC 8252, section 7.3): an address of this machine alone, for the time of one sign-in. Any page and
/// any program here can call it, so that only the answer that was waited for, by its <c>state</c>, ends the wait.
/// </summary>
internal sealed class LoopbackRedirect : IDisposable
{
    private const string Path = "/callback";
    private const int Tries = 10;

    private readonly HttpListener _listener;

    private LoopbackRedirect(HttpListener listener, int port)
    {
        _listener = listener;
        Address = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}{Path}");
    }

    /// <summary>The <c>redirect_uri</c>.</summary>
    public string Address { get; }

    /// <param name="port">Null: one that is free.</param>
    /// <exception cref="SignInException">The port is taken.</exception>
    public static LoopbackRedirect Listen(int? port)
    {
        for (int attempt = 1; ; attempt++)
        {
            int chosen = port ?? FindFreePort();
            var listener = new HttpListener();
            listener.Prefixes.Add(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{chosen}/"));
            try
            {
                listener.Start();
                return new LoopbackRedirect(listener, chosen);
            }
            catch (HttpListenerException e)
            {
                listener.Close();
                // Somebody may have taken the free one meanwhile.
                if (port is not null || attempt == Tries)
                {
                    throw new SignInException(string.Create(CultureInfo.InvariantCulture, $"port {chosen} of this machine cannot be used for the browser's answer (error {e.ErrorCode})"),
                        "Name another one that the issuer knows, with --port, or sign in with a code: --device.");
                }
            }
        }
    }

    /// <summary>Waits for the answer with this state, and refuses whatever else comes.</summary>
    /// <param name="state">The <c>state</c> that was sent along.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<RedirectAnswer> WaitAsync(string state, CancellationToken cancellationToken)
    {
        while (true)
        {
            HttpListenerContext context = await _listener.GetContextAsync().WaitAsync(cancellationToken);
            if (Read(context, state) is { } answer)
                return answer;
        }
    }

    private static RedirectAnswer? Read(HttpListenerContext context, string state)
    {
        HttpStatusCode refusal;
        if (context.Request.Url is not { AbsolutePath: Path } address)
        {
            refusal = HttpStatusCode.NotFound;
        }
        else if (context.Request.HttpMethod != HttpMethod.Get.Method)
        {
            refusal = HttpStatusCode.MethodNotAllowed;
        }
        else
        {
            // The request's own QueryString would be read by whatever encoding the caller names.
            NameValueCollection query = HttpUtility.ParseQueryString(address.Query, Encoding.UTF8);
            if (query.GetValues(OidcConstants.AuthorizeResponse.State) is [{ } said] && IsSame(said, state))
                return new RedirectAnswer(query, context.Response);
            refusal = HttpStatusCode.BadRequest;
        }

        RedirectPage.Write(context.Response, refusal, refusal == HttpStatusCode.BadRequest ? RedirectPage.NotWaitedFor : RedirectPage.NothingHere, hasBody: context.Request.HttpMethod != HttpMethod.Head.Method);
        return null;
    }

    public void Dispose() => _listener.Close();

    private static int FindFreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static bool IsSame(string said, string expected) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(said), Encoding.UTF8.GetBytes(expected));
}

/// <summary>The issuer's answer as the browser brought it. The browser waits until it is told how it went.</summary>
/// <param name="query">The parameters.</param>
/// <param name="response">To the browser.</param>
internal sealed class RedirectAnswer(NameValueCollection query, HttpListenerResponse response)
{
    /// <summary>A parameter; null: it is not there.</summary>
    /// <exception cref="SignInException">It is there twice (RFC 6749, section 3.1).</exception>
    public string? Read(string name) => query.GetValues(name) switch
    {
        null => null,
        [{ Length: > 0 } value] => value,
        [_] => null,
        _ => throw new SignInException($"the issuer's answer has more than one '{name}'", "Sign in again; if it stays so, ask whoever runs the issuer."),
    };

    /// <summary>Says so to the person in the browser.</summary>
    public void Finish(bool isSignedIn) =>
        RedirectPage.Write(response, isSignedIn ? HttpStatusCode.OK : HttpStatusCode.BadRequest, isSignedIn ? RedirectPage.Done : RedirectPage.NotSignedIn);
}
