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
