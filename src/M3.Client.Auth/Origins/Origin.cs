namespace M3.Client.Auth;

/// <summary>Scheme, host and port (RFC 6454).</summary>
internal static class Origin
{
    public static bool Same(Uri a, Uri b) => a.Port == b.Port && a.Scheme == b.Scheme
        && string.Equals(a.IdnHost, b.IdnHost, StringComparison.OrdinalIgnoreCase);

    public static string Describe(Uri? url) => url is { IsAbsoluteUri: true } ? Printable.Text($"{url.Scheme}://{url.IdnHost}:{url.Port}") : "(no origin)";
}
