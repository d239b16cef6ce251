namespace M3.Client.Auth.IntegrationTests;

/// <summary>What happens to be set on this machine has no say in the tests.</summary>
[SetUpFixture]
public sealed class CleanEnvironment
{
    /// <summary>A directory of sign-ins that there is not.</summary>
    public static readonly string NoSignIns = Path.Combine(Path.GetTempPath(), $"m3-client-auth-{Guid.NewGuid():n}");

    [OneTimeSetUp]
    public void RemoveM3Variables()
    {
        foreach (string name in Environment.GetEnvironmentVariables().Keys.Cast<string>().Where(name => name.StartsWith("M3_", StringComparison.Ordinal)))
            Environment.SetEnvironmentVariable(name, null);
        // Nor who is signed in.
        Environment.SetEnvironmentVariable("M3_SIGN_IN_DIRECTORY", NoSignIns);
    }
}
