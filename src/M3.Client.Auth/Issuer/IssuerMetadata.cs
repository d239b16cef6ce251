using System.Text.Json;
using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>
/// Where the issuer's JWKS and token endpoint are: as configured; else as the issuer's metadata says (OpenID Connect Discovery 1.0,
/// then RFC 8414); else, for keys, <c>{issuer}/.well-known/jwks.json</c>. Kept for as long as keys are, for token requests; a fetch of
/// keys reads them anew, which is once an hour: an issuer may move its keys at any time.
/// </summary>
internal sealed class IssuerMetadata(IssuerSettings settings, TimeProvider timeProvider, Backchannel backchannel)
{
    private readonly Clock _clock = new(timeProvider);

    // By address. A fetch of keys and a token request may both be at it: each document is swapped whole.
    private readonly Document?[] _documents = new Document?[2];
    private Uri? _lastKnownJwks;

    /// <param name="isFirst">Whether no keys were fetched before, so that what a token request has just read is as good as new.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="BackchannelException">It could not be found out.</exception>
    public async Task<Uri> FindJwksAsync(bool isFirst, CancellationToken cancellationToken)
    {
        if (settings.JwksUrl is { } configured)
            return configured;
        for (int i = 0; i < _documents.Length; i++)
        {
            Document document = await ReadAsync(i, mayBeKept: isFirst, cancellationToken).ConfigureAwait(false);
            if (document.Metadata is { } metadata && ReadEndpoint(metadata, OidcConstants.Discovery.JwksUri) is { } found)
                return _lastKnownJwks = found;
        }

        return _lastKnownJwks ??= new Uri(settings.Url!.TrimEnd('/') + "/.well-known/jwks.json");
    }

    /// <exception cref="BackchannelException">It could not be found out.</exception>
    public async Task<TokenEndpoint> FindTokenEndpointAsync(CancellationToken cancellationToken) =>
        await TryFindEndpointAsync(OidcConstants.Discovery.TokenEndpoint, cancellationToken).ConfigureAwait(false) ?? throw NotNamed(OidcConstants.Discovery.TokenEndpoint);

    /// <summary>Where the issuer takes requests of one kind, and how it wants to know its clients there; null: its metadata name no such place.</summary>
    /// <param name="name">The member of the metadata, such as <c>revocation_endpoint</c>.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="BackchannelException">It could not be found out.</exception>
    public async Task<TokenEndpoint?> TryFindEndpointAsync(string name, CancellationToken cancellationToken)
    {
        TokenEndpoint? found = await TryFindAsync(metadata => ReadEndpointWithMethods(metadata, name), cancellationToken).ConfigureAwait(false);
        // That one is missing is not kept: it would be missed for as long as keys are kept.
        if (found is null)
            Forget();
        return found;
    }

    /// <summary>Where people sign in; null: its metadata name no such place.</summary>
    /// <exception cref="BackchannelException">It could not be found out.</exception>
    public Task<AuthorizationEndpoint?> TryFindAuthorizationEndpointAsync(CancellationToken cancellationToken) => TryFindAsync(ReadAuthorizationEndpoint, cancellationToken);

    /// <summary>The scopes that the issuer lists (<c>scopes_supported</c>); null: it lists none.</summary>
    /// <exception cref="BackchannelException">It could not be found out.</exception>
    public Task<string?[]?> TryFindScopesAsync(CancellationToken cancellationToken) =>
        TryFindAsync(metadata => ReadList(metadata, OidcConstants.Discovery.ScopesSupported), cancellationToken);

    /// <summary>The failure of whoever cannot do without an endpoint.</summary>
    public BackchannelException NotNamed(string name) =>
        new($"the issuer {Printable.Quote(settings.Url)} has no metadata that names its {name}") { IsFatal = true };

    /// <summary>Has the metadata read anew next time: what they name did not answer as it should.</summary>
    public void Forget()
    {
        foreach (ref Document? document in _documents.AsSpan())
            document = document is null ? null : new Document(document.Metadata, until: default);
    }

    // In the first of its documents that has it.
    private async Task<T?> TryFindAsync<T>(Func<JsonElement, T?> read, CancellationToken cancellationToken)
        where T : class
    {
        for (int i = 0; i < _documents.Length; i++)
        {
            Document document = await ReadAsync(i, mayBeKept: true, cancellationToken).ConfigureAwait(false);
            if (document.Metadata is { } metadata && read(metadata) is { } found)
                return found;
        }

        return null;
    }

