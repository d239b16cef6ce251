using System.Diagnostics;

namespace M3.Client.Auth.Tool;

/// <summary>Writes down what the library asks the issuer, and what that answers.</summary>
internal sealed class IssuerTraffic() : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(3) })
{
    private readonly List<string?[]> _rows = [];

    public string?[][] Rows
    {
        get
        {
            lock (_rows)
                return [.. _rows];
        }
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        string answer = "no answer";
        try
        {
            HttpResponseMessage response = await base.SendAsync(request, cancellationToken);
            answer = ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture);
            return response;
        }
        catch (HttpRequestException e)
        {
            answer = e.HttpRequestError.ToString();
            throw;
        }
        finally
        {
            lock (_rows)
                _rows.Add([$"{request.Method} {request.RequestUri?.GetLeftPart(UriPartial.Path)}", answer, $"{watch.ElapsedMilliseconds} ms"]);
        }
    }
}
