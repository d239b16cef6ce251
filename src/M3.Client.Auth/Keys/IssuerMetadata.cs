using System.Text.Json;
using Duende.IdentityModel;

namespace M3.Client.Auth;

/// <summary>
/// Where the issuer's JWKS and token endpoint are: as configured; else as the issuer's metadata says (OpenID Connect Discovery 1.0,
/// then RFC 8414); else, for keys, <c>{issuer}/.well-known/jwks.json</c>. Read anew for every fetch, which is once an hour: an
/// issuer may move its keys at any time.
/// </summary>
internal sealed class IssuerMetadata(M3AuthOptions options, Backchannel backchannel)
{
    private Uri? _lastKnownJwks;

    /// <exception cref="BackchannelException">It could not be found out.</exception>
    public Task<Uri> FindJwksAsync(CancellationToken cancellationToken) => options.JwksUrl is { } configured
        ? Task.FromResult(configured)
        : FindAsync(ReadJwksUri, whenDown: _lastKnownJwks, otherwise: () => _lastKnownJwks ??= new Uri(options.IssuerUrl!.TrimEnd('/') + "/.well-known/jwks.json"), cancellationToken)!;

    /// <exception cref="BackchannelException">It could not be found out.</exception>
    public async Task<TokenEndpoint> FindTokenEndpointAsync(CancellationToken cancellationToken) =>
        await FindAsync(ReadTokenEndpoint, whenDown: null, otherwise: () => null, cancellationToken).ConfigureAwait(false)
        ?? throw new BackchannelException($"the issuer {Printable.Quote(options.IssuerUrl)} has no metadata that names its {OidcConstants.Discovery.TokenEndpoint}");

    // The metadata may be down, and what it names not: then what was known before serves. An answer that must be refused is no such case.
    private async Task<T?> FindAsync<T>(Func<JsonElement, T?> read, T? whenDown, Func<T?> otherwise, CancellationToken cancellationToken)
        where T : class
    {
        foreach (Uri address in Addresses())
        {
            byte[] document;
            try
            {
                document = await backchannel.GetAsync(address, cancellationToken).ConfigureAwait(false);
            }
            catch (BackchannelException e) when (e.IsNotThere)
            {
                continue;
            }
            catch (BackchannelException e) when (whenDown is not null && !e.IsRefusal)
            {
                return whenDown;
            }

            // What is no JSON object is no metadata: single-page applications answer 200 to any address.
            if (StrictJson.TryParseObject(document) is not { } metadata)
                continue;
            CheckIssuer(metadata, address);
            if (read(metadata) is { } found)
                return found;
        }

        return otherwise();
    }

    private Uri? ReadJwksUri(JsonElement metadata) =>
        ReadEndpoint(metadata, OidcConstants.Discovery.JwksUri) is { } found ? _lastKnownJwks = found : null;

    // Metadata of another issuer could point to that issuer's keys (OpenID Connect Discovery 1.0, section 4.3; RFC 8414, section 3.3).
    private void CheckIssuer(JsonElement metadata, Uri address)
    {
        string? issuer = StrictJson.ReadString(metadata, OidcConstants.Discovery.Issuer);
        if (string.Equals(issuer, options.IssuerUrl, StringComparison.Ordinal))
            return;

        throw new BackchannelException($"the metadata at {Backchannel.Describe(address)} is of the issuer {Printable.Quote(issuer)}, "
            + $"but {options.Prefix}ISSUER_URL is {Printable.Quote(options.IssuerUrl)}{Hints.ForIssuer(issuer, options.IssuerUrl)}")
        { IsRefusal = true };
    }

    private static Uri? ReadEndpoint(JsonElement metadata, string name)
    {
        if (StrictJson.ReadString(metadata, name) is not { } text)
            return null;
        return Uri.TryCreate(text, UriKind.Absolute, out Uri? endpoint) && Backchannel.MayReach(endpoint)
            ? endpoint
            : throw new BackchannelException($"the {name} {Printable.Quote(text)} in the issuer's metadata is not https (http only on loopback)") { IsRefusal = true };
    }

    private static TokenEndpoint? ReadTokenEndpoint(JsonElement metadata)
    {
        if (ReadEndpoint(metadata, OidcConstants.Discovery.TokenEndpoint) is not { } address)
            return null;

        string?[]? methods = metadata.TryGetProperty(OidcConstants.Discovery.TokenEndpointAuthenticationMethodsSupported, out JsonElement list)
            && list.ValueKind == JsonValueKind.Array
            ? [.. list.EnumerateArray().Select(StrictJson.ReadString)]
            : null;
        return new TokenEndpoint(address, methods is null || methods.Contains(OidcConstants.EndpointAuthenticationMethods.BasicAuthentication)
            || !methods.Contains(OidcConstants.EndpointAuthenticationMethods.PostBody));
    }

    // RFC 8414 inserts its part between the host and the issuer's path.
    private Uri[] Addresses()
    {
        string issuer = options.IssuerUrl!.TrimEnd('/');
        var root = new Uri(issuer);
        return
        [
            new Uri(issuer + "/" + OidcConstants.Discovery.DiscoveryEndpoint),
            new Uri(root, "/.well-known/oauth-authorization-server" + root.AbsolutePath.TrimEnd('/')),
        ];
    }
}
