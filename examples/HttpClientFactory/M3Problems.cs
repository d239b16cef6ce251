using System.Globalization;
using M3.Client.Auth;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Mvc;
using ModelContextProtocol;

namespace HttpClientFactory;

/// <summary>
/// Answers failures of M3 as problem details (RFC 9457). It is this service's token that M3 wants, not its caller's, so that none is
/// a 401: what can pass by itself is a 503, the rest a 502.
/// </summary>
internal sealed class M3Problems(IProblemDetailsService problems, RecentRefusals refusals) : IExceptionHandler
{
    public ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        ProblemDetails? problem = exception switch
        {
            M3AuthException e => new ProblemDetails
            {
                Title = e.DocumentedMessage,
                Detail = e.Message,
                Status = e.IsTransient ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status502BadGateway,
                Extensions = { ["error"] = e.Error.ToString(), ["remedy"] = e.Remedy },
            },
            McpException or HttpRequestException => new ProblemDetails
            {
                Title = "M3 did not answer as it should",
                Detail = exception.Message,
                Status = StatusCodes.Status502BadGateway,
            },
            _ => null,
        };
        if (problem is null)
            return ValueTask.FromResult(false);

        if (exception is M3AuthException refusal)
            refusals.Add(context.Request.Path, refusal);
        if (exception is RateLimitExceededException { RetryAfter: { } wait })
            context.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        context.Response.StatusCode = problem.Status!.Value;
        return problems.TryWriteAsync(new ProblemDetailsContext { HttpContext = context, ProblemDetails = problem });
    }
}
