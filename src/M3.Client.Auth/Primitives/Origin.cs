namespace M3.Client.Auth;

/// <summary>Scheme, host and port (RFC 6454) of an address, read once.</summary>
internal sealed class Origin(Uri address)
{
    private readonly string _scheme = address.Scheme;

    public string Host { get; } = address.IdnHost;

    public int Port { get; } = address.Port;

    /// <summary>Whether an absolute address is of this origin.</summary>
    public bool Has(Uri other) => ReferenceEquals(other, address)
        || (other.Port == Port && other.Scheme == _scheme && string.Equals(other.IdnHost, Host, StringComparison.OrdinalIgnoreCase));

    public override string ToString() => Describe(address);

    public static bool Same(Uri a, Uri b) => new Origin(a).Has(b);

    public static string Describe(Uri? url) => url is { IsAbsoluteUri: true } ? Printable.Text($"{url.Scheme}://{url.IdnHost}:{url.Port}") : "(no origin)";
}
