using System.Diagnostics;
using System.Globalization;

namespace M3.Client.Auth.Tool;

/// <summary>What the issuer was asked, and what it answered.</summary>
/// <param name="Method">The request's method.</param>
/// <param name="Url">Its address, without a query.</param>
/// <param name="Status">The answer's status; null when there was none.</param>
/// <param name="Failure">Why there was no answer.</param>
/// <param name="Milliseconds">How long it took.</param>
internal sealed record IssuerAnswer(string Method, string? Url, int? Status, string? Failure, long Milliseconds)
{
    public string? Text => Status?.ToString(CultureInfo.InvariantCulture) ?? Failure;
}

/// <summary>Writes down what the library asks the issuer, and what that answers.</summary>
internal sealed class IssuerTraffic() : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(3) })
{
    private readonly List<IssuerAnswer> _answers = [];

    public IssuerAnswer[] Answers
    {
        get
        {
            lock (_answers)
                return [.. _answers];
        }
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        int? status = null;
        string? failure = "no answer";
        try
        {
            HttpResponseMessage response = await base.SendAsync(request, cancellationToken);
            (status, failure) = ((int)response.StatusCode, null);
            return response;
        }
        catch (HttpRequestException e)
        {
            failure = e.HttpRequestError.ToString();
            throw;
        }
        finally
        {
            lock (_answers)
                _answers.Add(new(request.Method.Method, request.RequestUri?.GetLeftPart(UriPartial.Path), status, failure, watch.ElapsedMilliseconds));
        }
    }
}
