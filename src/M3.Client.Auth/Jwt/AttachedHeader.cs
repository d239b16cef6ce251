using System.Diagnostics;
using System.Net.Http.Headers;

namespace M3.Client.Auth;

/// <summary>
/// An <c>Authorization</c> header that this library made. Its type tells it from one that the caller set, when a retry policy
/// outside sends the same message again.
/// </summary>
[DebuggerDisplay("Bearer (not shown)")]
internal sealed class AttachedHeader(M3AccessToken token) : AuthenticationHeaderValue("Bearer", token.Value)
{
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    private readonly string _text = "Bearer " + token.Value;

    /// <summary>Where alone its token may go; null: where any may.</summary>
    public Origin? OnlyFor => token.OnlyFor;

    /// <summary>What goes out on the wire, made once: the base class joins a new string for every request that is sent.</summary>
    public override string ToString() => _text;
}
