using System.Collections.Concurrent;
using System.Net;

namespace M3.Client.Auth.Tests.Kit;

/// <summary>What a request looked like when it arrived.</summary>
internal sealed record Arrival(HttpMethod Method, Uri? Url, string? Scheme, string? Token);

/// <summary>The end of the line: it records what arrives, and answers as it is told to.</summary>
internal sealed class FakeM3 : HttpMessageHandler
{
    private readonly ConcurrentQueue<Arrival> _arrivals = new();

    public IReadOnlyList<Arrival> Arrivals => [.. _arrivals];

    public Func<HttpRequestMessage, HttpResponseMessage> Answer { get; set; } = request => new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request };

    /// <summary>401 with this challenge; null: without any.</summary>
    public static HttpResponseMessage Refuse(HttpRequestMessage request, string? challenge, HttpStatusCode status = HttpStatusCode.Unauthorized)
    {
        var response = new HttpResponseMessage(status) { RequestMessage = request };
        if (challenge is not null)
            response.Headers.TryAddWithoutValidation("WWW-Authenticate", challenge);
        return response;
    }

    /// <summary>429: M3 asks for a pause.</summary>
    /// <param name="request">What it answers.</param>
    /// <param name="retryAfter">As the header has it: seconds, or a date.</param>
    public static HttpResponseMessage AskForPause(HttpRequestMessage request, string retryAfter)
    {
        var response = new HttpResponseMessage(HttpStatusCode.TooManyRequests) { RequestMessage = request };
        response.Headers.TryAddWithoutValidation("Retry-After", retryAfter);
        return response;
    }

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested
            ? Task.FromCanceled<HttpResponseMessage>(cancellationToken)
            : Task.FromResult(Send(request, cancellationToken));

    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        _arrivals.Enqueue(new Arrival(request.Method, request.RequestUri, request.Headers.Authorization?.Scheme, request.Headers.Authorization?.Parameter));
        return Answer(request);
    }
}
