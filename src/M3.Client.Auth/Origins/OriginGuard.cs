using System.Net.Http.Headers;

namespace M3.Client.Auth;

/// <summary>
/// Decides where the token may go: to the allowed origins; where none were named, to that of the client's base address; where there is none
/// either, only to the first one used. Belongs to the registration, so that recycled handlers cannot forget it.
/// </summary>
internal sealed class OriginGuard(IEnumerable<Uri> allowedOrigins, bool requireHttps, Log log)
{
    private readonly Origin[] _allowed = [.. allowedOrigins.Select(address => new Origin(address))];

    // Where none were named, the only one: decided once, by the first client's base address or by the first call.
    private Only? _only;

    // The first one trusted, which nearly every call goes to.
    private Origin? _first;
    private bool _plainHttpLogged;

    /// <summary>How many origins were named.</summary>
    public int Named => _allowed.Length;

    /// <summary>A client was made with this base address: where no origins were named, its own is the only one.</summary>
    public void Expect(Uri? baseAddress)
    {
        if (_allowed.Length == 0 && Volatile.Read(ref _only) is null && baseAddress is { IsAbsoluteUri: true, Scheme: "http" or "https" })
            Decide(baseAddress, "the base address's is the only one");
    }

    /// <returns>The origin that the request goes to, the same object each time.</returns>
    /// <exception cref="UntrustedOriginException">The token may not go there.</exception>
    public Origin Check(HttpRequestMessage request)
    {
        Uri? target = request.RequestUri;
        bool isAddress = target is { IsAbsoluteUri: true };
        // As it goes out, whether or not it can be understood.
        if (isAddress && request.Headers.NonValidated is { Count: > 0 } headers && headers.TryGetValues("Host", out HeaderStringValues host))
            CheckHost(target!, host.ToString());
        // Whatever was found of the origin then is true of each of its addresses: nothing is written, and no memory taken.
        return isAddress && Volatile.Read(ref _first) is { } first && first.Has(target!) ? first : CheckAnew(target);
    }

    /// <summary>Whether a request goes where its token may go alone; its <c>Host</c> header, too.</summary>
    /// <exception cref="UntrustedOriginException">It does not.</exception>
    public static void Confine(HttpRequestMessage request, Origin only)
    {
        Uri target = request.RequestUri!;
        if (!only.Has(target) || (request.Headers.Host is { } host && !(Uri.TryCreate($"{target.Scheme}://{host}/", UriKind.Absolute, out Uri? named) && only.Has(named))))
            throw new UntrustedOriginException($"{Origin.Describe(target)} (the sign-in was discovered from {only}, and its token goes there only)");
    }

    private Origin CheckAnew(Uri? target)
    {
        if (target is not { IsAbsoluteUri: true, Scheme: "http" or "https" })
            throw new UntrustedOriginException($"the request's URI is {Printable.Quote(target?.OriginalString)}, not an absolute http or https one");
        bool isReadable = target.Scheme == Uri.UriSchemeHttp && !target.IsLoopback;
        if (isReadable && requireHttps)
            throw new UntrustedOriginException($"{Origin.Describe(target)} is plain HTTP, over which anybody on the way can read the token");
        Origin trusted = _allowed.Length > 0 ? RequireAllowed(target) : RequireOnly(target);
        if (isReadable && !Interlocked.Exchange(ref _plainHttpLogged, true))
            log.PlainHttp(Origin.Describe(target));
        Interlocked.CompareExchange(ref _first, trusted, null);
        return trusted;
    }

    private Origin RequireAllowed(Uri target) => FindAllowed(target)
        ?? throw new UntrustedOriginException($"{Origin.Describe(target)} (allowed: {string.Join<Origin>(", ", _allowed)})");

    private Origin RequireOnly(Uri target)
    {
        Only only = Volatile.Read(ref _only) ?? Decide(target, "the first one used is the only one");
        return only.Origin.Has(target)
            ? only.Origin
            : throw new UntrustedOriginException($"{Origin.Describe(target)} (no allowed origins are set, so {only.Why}: {only.Origin})");
    }

    // .NET takes the name that TLS checks from this header, and a gateway the host that it passes the call on to.
    private void CheckHost(Uri target, string host)
    {
        bool isHost = Uri.TryCreate($"{target.Scheme}://{host}/", UriKind.Absolute, out Uri? named)
            && named is { UserInfo.Length: 0, PathAndQuery: "/", Fragment.Length: 0 };
        if (!isHost || (!Origin.Same(named!, target) && FindAllowed(named!) is null))
            throw new UntrustedOriginException($"the request's Host header is {Printable.Quote(host)}, and its address {Origin.Describe(target)}");
    }

    private Only Decide(Uri address, string why)
    {
        var only = new Only(new Origin(address), why);
        return Interlocked.CompareExchange(ref _only, only, null) ?? only;
    }

    private Origin? FindAllowed(Uri target)
    {
        foreach (Origin allowed in _allowed)
        {
            if (allowed.Has(target))
                return allowed;
        }

        return null;
    }

    private sealed record Only(Origin Origin, string Why);
}
