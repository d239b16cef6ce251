namespace M3.Client.Auth.IntegrationTests;

/// <summary>What happens to be set on this machine has no say in the tests.</summary>
[SetUpFixture]
public sealed class CleanEnvironment
{
    [OneTimeSetUp]
    public void RemoveM3Variables()
    {
        foreach (string name in Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(name => name.StartsWith("M3_", StringComparison.Ordinal)))
            Environment.SetEnvironmentVariable(name, null);
    }
}
