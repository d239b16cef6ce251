using Microsoft.Extensions.DependencyInjection;
using Polly;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary>Something that sends a failed call again, twice at most and without a pause.</summary>
/// <param name="Name">As its users know it.</param>
/// <param name="AddTo">Adds it to a client.</param>
/// <param name="IsKnown">Whether this library recognises it.</param>
public sealed record Retrier(string Name, Action<IHttpClientBuilder> AddTo, bool IsKnown = true)
{
    public static IEnumerable<Retrier> All =>
    [
        new("AddStandardResilienceHandler", builder => builder.AddStandardResilienceHandler(options => (options.Retry.MaxRetryAttempts, options.Retry.Delay) = (2, TimeSpan.Zero))),
        new("AddTransientHttpErrorPolicy", builder => builder.AddTransientHttpErrorPolicy(policy => policy.RetryAsync(2))),
        new("AddPolicyHandler", builder => builder.AddPolicyHandler(Policy.HandleResult<HttpResponseMessage>(response => (int)response.StatusCode >= 500)
            .Or<HttpRequestException>().RetryAsync(2))),
        new("a handler that clones the message", builder => builder.AddHttpMessageHandler(() => new CloningRetry()), IsKnown: false),
    ];

    public override string ToString() => Name;

    /// <summary>As it is written again and again: a new message each time, its headers copied as text.</summary>
    private sealed class CloningRetry : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            for (int i = 0; ; i++)
            {
                try
                {
                    HttpResponseMessage response = await base.SendAsync(request, cancellationToken);
                    if (i == 2 || (int)response.StatusCode < 500)
                        return response;
                    response.Dispose();
                }
                catch (HttpRequestException) when (i < 2)
                {
                    // Once more.
                }

                request = Clone(request);
            }
        }

        private static HttpRequestMessage Clone(HttpRequestMessage request)
        {
            var clone = new HttpRequestMessage(request.Method, request.RequestUri) { Content = request.Content };
            foreach ((string name, IEnumerable<string> values) in request.Headers)
                clone.Headers.TryAddWithoutValidation(name, values);
            return clone;
        }
    }
}
