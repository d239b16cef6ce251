using System.Diagnostics.Metrics;
using M3.Client.Auth;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds M3's authentication to clients of <c>IHttpClientFactory</c>.</summary>
public static class M3AuthHttpClientBuilderExtensions
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(100);

    /// <summary>
    /// Makes this client's calls carry a validated M3 token. The settings come from the application's configuration (the same flat
    /// names as M3's environment variables), then from <paramref name="configure"/>; they are validated when the host starts and fixed
    /// from then on.
    /// </summary>
    /// <param name="builder">The client, which must have a name.</param>
    /// <param name="configure">Changes the settings last.</param>
    /// <param name="prefix">What the settings' names begin with. Default <c>M3_OAUTH2_</c>.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">The client has no name (<c>ConfigureHttpClientDefaults</c>), or has M3's authentication already.</exception>
    /// <remarks>
    /// The client's <see cref="IM3TokenProvider"/> and its <see cref="M3TokenProvider"/>, which tells of its keys, are also services, keyed by the
    /// client's name. An application that registers another <see cref="IM3TokenProvider"/> with that key needs no issuer and no audience. With <see cref="RateLimitMode.Wait"/> a client
    /// that has <see cref="HttpClient"/>'s default timeout gets none.
    /// </remarks>
    public static IHttpClientBuilder AddM3Auth(this IHttpClientBuilder builder, Action<M3AuthOptions>? configure = null,
        string prefix = SettingNames.DefaultPrefix) =>
        Add(builder, section: null, (_, options) => configure?.Invoke(options), prefix);

    /// <summary>
    /// The same, with the settings in a section under the options' own names (<c>IssuerUrl</c>, <c>Audience</c>, ... and <c>Token</c>). What
    /// the section leaves out comes from the flat names.
    /// </summary>
    /// <param name="builder">The client, which must have a name.</param>
    /// <param name="section">For example <c>configuration.GetSection("M3")</c>.</param>
    /// <param name="configure">Changes the settings last.</param>
    /// <param name="prefix">What the flat names begin with. Default <c>M3_OAUTH2_</c>.</param>
    /// <inheritdoc cref="AddM3Auth(IHttpClientBuilder, Action{M3AuthOptions}?, string)" path="/returns|/exception|/remarks" />
    public static IHttpClientBuilder AddM3Auth(this IHttpClientBuilder builder, IConfigurationSection section, Action<M3AuthOptions>? configure = null,
        string prefix = SettingNames.DefaultPrefix)
    {
        ArgumentNullException.ThrowIfNull(section);
        return Add(builder, section, (_, options) => configure?.Invoke(options), prefix);
    }

    /// <inheritdoc cref="AddM3Auth(IHttpClientBuilder, Action{M3AuthOptions}?, string)" />
    /// <param name="builder">The client, which must have a name.</param>
    /// <param name="configure">Changes the settings last, with services from the container.</param>
    /// <param name="prefix">What the settings' names begin with. Default <c>M3_OAUTH2_</c>.</param>
    public static IHttpClientBuilder AddM3Auth(this IHttpClientBuilder builder, Action<IServiceProvider, M3AuthOptions> configure,
        string prefix = SettingNames.DefaultPrefix)
    {
        ArgumentNullException.ThrowIfNull(configure);
        return Add(builder, section: null, configure, prefix);
    }

    private static IHttpClientBuilder Add(IHttpClientBuilder builder, IConfigurationSection? section, Action<IServiceProvider, M3AuthOptions> configure, string prefix)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(prefix);
        string name = builder.Name ?? throw new InvalidOperationException(
            "AddM3Auth needs a client with a name: a token for every client of the application would reach others than M3. Use AddHttpClient(\"m3\").AddM3Auth().");

        IServiceCollection services = builder.Services;
        if (services.Any(service => service.ServiceType == typeof(M3AuthRegistration) && Equals(service.ServiceKey, name)))
            throw new InvalidOperationException($"AddM3Auth was called twice for the client '{name}': each request would count twice against M3's rate limit.");

        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<M3AuthOptions>>(new RegisteredOptionsValidator(services)));
        services.AddOptions<M3AuthOptions>(name)
            .Configure<IServiceProvider>((options, provider) =>
            {
                if (provider.GetService<IConfiguration>() is { } configuration)
                    options.ReadFrom(configuration, prefix);
                else
                    options.ReadFromEnvironment(prefix);
                if (section is not null)
                    options.ReadSection(section);
                options.AtStart = SettingsWatch.Read(options);
                configure(provider, options);
                options.ClientName = name;
            })
            .ValidateOnStart();

        services.TryAddKeyedSingleton(name, (provider, _) => new M3TokenProvider(OptionsOf(provider, name),
            provider.GetService<ILoggerFactory>(), provider.GetRequiredKeyedService<Telemetry>(name)));
        services.TryAddSingleton(provider => new Instruments(provider.GetService<IMeterFactory>()));
        services.AddKeyedSingleton(name, (provider, _) => new Telemetry(name, provider.GetRequiredService<Instruments>(), OptionsOf(provider, name).TimeProvider));
        services.TryAdd(new OwnProviderDescriptor(name));
        services.TryAddSingleton(_ => M3SharedState.CreateInProcess());
        services.AddKeyedSingleton(name, (provider, _) => new M3AuthRegistration(provider.GetRequiredKeyedService<IM3TokenProvider>(name),
            OptionsOf(provider, name), provider.GetService<ILoggerFactory>(), provider.GetRequiredService<M3SharedState>(),
            provider.GetRequiredKeyedService<Telemetry>(name)));
        services.AddKeyedSingleton(name, (provider, _) => new SettingsWatch(OptionsOf(provider, name), provider.GetRequiredKeyedService<M3AuthRegistration>(name).Log));

        // The first filter of all is the outermost one.
        if (!services.Any(service => service.ImplementationType == typeof(LastWordOnHandlers)))
            services.Insert(0, ServiceDescriptor.Singleton<IHttpMessageHandlerBuilderFilter, LastWordOnHandlers>());

        // Whatever else the application shows of its headers, the text of the factory's own log never shows this one; its values are
        // the filter's business.
        services.PostConfigure<HttpClientFactoryOptions>(name, options =>
        {
            Func<string, bool> others = options.ShouldRedactHeaderValue;
            options.ShouldRedactHeaderValue = header => header.Equals("Authorization", StringComparison.OrdinalIgnoreCase) || others(header);
        });

        // Behind whatever else configures the client, so that the base address is the one that its calls start from.
        services.AddOptions<HttpClientFactoryOptions>(name).PostConfigure<IServiceProvider>((options, provider) => options.HttpClientActions.Add(
            client => provider.GetRequiredKeyedService<M3AuthRegistration>(name).Origins.Expect(client.BaseAddress)));

        // A call that waits its turn would run into HttpClient's own default; a timeout that somebody chose stays.
        builder.ConfigureHttpClient((provider, client) =>
        {
            if (client.Timeout == DefaultTimeout && OptionsOf(provider, name) is { Enabled: true, RateLimitEnabled: true, RateLimitMode: RateLimitMode.Wait })
                client.Timeout = Timeout.InfiniteTimeSpan;
        });

        return builder.AddHttpMessageHandler(provider =>
        {
            _ = provider.GetRequiredKeyedService<SettingsWatch>(name);
            return new M3AuthHandler(provider.GetRequiredKeyedService<M3AuthRegistration>(name));
        });
    }

    private static M3AuthOptions OptionsOf(IServiceProvider provider, string name) => provider.GetRequiredService<IOptionsMonitor<M3AuthOptions>>().Get(name);
}
