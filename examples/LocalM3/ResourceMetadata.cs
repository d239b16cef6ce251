namespace LocalM3;

/// <summary>What M3 says of itself to a client that knows only its address (RFC 9728).</summary>
internal static class ResourceMetadata
{
    private const string WellKnownPath = "/.well-known/oauth-protected-resource";

    /// <summary>Where it says so: the well-known path, inserted before the resource's own.</summary>
    public static Uri Address(Uri resource) => new(resource, WellKnownPath + resource.AbsolutePath);

    public static void MapResourceMetadata(this IEndpointRouteBuilder routes, Uri issuer, Uri resource)
    {
        var metadata = new Dictionary<string, object>
        {
            ["resource"] = resource.AbsoluteUri,
            ["resource_name"] = "LocalM3",
            ["authorization_servers"] = new[] { issuer.AbsoluteUri },
            ["scopes_supported"] = new[] { Gate.RequiredScope },
            ["bearer_methods_supported"] = new[] { "header" },
        };
        routes.MapGet(WellKnownPath, () => metadata);
        routes.MapGet(Address(resource).AbsolutePath, () => metadata);
    }
}
