using System.Net.Http.Headers;

namespace M3.Client.Auth;

/// <summary>
/// Decides where the token may go: to the allowed origins; where none were named, to that of the client's base address; where there is none
/// either, only to the first one used. Belongs to the registration, so that recycled handlers cannot forget it.
/// </summary>
internal sealed class OriginGuard(IEnumerable<Uri> allowedOrigins, bool requireHttps, Log log)
{
    private readonly Origin[] _allowed = [.. allowedOrigins.Select(address => new Origin(address))];

    // The first one trusted: the only one where none were named, and in any case the one that nearly every call goes to.
    private Origin? _first;

    // Of the first client that was made: later ones widen nothing.
    private Origin? _ofBaseAddress;
    private bool _plainHttpLogged;

    /// <summary>A client was made with this base address: where no origins were named, its own is the only one.</summary>
    public void Expect(Uri? baseAddress)
    {
        if (_allowed.Length == 0 && baseAddress is { IsAbsoluteUri: true, Scheme: "http" or "https" } && Volatile.Read(ref _ofBaseAddress) is null)
            Interlocked.CompareExchange(ref _ofBaseAddress, new Origin(baseAddress), null);
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
        Origin? allowed = FindAllowed(target);
        if (_allowed.Length > 0 && allowed is null)
            throw new UntrustedOriginException($"{Origin.Describe(target)} (allowed: {string.Join<Origin>(", ", _allowed)})");

        if (_allowed.Length == 0 && Volatile.Read(ref _ofBaseAddress) is { } expected && !expected.Has(target))
            throw new UntrustedOriginException($"{Origin.Describe(target)} (no allowed origins are set, so the base address's is the only one: {expected})");

        // Whoever comes first with a call decides, when nobody else did.
        Origin first = Volatile.Read(ref _first) ?? Remember(new Origin(target));
        if (_allowed.Length == 0 && !first.Has(target))
            throw new UntrustedOriginException($"{Origin.Describe(target)} (no allowed origins are set, so the first one used is the only one: {first})");

        if (isReadable && !Interlocked.Exchange(ref _plainHttpLogged, true))
            log.PlainHttp(Origin.Describe(target));
        return first.Has(target) ? first : allowed!;
    }

    // .NET takes the name that TLS checks from this header, and a gateway the host that it passes the call on to.
    private void CheckHost(Uri target, string host)
    {
        bool isHost = Uri.TryCreate($"{target.Scheme}://{host}/", UriKind.Absolute, out Uri? named)
            && named is { UserInfo.Length: 0, PathAndQuery: "/", Fragment.Length: 0 };
        if (!isHost || (!Origin.Same(named!, target) && FindAllowed(named!) is null))
            throw new UntrustedOriginException($"the request's Host header is {Printable.Quote(host)}, and its address {Origin.Describe(target)}");
    }

    private Origin Remember(Origin origin) => Interlocked.CompareExchange(ref _first, origin, null) ?? origin;

    private Origin? FindAllowed(Uri target)
    {
        foreach (Origin allowed in _allowed)
        {
            if (allowed.Has(target))
                return allowed;
        }

        return null;
    }
}
