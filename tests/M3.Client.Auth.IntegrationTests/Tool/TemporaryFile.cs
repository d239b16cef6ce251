namespace M3.Client.Auth.IntegrationTests.Tool;

/// <summary>A file that is gone when the test is.</summary>
internal sealed class TemporaryFile : IDisposable
{
    public TemporaryFile(string content) => File.WriteAllText(Path, content);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"m3-token-{Guid.NewGuid():N}");

    public void Dispose() => File.Delete(Path);
}
