using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.IntegrationTests.Docs;

/// <summary>How one send goes: what M3 or the way there does with the message; the function sends it over the network.</summary>
internal delegate Task<HttpResponseMessage> Sending(HttpRequestMessage request, Func<HttpRequestMessage, Task<HttpResponseMessage>> send, CancellationToken cancellationToken);

/// <summary>The client "m3" as a page sets it up, with the network in a test's hands, and no pauses between its tries.</summary>
internal sealed class PrintedClient : IAsyncDisposable
{
    private readonly ServiceCollection _services;
    private readonly CapturedLog _log = new();
    private readonly ConfigurationManager _configuration = new();
    private readonly Lazy<ServiceProvider> _provider;
    private readonly Lazy<HttpClient> _http;

    public PrintedClient(ServiceCollection services, Sending? sending = null)
    {
        _services = services;
        services.AddHttpClient("m3").ConfigurePrimaryHttpMessageHandler(() =>
            new Line(sending ?? ((request, _, _) => Task.FromResult(new HttpResponseMessage { RequestMessage = request }))) { InnerHandler = new SocketsHttpHandler() });
        services.AddLogging(logging => logging.AddProvider(_log));
        services.AddSingleton<IConfiguration>(_configuration);
        services.AddSingleton<TimeProvider>(PipelineClock);
        services.ConfigureAll<HttpStandardResilienceOptions>(options => options.Retry.Delay = TimeSpan.Zero);
        _provider = new(() => services.BuildServiceProvider());
        _http = new(() => Provider.GetRequiredService<IHttpClientFactory>().CreateClient("m3"));
    }

    public ServiceProvider Provider => _provider.Value;

    public HttpClient Http => _http.Value;

    /// <summary>For the settings.</summary>
    public FakeTimeProvider Clock { get; } = new();

    /// <summary>What resilience pipelines go by.</summary>
    public FakeTimeProvider PipelineClock { get; } = new();

    /// <summary>This library's.</summary>
    public IEnumerable<string> Warnings => _log.Lines.Where(line => line.StartsWith("M3.Client.Auth.m3 Warning", StringComparison.Ordinal));

    public static async Task<PrintedClient> MakeAsync(CodeBlock snippet, Sending? sending = null)
    {
        var services = new ServiceCollection();
        await SnippetCompiler.RunAsync(snippet, services, m3: new Uri("https://m3.example.org/sse"));
        return new PrintedClient(services, sending);
    }

    public void Configure(Action<M3AuthOptions> configure) => _services.PostConfigure("m3", configure);

    public void Set(string name, string value) => _configuration[name] = value;

    /// <summary>Where tokens are beside the point.</summary>
    public void UseAnyToken() => _services.AddKeyedSingleton<IM3TokenProvider>("m3", new Unchecked("made.up.token"));

    public async Task CallAsync(string address = "https://m3.example.org/sse")
    {
        using HttpResponseMessage response = await Http.PostAsync(new Uri(address, UriKind.RelativeOrAbsolute), new StringContent("{}"));
        response.EnsureSuccessStatusCode();
    }

    /// <summary>Lets time pass until a call that waits is done.</summary>
    public async Task PassAsync(Task call)
    {
        Task patience = Task.Delay(Patience.Time);
        while (!call.IsCompleted && !patience.IsCompleted)
        {
            Clock.Advance(TimeSpan.FromMinutes(1));
            await Task.Yield();
        }

        Assert.That(call.IsCompleted, Is.True, "the call goes as time passes");
        await call;
    }

    public async ValueTask DisposeAsync()
    {
        if (_provider.IsValueCreated)
            await Provider.DisposeAsync();
        _configuration.Dispose();
        _log.Dispose();
    }

    private sealed class Line(Sending sending) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            sending(request, message => base.SendAsync(message, cancellationToken), cancellationToken);
    }
}

/// <summary>How long a test waits for what takes no time.</summary>
internal static class Patience
{
    public static readonly TimeSpan Time = TimeSpan.FromSeconds(30);
}
