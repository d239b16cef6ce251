namespace M3.Client.Auth;

/// <summary>Reads M3's refusal off a response, for callers who asked to get responses instead of exceptions.</summary>
public static class M3HttpResponseExtensions
{
    /// <summary>
    /// The error that <see cref="M3AuthOptions.ThrowOnRejection"/> would have thrown: for a 401, and for a 403 with
    /// <c>insufficient_scope</c> (RFC 6750, section 3.1).
    /// </summary>
    /// <param name="response">M3's answer.</param>
    /// <returns>Null when the answer is no refusal.</returns>
    public static M3AuthException? GetM3AuthError(this HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return response.RequestMessage is { } request && request.Options.TryGetValue(M3Answer.ErrorKey, out (HttpResponseMessage Of, M3AuthException Error) known)
            && ReferenceEquals(known.Of, response)
            ? known.Error
            : M3Answer.ReadRefusal(response, null, []);
    }
}
