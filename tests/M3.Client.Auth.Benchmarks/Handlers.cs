using System.Net;
using System.Net.Http.Headers;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Benchmarks;

/// <summary>Answers at once with one response, or later when asked to.</summary>
internal sealed class EndHandler(bool later = false) : HttpMessageHandler
{
    private static readonly HttpResponseMessage Response = new(HttpStatusCode.OK);
    private static readonly Task<HttpResponseMessage> Completed = Task.FromResult(Response);

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        later ? Later() : Completed;

    private static async Task<HttpResponseMessage> Later()
    {
        await Task.Yield();
        return Response;
    }
}

/// <summary>For pipelines that dispose each answer.</summary>
internal sealed class FreshEndHandler : HttpMessageHandler
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { RequestMessage = request });
}

/// <summary>What users would do otherwise: a header set by hand, no checks.</summary>
internal sealed class HandSetHandler(string token) : DelegatingHandler
{
    private readonly AuthenticationHeaderValue _header = new("Bearer", token);

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.Headers.Authorization = _header;
        return base.SendAsync(request, cancellationToken);
    }
}

internal sealed class VariableEachTimeHandler(string variable) : DelegatingHandler
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string token = Environment.GetEnvironmentVariable(variable)!.Trim();
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return base.SendAsync(request, cancellationToken);
    }
}

internal sealed class ValidateEachTimeHandler(string token, SecurityKey key) : DelegatingHandler
{
    private readonly JsonWebTokenHandler _handler = new();
    private readonly AuthenticationHeaderValue _header = new("Bearer", token);

    private readonly TokenValidationParameters _parameters = new()
    {
        ValidIssuer = Fixture.Issuer,
        ValidAudience = Fixture.Audience,
        ValidAlgorithms = [SecurityAlgorithms.RsaSha256],
        IssuerSigningKey = key,
        TryAllIssuerSigningKeys = false,
    };

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        TokenValidationResult result = await _handler.ValidateTokenAsync(token, _parameters).ConfigureAwait(false);
        if (!result.IsValid)
            throw new InvalidOperationException("the benchmark's token must be valid");
        request.Headers.Authorization = _header;
        return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }
}
