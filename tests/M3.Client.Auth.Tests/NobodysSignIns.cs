namespace M3.Client.Auth.Tests;

/// <summary>Whoever runs the tests may be signed in: no test reads that.</summary>
[SetUpFixture]
public sealed class NobodysSignIns
{
    private readonly string _directory = Path.Combine(Path.GetTempPath(), $"m3-client-auth-{Guid.NewGuid():n}");

    [OneTimeSetUp]
    public void PointElsewhere() => Environment.SetEnvironmentVariable(SignInStore.DirectoryVariable, _directory);

    [OneTimeTearDown]
    public void LookWhetherAnythingWasKept() => Assert.That(Directory.Exists(_directory), Is.False, "a test keeps its sign-ins in a directory of its own");
}
