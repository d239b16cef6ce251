namespace M3.Client.Auth;

/// <summary>Scheme, host and port (RFC 6454) of an address, read once.</summary>
internal sealed class Origin(Uri address)
{
    private readonly string _scheme = address.Scheme;
    private readonly string _host = address.IdnHost;
    private readonly int _port = address.Port;

    /// <summary>Whether an absolute address is of this origin.</summary>
    public bool Has(Uri other) => ReferenceEquals(other, address)
        || (other.Port == _port && other.Scheme == _scheme && string.Equals(other.IdnHost, _host, StringComparison.OrdinalIgnoreCase));

    public override string ToString() => Describe(address);

    public static bool Same(Uri a, Uri b) => new Origin(a).Has(b);

    public static string Describe(Uri? url) => url is { IsAbsoluteUri: true } ? Printable.Text($"{url.Scheme}://{url.IdnHost}:{url.Port}") : "(no origin)";
}
