using System.Text;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using BenchmarkDotNet.Attributes;
using Microsoft.Identity.Client;
using Microsoft.IdentityModel.Tokens;

namespace M3.Client.Auth.Benchmarks;

/// <summary>What a call costs with its token cached: this library, a header set by hand, and the peers; nothing is sent anywhere.</summary>
[MemoryDiagnoser]
public class HotPath
{
    private const string Variable = "M3_BENCHMARK_TOKEN";

    private readonly HttpRequestMessage _request = new(HttpMethod.Post, "https://m3.example/sse");
    private HttpMessageInvoker _handSet = null!;
    private HttpMessageInvoker _m3 = null!;
    private HttpMessageInvoker _m3WithoutBudget = null!;
    private HttpMessageInvoker _m3Later = null!;
    private HttpMessageInvoker _handSetLater = null!;
    private HttpMessageInvoker _variable = null!;
    private HttpMessageInvoker _validate = null!;
    private HttpMessageInvoker _msal = null!;
    private HttpPipeline _azure = null!;
    private HttpPipeline _azureWithoutToken = null!;

    [GlobalSetup]
    public async Task SetUp()
    {
        var fixture = new Fixture();
        string token = fixture.Token(SecurityAlgorithms.RsaSha256);
        Environment.SetEnvironmentVariable(Variable, token);

        _handSet = Chain(new HandSetHandler(token));
        _handSetLater = Chain(new HandSetHandler(token), later: true);
        _m3 = Chain(new M3AuthHandler(fixture.Options(token)));
        _m3Later = Chain(new M3AuthHandler(fixture.Options(token)), later: true);
        _m3WithoutBudget = Chain(new M3AuthHandler(fixture.Options(token, budget: false)));
        _variable = Chain(new VariableEachTimeHandler(Variable));
        _validate = Chain(new ValidateEachTimeHandler(token, new RsaSecurityKey(fixture.Rsa) { KeyId = "rsa" }));
        _msal = Chain(await MsalHandler.CreateAsync(token));
        _azure = new HttpPipeline(new EndTransport(), [new BearerTokenAuthenticationPolicy(new FixedCredential(token), "scope")]);
        _azureWithoutToken = new HttpPipeline(new EndTransport(), [new HandSetPolicy(token)]);
        foreach (HttpMessageInvoker m3 in (HttpMessageInvoker[])[_m3, _m3WithoutBudget, _m3Later])
            await m3.SendAsync(_request, default);
    }

    [Benchmark(Baseline = true, Description = "header set by hand")]
    public Task<HttpResponseMessage> HandSet() => _handSet.SendAsync(_request, default);

    [Benchmark(Description = "M3.Client.Auth")]
    public Task<HttpResponseMessage> M3() => _m3.SendAsync(_request, default);

    [Benchmark(Description = "M3.Client.Auth, no budget")]
    public Task<HttpResponseMessage> M3WithoutBudget() => _m3WithoutBudget.SendAsync(_request, default);

    [Benchmark(Description = "header set by hand, answered later")]
    public Task<HttpResponseMessage> HandSetLater() => _handSetLater.SendAsync(_request, default);

    [Benchmark(Description = "M3.Client.Auth, answered later")]
    public Task<HttpResponseMessage> M3Later() => _m3Later.SendAsync(_request, default);

    [Benchmark(Description = "variable read each time")]
    public Task<HttpResponseMessage> VariableEachTime() => _variable.SendAsync(_request, default);

    [Benchmark(Description = "validated each time")]
    public Task<HttpResponseMessage> ValidateEachTime() => _validate.SendAsync(_request, default);

    [Benchmark(Description = "MSAL, cached token")]
    public Task<HttpResponseMessage> Msal() => _msal.SendAsync(_request, default);

    [Benchmark(Description = "Azure.Core pipeline, header set by hand")]
    public ValueTask<Response> AzureWithoutToken() => Send(_azureWithoutToken);

    [Benchmark(Description = "Azure.Core pipeline, BearerTokenAuthenticationPolicy")]
    public ValueTask<Response> AzureCore() => Send(_azure);

    private static async ValueTask<Response> Send(HttpPipeline pipeline)
    {
        using HttpMessage message = pipeline.CreateMessage();
        message.Request.Method = RequestMethod.Post;
        message.Request.Uri.Reset(new Uri("https://m3.example/sse"));
        await pipeline.SendAsync(message, default);
        return message.Response;
    }

    private static HttpMessageInvoker Chain(DelegatingHandler handler, bool later = false)
    {
        handler.InnerHandler = new EndHandler(later);
        return new HttpMessageInvoker(handler);
    }

    private sealed class MsalHandler(IConfidentialClientApplication application) : DelegatingHandler, IMsalHttpClientFactory
    {
        private static readonly string[] Scopes = ["https://m3.example/.default"];

        public static async Task<MsalHandler> CreateAsync(string token)
        {
            IConfidentialClientApplication application = ConfidentialClientApplicationBuilder.Create("client")
                .WithClientSecret("made-up")
                .WithAuthority("https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111", validateAuthority: false)
                .WithInstanceDiscovery(false)
                .WithHttpClientFactory(new Answering(token))
                .Build();
            await application.AcquireTokenForClient(Scopes).ExecuteAsync();
            return new MsalHandler(application);
        }

        public HttpClient GetHttpClient() => throw new InvalidOperationException("the token is cached");

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            AuthenticationResult result = await application.AcquireTokenForClient(Scopes).ExecuteAsync(cancellationToken).ConfigureAwait(false);
            request.Headers.Authorization = new("Bearer", result.AccessToken);
            return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
        }

        private sealed class Answering(string token) : HttpMessageHandler, IMsalHttpClientFactory
        {
            public HttpClient GetHttpClient() => new(this, disposeHandler: false);

            protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
                Task.FromResult(new HttpResponseMessage
                {
                    Content = new StringContent($$"""{"token_type":"Bearer","expires_in":86400,"access_token":"{{token}}"}""", Encoding.UTF8, "application/json"),
                });
        }
    }

    private sealed class FixedCredential(string token) : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => new(token, DateTimeOffset.UtcNow.AddDays(1));

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            new(GetToken(requestContext, cancellationToken));
    }

    private sealed class HandSetPolicy(string token) : HttpPipelineSynchronousPolicy
    {
        private readonly string _header = "Bearer " + token;

        public override void OnSendingRequest(HttpMessage message) => message.Request.Headers.SetValue("Authorization", _header);
    }

    private sealed class EndTransport : HttpPipelineTransport
    {
        private readonly HttpClientTransport _requests = new(new HttpClient(new FreshEndHandler()));

        public override Request CreateRequest() => _requests.CreateRequest();

        public override void Process(HttpMessage message) => _requests.Process(message);

        public override ValueTask ProcessAsync(HttpMessage message) => _requests.ProcessAsync(message);
    }
}
