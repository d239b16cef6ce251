using System.Net;

namespace M3.Client.Auth;

/// <summary>Why a document could not be had from the issuer. Never leaves the library: the rooms above turn it into a typed error.</summary>
internal sealed class BackchannelException : Exception
{
    public BackchannelException(string message, HttpStatusCode? statusCode = null)
        : base(message) => StatusCode = statusCode;

    public BackchannelException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>What the issuer answered, if it was its status that spoiled it.</summary>
    public HttpStatusCode? StatusCode { get; }

    /// <summary>Whether the answer itself is unacceptable, so that nothing known from before may stand in for it.</summary>
    public bool IsRefusal { get; init; }

    /// <summary>Whether the issuer says that there is nothing at this address, rather than that it is in trouble.</summary>
    public bool IsNotThere => StatusCode is { } status && (int)status is >= 400 and < 500
        and not (int)HttpStatusCode.RequestTimeout and not (int)HttpStatusCode.TooManyRequests;
}
