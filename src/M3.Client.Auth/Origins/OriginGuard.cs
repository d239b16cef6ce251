namespace M3.Client.Auth;

/// <summary>
/// Decides where the token may go: to the allowed origins; where none were named, only to the first one used. Belongs to the
/// registration, so that recycled handlers cannot forget it.
/// </summary>
internal sealed class OriginGuard(M3AuthOptions options, Log log)
{
    private readonly bool _requireHttps = options.RequireHttps;
    private readonly Uri[] _allowed = [.. options.AllowedOrigins];

    // The first target that was trusted: the only origin where none were named, and in any case known at a glance.
    private Uri? _first;
    private bool _plainHttpLogged;

    /// <exception cref="UntrustedOriginException">The token may not go there.</exception>
    public void Check(Uri? target)
    {
        if (target is null || !ReferenceEquals(target, Volatile.Read(ref _first)))
            CheckAnew(target);
    }

    // The way of every call whose Uri is made anew, as HttpClient makes it of a relative one: nothing shared is written, and no memory taken.
    private void CheckAnew(Uri? target)
    {
        if (target is not { IsAbsoluteUri: true, Scheme: "http" or "https" })
            throw new UntrustedOriginException($"the request's URI is {Printable.Quote(target?.OriginalString)}, not an absolute http or https one");
        bool isReadable = target.Scheme == Uri.UriSchemeHttp && !target.IsLoopback;
        if (isReadable && _requireHttps)
            throw new UntrustedOriginException($"{Origin.Describe(target)} is plain HTTP, over which anybody on the way can read the token");
        if (!IsAllowed(target))
            throw Untrusted(target);

        if (Volatile.Read(ref _first) is null)
            Interlocked.CompareExchange(ref _first, target, null);
        if (isReadable && !Volatile.Read(ref _plainHttpLogged) && !Interlocked.Exchange(ref _plainHttpLogged, true))
            log.PlainHttp(Origin.Describe(target));
    }

    private bool IsAllowed(Uri target)
    {
        // Whoever comes first with a call decides, when nobody else did.
        if (_allowed.Length == 0)
            return Origin.Same(Volatile.Read(ref _first) ?? Interlocked.CompareExchange(ref _first, target, null) ?? target, target);

        foreach (Uri allowed in _allowed)
        {
            if (Origin.Same(allowed, target))
                return true;
        }

        return false;
    }

    private UntrustedOriginException Untrusted(Uri target) => new(_allowed.Length == 0
        ? $"{Origin.Describe(target)} (no allowed origins are set, so the first one used is the only one: {Origin.Describe(_first)})"
        : $"{Origin.Describe(target)} (allowed: {string.Join(", ", _allowed.Select(Origin.Describe))})");
}
