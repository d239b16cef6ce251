using System.Net;
using System.Net.Mime;

namespace LocalM3;

/// <summary>Small plain pages: no script, nothing from elsewhere.</summary>
internal static class Html
{
    private const string Style =
        """
        :root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif; }
        body { max-width: 34rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
        dt { font-weight: bold; }
        dd { margin: 0 0 .5rem; }
        fieldset { margin: 1rem 0; }
        label { display: block; padding: .2rem 0; }
        input, button { font: inherit; }
        button { padding: .4rem 1.4rem; margin-right: .6rem; }
        input[name=user_code] { width: 11ch; font-family: monospace; text-transform: uppercase; }
        small { display: block; margin-top: 2rem; }
        """;

    public static IResult Page(string title, params IEnumerable<string> parts) => new PageResult(
        $"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>{title}: LocalM3</title>
        <style>
        {Style}
        </style>
        </head>
        <body>
        <main>
        <h1>{title}</h1>
        {string.Join('\n', parts)}
        <small>LocalM3, a stand-in for M3 on this machine: made-up people, so no password.</small>
        </main>
        </body>
        </html>

        """);

    public static string Encode(string text) => WebUtility.HtmlEncode(text);

    public static string Facts(params IEnumerable<(string Term, string Text)> facts) =>
        $"<dl>\n{string.Concat(facts.Select(fact => $"<dt>{fact.Term}</dt><dd>{Encode(fact.Text)}</dd>\n"))}</dl>";

    /// <summary>Asks who the person is, and for Allow or Deny.</summary>
    public static string DecisionForm(string action, IEnumerable<KeyValuePair<string, string>> fields) =>
        $"""
        <form method="post" action="{action}">
        {string.Concat(fields.Select(field => $"<input type=\"hidden\" name=\"{Encode(field.Key)}\" value=\"{Encode(field.Value)}\">\n"))}<fieldset>
        <legend>Who are you?</legend>
        {string.Join('\n', SignIns.People.Select((person, index) => $"<label><input type=\"radio\" name=\"person\" value=\"{person}\"{(index == 0 ? " checked" : "")}> {person}</label>"))}
        </fieldset>
        <button name="decision" value="allow">Allow</button>
        <button name="decision" value="deny">Deny</button>
        </form>
        """;

    /// <summary>Asks for the code that a device shows.</summary>
    public static string CodeForm(string action) =>
        $"""
        <form action="{action}">
        <label for="code">The code that your device shows</label>
        <input id="code" name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false" required>
        <button>Continue</button>
        </form>
        """;

    private sealed class PageResult(string html) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext)
        {
            IHeaderDictionary headers = httpContext.Response.Headers;
            headers.CacheControl = "no-store";
            // Nobody frames it, to have its buttons pressed unseen.
            headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
            httpContext.Response.ContentType = $"{MediaTypeNames.Text.Html}; charset=utf-8";
            return httpContext.Response.WriteAsync(html);
        }
    }
}
