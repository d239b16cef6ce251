using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.EnvironmentVariables;

namespace M3.Client.Auth;

/// <summary>A source that can say in words where it looks.</summary>
internal interface INamedTokenSource : ITokenSource
{
    string Name { get; }
}

internal sealed class EnvironmentTokenSource(string variable) : INamedTokenSource
{
    public string Name => $"the environment variable {variable}";

    public TimeSpan? PollInterval => TimeSpan.FromSeconds(1);

    public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
        new(Environment.GetEnvironmentVariable(variable));
}

internal sealed class DelegateTokenSource(string name, Func<CancellationToken, ValueTask<string?>> read) : INamedTokenSource
{
    public string Name => name;

    public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) => read(cancellationToken);
}

internal sealed class ConfigurationTokenSource(IConfiguration configuration, string key, bool skipEnvironment) : INamedTokenSource
{
    public string Name => skipEnvironment ? $"the configuration's other providers ({Place})" : $"the configuration ({Place})";

    public TimeSpan? PollInterval => TimeSpan.FromSeconds(1);

    public ValueTask<string?> ReadAsync(TokenSourceContext context, CancellationToken cancellationToken) =>
        new(skipEnvironment && configuration is IConfigurationRoot root ? ReadOthers(root) : configuration[key]);

    private string Place => configuration is IConfigurationSection section ? $"{section.Path}:{key}" : key;

    private string? ReadOthers(IConfigurationRoot root)
    {
        // The last provider that has a key wins.
        foreach (IConfigurationProvider provider in root.Providers.Reverse())
        {
            string? value = provider switch
            {
                EnvironmentVariablesConfigurationProvider => null,
                ChainedConfigurationProvider { Configuration: IConfigurationRoot inner } => ReadOthers(inner),
                _ => provider.TryGet(key, out string? found) ? found : null,
            };
            if (!string.IsNullOrWhiteSpace(value))
                return value;
        }

        return null;
    }
}
