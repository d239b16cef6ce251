using M3.Client.Auth.Tests.Kit;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace M3.Client.Auth.Tests.Registration.Beside;

/// <summary>Where another handler stands, seen from ours.</summary>
public enum Side
{
    /// <summary>Added before <c>AddM3Auth</c>.</summary>
    Outside,

    /// <summary>Added after it, and so nearer to the network.</summary>
    Inside,
}

/// <summary>An application whose client has M3's authentication and something beside it, and ends in the fixture's M3.</summary>
internal sealed class BesideFixture : IDisposable
{
    private readonly Action<M3AuthOptions>? _configure;
    private readonly Lazy<ServiceProvider> _provider;
    private readonly ConfigurationManager _configuration = new();

    /// <param name="configure">Changes the settings.</param>
    public BesideFixture(Action<M3AuthOptions>? configure = null)
    {
        _configure = configure;
        ClientFixture = new ClientFixture { Clock = Clock };
        ClientFixture.Token = ClientFixture.NewToken(claims => claims["exp"] = ClientFixture.Noon.AddDays(1).ToUnixTimeSeconds());
        Services.AddLogging(logging => logging.AddProvider(ClientFixture.Log));
        Services.AddSingleton<IConfiguration>(_configuration);
        Services.AddSingleton<TimeProvider>(PipelineClock);
        _provider = new(() => Services.BuildServiceProvider());
    }

    public ServiceCollection Services { get; } = new();

    public ServiceProvider Provider => _provider.Value;

    public ClientFixture ClientFixture { get; }

    public FakeM3 Server => ClientFixture.Server;

    /// <summary>What stands before the fixture's M3, if anything.</summary>
    public DelegatingHandler? Line { get; init; }

    public WaitingClock Clock { get; } = new(ClientFixture.Noon);

    /// <summary>What resilience pipelines go by, which take the container's.</summary>
    public FakeTimeProvider PipelineClock { get; } = new(ClientFixture.Noon);

    /// <summary>What this library warned of.</summary>
    public IEnumerable<LogLine> Warnings => ClientFixture.Log.Lines.Where(line => line.Level == LogLevel.Warning && line.Category.StartsWith("M3.Client.Auth", StringComparison.Ordinal));

    public void Set(string name, string value) => _configuration[name] = value;

    /// <summary>A client with something on one side of M3's authentication.</summary>
    public void AddClient(Side side, Action<IHttpClientBuilder> beside, string name = "m3")
    {
        IHttpClientBuilder builder = Services.AddHttpClient(name);
        if (side == Side.Outside)
            beside(builder);
        AddM3(builder);
        if (side == Side.Inside)
            beside(builder);
    }

    public IHttpClientBuilder AddM3(IHttpClientBuilder builder, Action<M3AuthOptions>? configure = null) =>
        builder.ConfigurePrimaryHttpMessageHandler(NewPrimary).AddM3Auth(options =>
        {
            (options.IssuerUrl, options.Audience) = (FakeIssuer.Url, ClientFixture.Audience);
            ClientFixture.Wire(options);
            _configure?.Invoke(options);
            configure?.Invoke(options);
        });

    public HttpClient Client(string name = "m3") => Provider.GetRequiredService<IHttpClientFactory>().CreateClient(name);

    /// <summary>A tool call, whose answer's status is what counts.</summary>
    public async Task CallAsync(string? address = null, string client = "m3")
    {
        using HttpResponseMessage response = await Client(client).PostAsync(address is null ? ClientFixture.Address : new Uri(address), new StringContent("{}"));
        response.EnsureSuccessStatusCode();
    }

    private HttpMessageHandler NewPrimary()
    {
        if (Line is null)
            return Server;
        Line.InnerHandler = Server;
        return Line;
    }

    public void Dispose()
    {
        if (_provider.IsValueCreated)
            Provider.Dispose();
        _configuration.Dispose();
        ClientFixture.Dispose();
    }
}
