using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace M3.Client.Auth;

/// <summary>Validates a registration's settings when the host starts. Who issues the tokens is asked for only where the tokens are ours to get.</summary>
internal sealed class RegisteredOptionsValidator(IServiceCollection services) : IValidateOptions<M3AuthOptions>
{
    public ValidateOptionsResult Validate(string? name, M3AuthOptions options)
    {
        // Of several providers with one key the last is the one that is resolved.
        ServiceDescriptor? provider = services.LastOrDefault(service => service.ServiceType == typeof(IM3TokenProvider) && Equals(service.ServiceKey, name));
        List<string> failures = SettingsValidator.FindFailures(options, areTokensOurs: provider is null or OwnProviderDescriptor);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }
}

/// <summary>The client's <see cref="IM3TokenProvider"/>, where the application has not registered another.</summary>
internal sealed class OwnProviderDescriptor(string name)
    : ServiceDescriptor(typeof(IM3TokenProvider), name, (provider, key) => provider.GetRequiredKeyedService<M3TokenProvider>(key), ServiceLifetime.Singleton);
