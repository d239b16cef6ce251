using System.Diagnostics;
using System.Net.Http.Headers;

namespace M3.Client.Auth;

/// <summary>
/// An <c>Authorization</c> header that this library made. Its type tells it from one that the caller set, when a retry policy
/// outside sends the same message again.
/// </summary>
[DebuggerDisplay("Bearer (not shown)")]
internal sealed class AttachedHeader(string token) : AuthenticationHeaderValue("Bearer", token);
