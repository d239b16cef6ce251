namespace M3.Client.Auth;

/// <summary>What experience suggests when two issuers differ: the usual slips with the usual providers.</summary>
internal static class IssuerHints
{
    private const string EntraV1 = "sts.windows.net";
    private const string EntraV2 = "login.microsoftonline.com";

    // Its clouds of countries.
    private const string EntraUs = "login.microsoftonline.us";
    private const string EntraChina = "login.partner.microsoftonline.cn";

    // Its customers' customers.
    private const string EntraExternal = ".ciamlogin.com";

    // Hosts under these belong to one customer each.
    private static readonly string[] TenantDomains = [".auth0.com", ".okta.com", ".oktapreview.com", ".b2clogin.com", EntraExternal];

    public static string For(string? actual, string? configured)
    {
        if (actual is null || configured is null)
            return "";
        if (actual.TrimEnd('/') == configured.TrimEnd('/'))
            return " (they differ by a slash at the end only)";
        if (!Uri.TryCreate(actual, UriKind.Absolute, out Uri? a) || !Uri.TryCreate(configured, UriKind.Absolute, out Uri? c))
            return "";
        if (string.Equals(actual, configured, StringComparison.OrdinalIgnoreCase))
            return " (they differ in upper and lower case only)";

        bool sameHost = string.Equals(a.IdnHost, c.IdnHost, StringComparison.OrdinalIgnoreCase);
        string path = a.AbsolutePath.Trim('/');
        if (sameHost && path == c.AbsolutePath.Trim('/'))
            return " (they differ in scheme or port only)";
        if (IsEntra(a) && IsEntra(c))
            return ForEntra(a, c);
        bool sameProvider = sameHost ? path.Length > 0 : TenantDomains.Any(domain => IsUnder(a, domain) && IsUnder(c, domain));
        return sameProvider ? " (the token is from another tenant or realm of the same provider)" : "";
    }

    private static string ForEntra(Uri actual, Uri configured)
    {
        string tenant = FirstSegment(configured);
        if (tenant is "common" or "organizations" or "consumers")
            return $" ('{tenant}' is where users of any tenant sign in, and no token's issuer: set the one that the token has, if that is your tenant)";
        return FirstSegment(actual) == tenant
            ? " (one is Entra ID's v1 issuer and the other its v2 one: set the issuer that the token has, or have the API's app registration issue the other version)"
            : " (the token is from another tenant or realm of the same provider)";
    }

    /// <summary>Whether an address is Entra ID's, by its host.</summary>
    public static bool IsEntra(Uri issuer) => issuer.IdnHost is EntraV1 or EntraV2 or EntraUs or EntraChina || IsUnder(issuer, EntraExternal);

    private static bool IsUnder(Uri issuer, string domain) => issuer.IdnHost.EndsWith(domain, StringComparison.OrdinalIgnoreCase);

    private static string FirstSegment(Uri issuer) => issuer.AbsolutePath.TrimStart('/').Split('/')[0];
}