    private async Task<Document> ReadAsync(int index, bool mayBeKept, CancellationToken cancellationToken)
    {
        Document? known = Volatile.Read(ref _documents[index]);
        if (known is not null && mayBeKept && !known.Until.IsPast(_clock.Now))
            return known;

        Uri address = AddressOf(index);
        JsonElement? metadata = null;
        try
        {
            // What is no JSON object is no metadata: single-page applications answer 200 to any address.
            metadata = StrictJson.TryParseObject(await backchannel.GetAsync(address, cancellationToken).ConfigureAwait(false));
        }
        catch (BackchannelException e) when (e.IsNotFound)
        {
            // As good as an answer: nothing is there.
        }
        catch (BackchannelException) when (known is not null)
        {
            // The metadata may be down, and what they name not: then what was known before is used (stale-if-error).
            return known;
        }

        if (metadata is { } found)
            CheckIssuer(found, address);
        var document = new Document(metadata, Deadline.After(_clock.Now, settings.Lifetime));
        Volatile.Write(ref _documents[index], document);
        return document;
    }

    // Metadata of another issuer could point to that issuer's keys (OpenID Connect Discovery 1.0, section 4.3; RFC 8414, section 3.3).
    private void CheckIssuer(JsonElement metadata, Uri address)
    {
        string? issuer = StrictJson.ReadString(metadata, OidcConstants.Discovery.Issuer);
        if (string.Equals(issuer, settings.Url, StringComparison.Ordinal))
            return;

        throw new BackchannelException($"the metadata at {Backchannel.Describe(address)} is of the issuer {Printable.Quote(issuer)}, "
            + $"but {settings.Prefix}ISSUER_URL is {Printable.Quote(settings.Url)}{IssuerHints.For(issuer, settings.Url)}")
        {
            IsFatal = true,
            Remedy = issuer?.TrimEnd('/') == settings.Url!.TrimEnd('/')
                ? $"Set {settings.Prefix}ISSUER_URL to {Printable.Quote(issuer)}, {(issuer!.EndsWith('/') ? "with" : "without")} the slash at the end: that is the issuer's own name, and what its tokens say."
                : null,
        };
    }

    private Uri? ReadEndpoint(JsonElement metadata, string name)
    {
        if (StrictJson.ReadString(metadata, name) is not { } text)
            return null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? endpoint) || !Backchannel.MayReach(endpoint))
            throw Refused("is not https (http only on loopback)");
        // Else whoever controls a remote issuer could have this process call, with its secret, what only this machine can reach.
        if (!Backchannel.IsOnThisMachine(new Uri(settings.Url!)) && Backchannel.IsOnThisMachine(endpoint))
            throw Refused("is on this machine, where only an issuer on loopback may send anybody");
        return endpoint;

        BackchannelException Refused(string why) => new($"the {name} {Printable.Quote(text)} in the issuer's metadata {why}") { IsFatal = true };
    }

    private AuthorizationEndpoint? ReadAuthorizationEndpoint(JsonElement metadata)
    {
        if (ReadEndpoint(metadata, OidcConstants.Discovery.AuthorizationEndpoint) is not { } address)
            return null;

        string?[]? methods = ReadList(metadata, OidcConstants.Discovery.CodeChallengeMethodsSupported);
        return new AuthorizationEndpoint(
            address,
            // Entra ID does, and does not say so.
            TakesS256: methods?.Contains(OidcConstants.CodeChallengeMethods.Sha256) ?? IssuerHints.IsEntra(new Uri(settings.Url!)),
            NamesIssuer: metadata.TryGetProperty("authorization_response_iss_parameter_supported", out JsonElement promise) && promise.ValueKind == JsonValueKind.True);
    }

    private TokenEndpoint? ReadEndpointWithMethods(JsonElement metadata, string name)
    {
        if (ReadEndpoint(metadata, name) is not { } address)
            return null;

        string?[]? methods = ReadList(metadata, OidcConstants.Discovery.TokenEndpointAuthenticationMethodsSupported);
        return new TokenEndpoint(
            address,
            TakesBasic: methods is null || methods.Contains(OidcConstants.EndpointAuthenticationMethods.BasicAuthentication)
                || !methods.Contains(OidcConstants.EndpointAuthenticationMethods.PostBody),
            ReadList(metadata, OidcConstants.Discovery.TokenEndpointAuthSigningAlgorithmsSupported));
    }

    private static string?[]? ReadList(JsonElement metadata, string name) =>
        metadata.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array
            ? [.. list.EnumerateArray().Select(StrictJson.ReadString)]
            : null;

    // OpenID Connect Discovery 1.0 first; RFC 8414 inserts its part between the host and the issuer's path.
    private Uri AddressOf(int index)
    {
        string issuer = settings.Url!.TrimEnd('/');
        if (index == 0)
            return new Uri(issuer + "/" + OidcConstants.Discovery.DiscoveryEndpoint);
        var root = new Uri(issuer);
        return new Uri(root, "/.well-known/oauth-authorization-server" + root.AbsolutePath.TrimEnd('/'));
    }

    private sealed class Document(JsonElement? metadata, Deadline until)
    {
        public readonly JsonElement? Metadata = metadata;

        public readonly Deadline Until = until;
    }
}
