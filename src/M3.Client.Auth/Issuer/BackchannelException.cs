using System.Net;

namespace M3.Client.Auth;

/// <summary>
/// Why something could not be had from the issuer. The library turns it into a typed error; a token source of the user's, which asks over
/// the same backchannel, sees an <see cref="HttpRequestException"/>.
/// </summary>
internal sealed class BackchannelException : HttpRequestException
{
    public BackchannelException(string message, HttpStatusCode? statusCode = null)
        : base(message, inner: null, statusCode)
    {
    }

    public BackchannelException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Whether it is what the issuer says of itself that will not do: that does not pass by waiting, and nothing known from before may stand in for it.</summary>
    public bool IsFatal { get; init; }

    /// <summary>What to do about it, where that is known.</summary>
    public string? Remedy { get; init; }

    /// <summary>Whether the issuer says that there is nothing at this address, rather than that it is in trouble.</summary>
    public bool IsNotFound => StatusCode is { } status && (int)status is >= 400 and < 500
        and not (int)HttpStatusCode.RequestTimeout and not (int)HttpStatusCode.TooManyRequests;
}
