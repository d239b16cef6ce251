namespace M3.Client.Auth;

/// <summary>
/// Decides where the token may go: to the allowed origins; where none were named, only to the first one used. Belongs to the
/// registration, so that recycled handlers cannot forget it.
/// </summary>
internal sealed class OriginGuard(M3AuthOptions options, Log log)
{
    private readonly bool _requireHttps = options.RequireHttps;
    private readonly Uri[] _allowed = [.. options.AllowedOrigins];
    private Uri? _first;
    private Uri? _lastTrusted;
    private bool _plainHttpLogged;

    /// <exception cref="UntrustedOriginException">The token may not go there.</exception>
    public void Check(Uri? target)
    {
        // Apart, so that the common case pays for nothing that only the other one needs.
        if (target is null || !ReferenceEquals(target, Volatile.Read(ref _lastTrusted)))
            CheckAnew(target);
    }

    private void CheckAnew(Uri? target)
    {
        if (target is not { IsAbsoluteUri: true, Scheme: "http" or "https" })
            throw new UntrustedOriginException($"the request's URI is {Printable.Quote(target?.OriginalString)}, not an absolute http or https one");
        bool isReadable = target.Scheme == Uri.UriSchemeHttp && !target.IsLoopback;
        if (isReadable && _requireHttps)
            throw new UntrustedOriginException($"{Origin.Describe(target)} is plain HTTP, over which anybody on the way can read the token");

        Uri? first = _allowed.Length > 0 ? null : Interlocked.CompareExchange(ref _first, target, null) ?? target;
        if (first is not null ? !Origin.Same(first, target) : !Array.Exists(_allowed, allowed => Origin.Same(allowed, target)))
        {
            throw new UntrustedOriginException(first is not null
                ? $"{Origin.Describe(target)} (no allowed origins are set, so the first one used is the only one: {Origin.Describe(first)})"
                : $"{Origin.Describe(target)} (allowed: {string.Join(", ", _allowed.Select(Origin.Describe))})");
        }

        if (isReadable && !Interlocked.Exchange(ref _plainHttpLogged, true))
            log.PlainHttp(Origin.Describe(target));
        Volatile.Write(ref _lastTrusted, target);
    }
}
