using System.Net;
using System.Net.Http.Headers;

namespace M3.Client.Auth;

/// <summary>
/// When M3 has counted a call for certain, so that its permit's window can begin. M3 counts when the tool begins: somewhere between the
/// request and the end of its answer.
/// </summary>
internal static class AnswerEnd
{
    /// <summary>What was sent without an answer to wait for is counted within this time: legacy SSE's 202, a call that was cancelled or broke off.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>Gives the permit back when the answer ends: an event stream with its end or disposal, any other with its headers.</summary>
    public static void Follow(HttpResponseMessage response, in Permit permit, TimeProvider timeProvider)
    {
        if (permit.Count == 0)
            return;
        if (IsEventStream(response.Content))
            response.Content = new WatchedContent(response.Content, permit, timeProvider);
        else
            permit.Pool.Release(permit, response.StatusCode == HttpStatusCode.Accepted ? Grace : TimeSpan.Zero);
    }

    /// <summary>Gives the permit of a call back that gets no answer: at once, if it was certainly never sent.</summary>
    public static void Abandon(Exception failure, in Permit permit)
    {
        if (permit.Count == 0)
            return;
        if (failure is HttpRequestException
            {
                HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError
                or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError
            })
        {
            permit.Pool.Return(permit);
        }
        else
        {
            // Of M3's refusal its error is thrown, and nothing more will come. One that a handler inside moved elsewhere may have been sent before.
            permit.Pool.Release(permit, failure is M3AuthException ? TimeSpan.Zero : Grace);
        }
    }

    // Without the header's parsed form, which every answer would have to pay for.
    private static bool IsEventStream(HttpContent content) =>
        content.Headers.NonValidated.TryGetValues("Content-Type", out HeaderStringValues type)
        && type.ToString().StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase);
}
