using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace M3.Client.Auth.Tool;

/// <summary>What the browser shows at the end. Nothing of what was asked stands in it, and nothing is loaded, run or kept.</summary>
internal static class RedirectPage
{
    public static readonly (string Title, string Text) Done = ("Done", "You are signed in. You can close this page and go back to the terminal.");
    public static readonly (string Title, string Text) NotSignedIn = ("Not signed in", "The terminal says why. You can close this page.");
    public static readonly (string Title, string Text) NotWaitedFor = ("Not signed in", "This is not the answer that m3-token waits for. Go back to the page that the terminal names.");
    public static readonly (string Title, string Text) NothingHere = ("Nothing here", "m3-token waits for a sign-in at another address.");

    private const string Style = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:20vh auto 0;padding:0 1rem}";

    private static readonly string Policy =
        $"default-src 'none'; style-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Style)))}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void Write(HttpListenerResponse response, HttpStatusCode status, (string Title, string Text) page, bool hasBody = true)
    {
        byte[] html = Encoding.UTF8.GetBytes(
            $"""
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
            <title>{page.Title} - m3-token</title><style>{Style}</style></head>
            <body><main><h1>{page.Title}</h1><p>{page.Text}</p></main></body></html>
            """);
        try
        {
            response.StatusCode = (int)status;
            response.ContentType = "text/html; charset=utf-8";
            response.Headers["Cache-Control"] = "no-store";
            response.Headers["Content-Security-Policy"] = Policy;
            response.Headers["Referrer-Policy"] = "no-referrer";
            response.Headers["X-Content-Type-Options"] = "nosniff";
            response.KeepAlive = false;
            if (hasBody)
                response.Close(html, willBlock: true);
            else
                response.Close();
        }
        catch (Exception e) when (e is HttpListenerException or IOException or InvalidOperationException)
        {
            // The browser has gone: it is not needed any more.
        }
    }
}
