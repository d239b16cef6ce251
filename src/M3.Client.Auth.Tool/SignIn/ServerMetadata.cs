using System.Net;
using System.Text.Json;

namespace M3.Client.Auth.Tool;

/// <summary>What a server says of itself (RFC 9728): who issues tokens for it, and with which scopes.</summary>
/// <param name="Resource">What its tokens are for: its own address.</param>
/// <param name="Issuers">Who issues them.</param>
/// <param name="Scopes">What there is to ask for; may be empty.</param>
internal sealed record ServerMetadata(string Resource, IReadOnlyList<string> Issuers, IReadOnlyList<string> Scopes)
{
    private const string WellKnown = "/.well-known/oauth-protected-resource";
    private const int MostListed = 20;

    /// <summary>
    /// Asks a server without a token, follows the address in its 401, and else looks at the well-known ones. The server may be anybody's: its
    /// metadata count only where they come from its own origin and are about the address that was asked.
    /// </summary>
    /// <exception cref="SignInException">It has none, or none that may be believed.</exception>
    public static async Task<ServerMetadata> FindAsync(Uri server, Backchannel backchannel, CancellationToken cancellationToken)
    {
        if (!Backchannel.MayReach(server))
            throw Refused(server, "is not https, over which anybody on the way could name an issuer of their own", "Use its https address.");
        if (server.UserInfo.Length > 0 || server.Fragment.Length > 0 || server.Query.Length > 0)
            throw Refused(server, "has a user, a query or a fragment in it", "Give the address alone.");

        if (await FindNamedAsync(server, cancellationToken) is { } named)
            return await ReadAsync(named, server, backchannel, cancellationToken) ?? throw Refused(server, $"names {Origin.Describe(named)}, where there are no metadata", "Tell whoever runs it.");

        // With the path inserted behind the well-known part, then without any (RFC 9728, section 3.1).
        var root = new Uri(server, "/");
        return await ReadAsync(new Uri(root, WellKnown + server.AbsolutePath.TrimEnd('/')), server, backchannel, cancellationToken)
            ?? await ReadAsync(new Uri(root, WellKnown), root, backchannel, cancellationToken)
            ?? throw Refused(server, "does not say who issues its tokens (RFC 9728)", "Ask whoever runs it for the issuer and the audience, and name them: m3-token login --issuer ... --audience ...");
    }

    // The address that a 401 names (RFC 9728, section 5.1); null: there is none.
    private static async Task<Uri?> FindNamedAsync(Uri server, CancellationToken cancellationToken)
    {
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, MaxResponseHeadersLength = 64, Proxy = new EnvironmentProxy() };
        using var http = new HttpClient(handler) { Timeout = Backchannel.Timeout };
        using var request = new HttpRequestMessage(HttpMethod.Get, server);
        request.Headers.Accept.ParseAdd("application/json, text/event-stream");
        HttpResponseMessage response;
        try
        {
            response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException || (e is TaskCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw Refused(server, $"could not be reached ({(e as HttpRequestException)?.HttpRequestError.ToString() ?? "no answer"})", "Check the address, and that the server can be reached from here.");
        }

        using HttpResponseMessage disposed = response;
        if (response.StatusCode != HttpStatusCode.Unauthorized
            || !response.Headers.NonValidated.TryGetValues("WWW-Authenticate", out var lines) || BearerChallenge.Find(lines)?.ResourceMetadata is not { } text)
            return null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? named) || !Origin.Same(named, server))
            throw Refused(server, $"names metadata of another origin, {Printable.Quote(text)}", "It may be a trap: name the issuer yourself, with --issuer and --audience.");
        return named;
    }

    private static async Task<ServerMetadata?> ReadAsync(Uri address, Uri about, Backchannel backchannel, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(Backchannel.Timeout);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        JsonElement? metadata;
        try
        {
            metadata = StrictJson.TryParseObject(await backchannel.GetAsync(address, either.Token));
        }
        catch (BackchannelException e) when (e.IsNotFound)
        {
            return null;
        }
        catch (BackchannelException e)
        {
            throw Refused(about, $"could not be asked for its metadata: {e.Message}", "Check the address, and try again.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw Refused(about, "did not answer in time when it was asked for its metadata", "Try again.");
        }

        if (metadata is not { } found)
            throw Refused(about, $"has at {Backchannel.Describe(address)} no metadata, but something else than a JSON object that can be understood in one way only", "Tell whoever runs it.");
        // Metadata of another resource could win a token for that one (RFC 9728, section 3.3).
        string? resource = StrictJson.ReadString(found, "resource");
        if (resource is null || !(resource == about.AbsoluteUri || (about.AbsolutePath == "/" && resource == about.AbsoluteUri.TrimEnd('/'))))
            throw Refused(about, $"describes another resource, {Printable.Quote(resource)}", "Use the address that it names if you trust it; else name the issuer yourself, with --issuer and --audience.");
        string[] issuers = List(found, "authorization_servers");
        if (issuers.FirstOrDefault(issuer => !MayIssue(issuer, about)) is { } unfit)
            throw Refused(about, $"names {Printable.Quote(unfit)} as its issuer, which is no https address in ASCII without user, query and fragment (http only on loopback, for a server there)", "Tell whoever runs it.");
        return issuers.Length > 0
            ? new ServerMetadata(resource, issuers, List(found, "scopes_supported"))
            : throw Refused(about, "names no issuer (authorization_servers)", "Ask whoever runs it, and name the issuer: m3-token login --issuer ... --audience ...");
    }

    // In https://good.example@evil.example a person reads the wrong host, and in one with other letters that look alike.
    private static bool MayIssue(string issuer, Uri server) => SignInPlan.IsIssuer(issuer, out Uri? address) && issuer.All(char.IsAscii)
        && (Backchannel.IsOnThisMachine(server) || !Backchannel.IsOnThisMachine(address));

    private static string[] List(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array
        ? [.. list.EnumerateArray().Select(StrictJson.ReadString).OfType<string>().Where(text => text.Length > 0).Distinct(StringComparer.Ordinal).Take(MostListed)]
        : [];

    private static SignInException Refused(Uri server, string why, string remedy) => new($"{Printable.Text(server.GetLeftPart(UriPartial.Path))} {why}", remedy);
}
